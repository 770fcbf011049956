// Launches, calls and arithmetic that are wrong by themselves.
#include <stdexcept>

#include "tests/emulation/bench.cuh"
#include "tests/emulation/defects.h"

namespace ktrain::test {
namespace {

__global__ void copy_one(const float* x, float* y) { y[threadIdx.x] = x[threadIdx.x]; }

__global__ void too_much_shared(const float* x, float* y) {
  float* const s = shared_array<float, 12300, struct S>();
  s[threadIdx.x] = x[threadIdx.x];
  y[threadIdx.x] = s[threadIdx.x];
}

__global__ void throws(const float*, float*) { throw std::runtime_error("as only host code can"); }

__global__ void index_overflows(const float* x, float* y, int stride) {
  const int i = static_cast<int>(threadIdx.x) * stride * 100000;
  y[threadIdx.x] = i < 0 ? 0 : x[threadIdx.x];
}

__global__ void shifts_too_far(float* y, int by) {
  y[threadIdx.x] = static_cast<float>(1u << (by + static_cast<int>(threadIdx.x)) & 0u);
}

__global__ void nan_becomes_integer(const float* x, float* y) {
  const float v = x[threadIdx.x];
  y[threadIdx.x] = static_cast<float>(static_cast<int>(v / (v - v)) & 0);
}

std::function<bool()> launched(void (*kernel)(const float*, float*), int blocks, int threads) {
  return [=] {
    DefectBench b;
    b.run(kernel, blocks, threads, b.dx.data(), b.y.data());
    return b.gives(b.picked(std::min(threads, 64), [](int i) { return i; }));
  };
}

bool overflow() {
  DefectBench b;
  b.run(index_overflows, 1, 64, b.dx.data(), b.y.data(), 30000);
  return true;
}
bool shift() {
  DefectBench b;
  b.run(shifts_too_far, 1, 32, b.y.data(), 10);
  return b.gives(std::vector<float>(32, 0.0f));
}
bool nan_index() {
  DefectBench b;
  b.run(nan_becomes_integer, 1, 32, b.dx.data(), b.y.data());
  return b.gives(std::vector<float>(32, 0.0f));
}
bool copy_too_much() {
  DefectBench b;
  std::vector<float> host(641);
  copy_to_host(b.stream.get(), b.dx.data(), host.data(), 641 * sizeof(float));
  return true;
}
bool free_twice() {
  float* const p = static_cast<float*>(device_allocate(64));
  device_free(p);
  emulation::device_free(p);  // what cudaFree does; device_free() may not throw
  return true;
}

}  // namespace

std::vector<Defect> launch_defects() {
  const Expected always{'E', 'E', 'E', 'E'};
  return {
      {"block of 2048 threads", always, "1 to 1024 are allowed", launched(copy_one, 1, 2048)},
      {"no blocks", always, "0 blocks", launched(copy_one, 0, 32)},
      {"more shared memory than a kernel has", always, "49152 are allowed",
       launched(too_much_shared, 1, 64)},
      {"kernel throws", always, "as only host code can", launched(throws, 1, 32)},
      {"copy past the end", always, "cudaErrorInvalidValue", copy_too_much},
      {"memory freed twice", always, "not a device allocation", free_twice},
      {"integer overflow", {'.', '.', 'S', '.'}, "signed integer overflow", overflow},
      {"shift by 40", {'.', '.', 'S', '.'}, "shift exponent", shift},
      {"NaN becomes an integer", {'.', '.', 'S', '.'}, "outside the range", nan_index},
  };
}

}  // namespace ktrain::test
