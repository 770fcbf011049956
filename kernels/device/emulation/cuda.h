// What a .cu file sees instead of the toolkit when a host compiler compiles it: qualifiers,
// built-in variables and functions, the part of the run-time library that our code calls. The rest
// of CUDA is left out on purpose, so that it does not compile (__activemask, a raw __shared__).
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <utility>

#include <math.h>

#include "kernels/device/emulation/machine.h"
#include "kernels/device/emulation/memory.h"
#include "kernels/device/emulation/runtime_api.h"
#include "kernels/device/emulation/types.h"
#include "kernels/device/emulation/warp.h"

#define __global__
#define __device__
#define __host__
#define __grid_constant__
#define __launch_bounds__(...)
#define __forceinline__ inline

// Set whenever a thread goes on; one thread runs at a time.
inline uint3 threadIdx{}, blockIdx{};
inline dim3 blockDim, gridDim;

inline void __syncthreads(ktrain::emulation::Site site = ktrain::emulation::Site::here()) {
  ktrain::emulation::block_barrier(site);
}
inline void __syncwarp(unsigned mask = ~0u,
                       ktrain::emulation::Site site = ktrain::emulation::Site::here()) {
  ktrain::emulation::warp_operation(mask, "__syncwarp", nullptr, nullptr, nullptr, site);
}
inline void __threadfence() { ktrain::emulation::memory_fence(); }

namespace ktrain::emulation {

template <class T>
struct ShuffleInput {
  T value;
  int source;
};

// The emulation's own reads of other threads' stacks, which the access check must not see.
#define KT_UNWATCHED __attribute__((no_sanitize("thread")))

template <class T>
KT_UNWATCHED void deal_out(unsigned arrived, const void* const* in, void* const* out) {
  for (int l = 0; l < 32; ++l) {
    if (!(arrived >> l & 1)) continue;
    const int from = static_cast<const ShuffleInput<T>*>(in[l])->source;
    if (arrived >> from & 1)
      *static_cast<T*>(out[l]) = static_cast<const ShuffleInput<T>*>(in[from])->value;
  }
}

// Every lane of `mask` gets the value of its lane `source`, poison when that lane gave none.
template <class T>
T shuffle(unsigned mask, T value, int source, const char* name, Site site) {
  static_assert(std::is_trivially_copyable_v<T>);
  const ShuffleInput<T> in{value, source};
  T out;
  std::memset(&out, 0xFF, sizeof out);
  warp_operation(mask, name, &in, &out, &deal_out<T>, site);
  return out;
}

}  // namespace ktrain::emulation

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32,
              ktrain::emulation::Site site = ktrain::emulation::Site::here()) {
  const int lane = ktrain::emulation::current_lane();
  return ktrain::emulation::shuffle(mask, value, (lane & ~(width - 1)) | (source & (width - 1)),
                                    "__shfl_sync", site);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32,
                  ktrain::emulation::Site site = ktrain::emulation::Site::here()) {
  const int lane = ktrain::emulation::current_lane(), source = lane ^ lanes;
  const bool outside = (source & ~(width - 1)) > (lane & ~(width - 1));
  return ktrain::emulation::shuffle(mask, value, outside ? lane : source, "__shfl_xor_sync", site);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   ktrain::emulation::Site site = ktrain::emulation::Site::here()) {
  const int lane = ktrain::emulation::current_lane(), source = lane + static_cast<int>(delta);
  const bool outside = (lane & (width - 1)) + static_cast<int>(delta) >= width;
  return ktrain::emulation::shuffle(mask, value, outside ? lane : source, "__shfl_down_sync", site);
}
inline unsigned __ballot_sync(unsigned mask, int predicate,
                              ktrain::emulation::Site site = ktrain::emulation::Site::here()) {
  unsigned votes = 0;
  ktrain::emulation::warp_operation(mask, "__ballot_sync", &predicate, &votes,
                                    &ktrain::emulation::count_votes, site);
  return votes;
}

// Threads give way before an atomic, never inside it.
template <class T>
KT_UNWATCHED T atomicAdd(T* address, std::type_identity_t<T> value,
                         ktrain::emulation::Site site = ktrain::emulation::Site::here()) {
  ktrain::emulation::atomic_access(address, sizeof(T), site);
  const T before = *address;
  *address = before + value;
  return before;
}

inline int min(int a, int b) { return b < a ? b : a; }
inline int max(int a, int b) { return a < b ? b : a; }
inline void sincospi(double x, double* sine, double* cosine) {
  *sine = sin(3.14159265358979323846 * x);
  *cosine = cos(3.14159265358979323846 * x);
}
inline int __popc(unsigned x) { return std::popcount(x); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }

namespace ktrain {

// shared_array<float, 32, struct Totals>(): see device/port.cuh.
template <class T, int N, class Tag>
T* shared_array(emulation::Site site = emulation::Site::here()) {
  static char key;  // its address is the array's name
  return static_cast<T*>(emulation::shared_memory(&key, sizeof(T) * N, site));
}

inline unsigned char* dynamic_shared(emulation::Site site = emulation::Site::here()) {
  return static_cast<unsigned char*>(
      emulation::dynamic_shared_memory(emulation::dynamic_shared_bytes(), site));
}

namespace emulation {

template <class T>
void check_argument(const char* kernel, const T& value) {
  if constexpr (std::is_pointer_v<T>) check_kernel_pointer(kernel, value);
}

// kernel<<<grid, block, shared_bytes, stream>>>(arguments...)
template <class... Params>
void launch_kernel(const char* name, void (*kernel)(Params...), dim3 grid, dim3 block,
                   std::size_t shared_bytes, cudaStream_t stream, Params... arguments) {
  struct Call {
    void (*kernel)(Params...);
    std::tuple<Params...> arguments;
  };
  const Call call{kernel, {arguments...}};
  (check_argument(name, arguments), ...);
  check_shared_bytes(name, reinterpret_cast<const void*>(kernel), shared_bytes);
  give_work(stream, [name, grid, block, shared_bytes, call] {
    run_grid(
        name, grid, block, shared_bytes,
        [](const void* p) {
          const Call* const c = static_cast<const Call*>(p);
          std::apply(c->kernel, c->arguments);
        },
        &call, sizeof call);
  });
}

}  // namespace emulation
}  // namespace ktrain
