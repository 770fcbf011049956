// What a data gradient's end must be like (kernels/conv2d.h), on both devices.
#pragma once

#include "kernels/check.h"
#include "kernels/conv2d.h"

namespace ktrain {

template <class T>
void check_end(const char* who, const GradientEnd<T>& end, Nhwc<T> dx) {
  const auto check = [&](const char* what, const Nhwc<const T>& map) {
    KT_CHECK(map.empty() || same_shape(map, dx), "{}: {} is {}x{}x{}x{}, dx {}x{}x{}x{}", who, what,
             map.batch, map.height, map.width, map.channels, dx.batch, dx.height, dx.width,
             dx.channels);
  };
  check("add", end.add);
  check("positive", end.positive);
}

}  // namespace ktrain
