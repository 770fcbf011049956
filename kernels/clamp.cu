// Operations of device/map.cuh: 8 bytes moved by element.
#include "kernels/clamp.h"

#include "kernels/check.h"
#include "kernels/device/map.cuh"

namespace ktrain::cuda {
namespace {

struct Clamp {
  float low, high;
  __device__ void prepare() {}
  // A NaN, for which no comparison holds, is kept.
  __device__ float operator()(float x) const {
    const float raised = x < low ? low : x;
    return raised > high ? high : raised;
  }
};
struct Below {
  double limit;
  __device__ void prepare() {}
  __device__ float operator()(float x) const {
    return static_cast<double>(x) < limit ? 1.0f : 0.0f;
  }
};
struct Complement {
  __device__ void prepare() {}
  __device__ float operator()(float x) const { return 1.0f - x; }
};

}  // namespace

void clamp(CudaStream stream, Span<float> x, double least, double most) {
  map("clamp", stream, Clamp{static_cast<float>(least), static_cast<float>(most)}, x,
      Span<const float>(x));
}
void below(CudaStream stream, Span<const float> x, Span<float> y, double limit) {
  map("below", stream, Below{limit}, y, x);
}
void complement(CudaStream stream, Span<const float> x, Span<float> y) {
  map("complement", stream, Complement{}, y, x);
}

}  // namespace ktrain::cuda
