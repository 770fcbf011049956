// What kernels/convert_list.h refuses, on both devices.
#pragma once

#include "kernels/check.h"
#include "kernels/convert_list.h"

namespace ktrain {

inline void check_conversion(const Conversion& one) {
  KT_CHECK(one.x.size == one.y.size, "convert_list: {} elements from {}", one.y.size, one.x.size);
}

}  // namespace ktrain
