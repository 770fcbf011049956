// Accesses that should not be.
#include "tests/emulation/bench.cuh"
#include "tests/emulation/defects.h"

namespace ktrain::test {
namespace {

__global__ void shared_read_past_end(const float* x, float* y) {
  float* const s = shared_array<float, 64, struct S>();
  const int t = static_cast<int>(threadIdx.x);
  s[t] = x[t];
  __syncthreads();
  y[t] = t == 63 ? s[t + 1] * 0.0f + s[t] : s[t];
}

__global__ void shared_write_past_end(const float* x, float* y) {
  float* const s = shared_array<float, 64, struct S>();
  const int t = static_cast<int>(threadIdx.x);
  s[t + 1] = x[t];
  __syncthreads();
  y[t] = t == 63 ? x[63] : s[t + 1];
}

// One array's end is the next one's start only if the compiler says so.
__global__ void from_one_shared_array_into_the_next(const float* x, float* y) {
  float* const a = shared_array<float, 32, struct A>();
  float* const b = shared_array<float, 32, struct B>();
  const int t = static_cast<int>(threadIdx.x);
  b[t] = 0;
  __syncthreads();
  a[t + 32 * (t / 31)] = x[t];
  __syncthreads();
  y[t] = a[t % 31] + b[t];
}

__global__ void global_access_past_end(const float* x, float* y, int n) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i <= n) y[i] = i < n ? x[i] : 0;
}

__global__ void global_read_past_end(const float* x, float* y, int n) {
  const int i = static_cast<int>(threadIdx.x);
  y[i] = i == n - 1 ? x[i] + 0 * x[i + 1] : x[i];
}

__global__ void read_uninitialised_shared(const float* x, float* y) {
  float* const s = shared_array<float, 64, struct S>();
  const int t = static_cast<int>(threadIdx.x);
  if (t != 7) s[t] = x[t];
  __syncthreads();
  y[t] = s[t];
}

__global__ void add_to_uninitialised_global(const float* x, float* sums, float* y) {
  sums[threadIdx.x] += x[threadIdx.x];
  y[threadIdx.x] = sums[threadIdx.x];
}

// The second block finds nothing of what the first has left.
__global__ void read_last_blocks_shared(const float* x, float* y) {
  float* const s = shared_array<float, 64, struct S>();
  if (blockIdx.x == 0) s[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[blockIdx.x * 64 + threadIdx.x] = s[threadIdx.x];
}

[[maybe_unused]] __global__ void misaligned_quad(const float* x, float* y) {
  const float4 q = *reinterpret_cast<const float4*>(x + 1 + 4 * threadIdx.x);
  y[threadIdx.x] = q.x;
}

__global__ void local_array_past_end(const float* x, float* y, int n) {
  float r[4];
  for (int i = 0; i <= n; ++i) r[i] = x[i];
  y[threadIdx.x] = r[threadIdx.x & 3];
}

struct Pointers {
  const float* x;
};
__global__ void read_through_struct(Pointers p, float* y) { y[threadIdx.x] = p.x[threadIdx.x]; }

__global__ void copy_one(const float* x, float* y) { y[threadIdx.x] = x[threadIdx.x]; }

template <class... Args>
std::function<bool()> simple(void (*kernel)(const float*, float*, Args...), int threads,
                             Args... arguments) {
  return [=] {
    DefectBench b;
    b.run(kernel, 1, threads, b.dx.data(), b.y.data(), arguments...);
    return b.gives(b.picked(threads, [](int i) { return i; }));
  };
}

bool write_past_allocation() {
  DefectBench b;
  const DeviceView<float> small(64);
  b.run(global_access_past_end, 2, 64, b.dx.data(), small.data(), 64);
  return true;
}
bool read_past_allocation() {
  DefectBench b;
  const DeviceView<float> small(b.stream.get(), random_floats(64, 1));
  b.run(global_read_past_end, 1, 64, small.data(), b.y.data(), 64);
  return true;
}
bool uninitialised_global() {
  DefectBench b;
  const DeviceView<float> sums(64);
  b.run(add_to_uninitialised_global, 1, 64, b.dx.data(), sums.data(), b.y.data());
  return b.gives(b.picked(64, [](int i) { return i; }));
}
bool stale_shared() {
  DefectBench b;
  b.run(read_last_blocks_shared, 2, 64, b.dx.data(), b.y.data());
  return b.gives(b.picked(128, [](int i) { return i % 64; }));
}
[[maybe_unused]] bool misaligned() {
  DefectBench b;
  b.run(misaligned_quad, 1, 32, b.dx.data(), b.y.data());
  return b.gives(b.picked(32, [](int i) { return 1 + 4 * i; }));
}
bool local_overflow() {
  DefectBench b;
  b.run(local_array_past_end, 1, 4, b.dx.data(), b.y.data(), 4);
  return b.gives(b.picked(4, [](int i) { return i; }));
}
bool freed() {
  DefectBench b;
  float* gone = nullptr;
  {
    const DeviceView<float> short_lived(64);
    gone = short_lived.data();
  }
  b.run(copy_one, 1, 64, b.dx.data(), gone);
  return true;
}
bool host_pointer() {
  DefectBench b;
  b.run(copy_one, 1, 64, b.x.data(), b.y.data());
  return b.gives(b.picked(64, [](int i) { return i; }));
}
bool host_pointer_in_struct() {
  DefectBench b;
  b.run(read_through_struct, 1, 64, Pointers{b.x.data()}, b.y.data());
  return b.gives(b.picked(64, [](int i) { return i; }));
}

}  // namespace

std::vector<Defect> memory_defects() {
  return {
      {"shared read past the end",
       {'.', '.', 'S', 'E'},
       "outside every shared array",
       simple(shared_read_past_end, 64)},
      {"shared write past the end",
       {'E', 'E', 'S', 'E'},
       "outside every shared array",
       simple(shared_write_past_end, 64)},
      {"from one shared array into the next",
       {'E', 'E', 'S', 'E'},
       "outside every shared array",
       simple(from_one_shared_array_into_the_next, 32)},
      {"global write past the end",
       {'E', 'E', 'S', 'E'},
       "device allocation of 256 bytes",
       write_past_allocation},
      {"global read past the end",
       {'.', '.', 'S', 'E'},
       "device allocation of 256 bytes",
       read_past_allocation},
      {"uninitialised shared",
       {'W', 'W', 'W', 'E'},
       "what nobody wrote",
       simple(read_uninitialised_shared, 64)},
      {"uninitialised global", {'W', 'W', 'W', 'E'}, "what nobody wrote", uninitialised_global},
      {"shared memory of the block before",
       {'W', 'W', 'W', 'E'},
       "what nobody wrote",
       stale_shared},
#ifndef __clang__  // whose alignment check leaves out copies of whole structs
      {"misaligned float4", {'.', '.', 'S', '.'}, "misaligned address", misaligned},
#endif
      {"local array past the end",
       {'.', '.', 'S', '.'},
       "out of bounds|stack-buffer-overflow",
       local_overflow},
      {"device memory after its end", {'E', 'E', 'E', 'E'}, "not device memory", freed},
      {"host pointer as an argument", {'E', 'E', 'E', 'E'}, "not device memory", host_pointer},
      {"host pointer inside a struct",
       {'.', '.', '.', 'E'},
       "memory of the host",
       host_pointer_in_struct},
  };
}

}  // namespace ktrain::test
