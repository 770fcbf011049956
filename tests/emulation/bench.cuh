// What every defect needs: an input of 640 numbers, an output, a launch.
#pragma once

#include <cmath>
#include <vector>

#include "kernels/device/launch.cuh"
#include "kernels/device/stream.h"
#include "tests/support/device_view.h"

namespace ktrain::test {

struct DefectBench {
  Stream stream;
  std::vector<float> x = random_floats(640, 1, 1, 2);
  DeviceView<float> dx{stream.get(), x};
  DeviceView<float> y{stream.get(), std::vector<float>(640, 0.0f)};

  template <class Kernel, class... Args>
  void run(Kernel kernel, int blocks, int threads, const Args&... arguments) {
    launch("defect", kernel, blocks, threads, stream.get(), arguments...);
  }
  // Are y's first elements those of `want`, to 1e-4?
  [[nodiscard]] bool gives(const std::vector<float>& want) {
    const std::vector<float> got = y.to_host(stream.get());
    for (std::size_t i = 0; i < want.size(); ++i)
      if (!(std::abs(got[i] - want[i]) <= 1e-4f)) return false;
    return true;
  }
  // x[from(i)] for i below `count`.
  template <class From>
  [[nodiscard]] std::vector<float> picked(int count, From from) const {
    std::vector<float> values;
    for (int i = 0; i < count; ++i) values.push_back(x[static_cast<std::size_t>(from(i))]);
    return values;
  }
};

}  // namespace ktrain::test
