// What Hopper has for products (sm_90a), one function each: barriers that count bytes, tensor
// copies (TMA) and multiplications of a warpgroup (wgmma). PTX under nvcc, the emulation's models
// elsewhere, which say how data lies (emulation/{mbarrier,tensor_copy, warpgroup}.h). Kernels
// contain no assembly of their own. Elsewhere than on sm_90a, where kAvailable is false, they are
// declared and nothing more.
//
//   init_barrier(b, arrivals)      by one thread, which then fence_barriers(); a __syncthreads()
//   arrive(b), arrive_and_expect(b, bytes)
//   wait_for_phase(b, parity)      until the phase of this parity is complete; the first has 0
//   phase_ends(b, parity)          is it, or within about a millisecond? For probes, as the next
//   complete_bytes(b, bytes)       counts as if a copy had brought them
//   copy_tile(to, map, b, {x, y, z})      by one thread: a box of a TileMap; `to` divides by 1024
//   copy_windows(to, map, b, place)       of a WindowMap; their bytes are counted by b
//   fence_shared()                 what this thread stored in shared memory may be multiplied;
//   where
//                                  it has read copies may write, once a barrier has told them
//   descriptor(p, leading, stride) of an operand in lines of 128 bytes, swizzled as copies leave
//                                  them. p is the first element's place in the first line.
//     along k      64 k are a line; 8 sides are 1024 bytes, `stride` from 8 sides to the next
//     along sides  64 sides are a line, a line a k; `stride` from 8 k to the next 8, `leading` from
//                  64 sides to the next
//   fence_sums()                   before multiplications, after registers of d were touched
//   multiply<cols, a along side, b along side>(d, a, b)   in warpgroup_multiply.cuh: d += a b, 64 x
//                                  cols x 16; d is nobody's until waited for
//   commit_products(), wait_for_products<n>()   groups of them: all but the youngest n are done
#pragma once

#include <cstdint>

#include "kernels/device/port.cuh"
#include "kernels/device/tensor_map.h"

#if !defined(__CUDACC__)
#include "kernels/device/emulation/access_check.h"
#include "kernels/device/emulation/mbarrier.h"
#include "kernels/device/emulation/memory.h"
#include "kernels/device/emulation/tensor_copy.h"
#include "kernels/device/emulation/warpgroup.h"
#endif

namespace ktrain::warpgroup {

constexpr int kThreads = 128, kWarps = 4;

struct TilePlaceInMap {
  int x, y, z;
};
// The window that starts at (col, row) of image `image`; its pixel at these offsets, 0 to 255, and
// 64 of its channels.
struct WindowPlaceInMap {
  int channel, col, row, image;
  std::uint16_t col_offset, row_offset;
};

#if defined(__CUDACC__) && defined(__CUDA_ARCH_FEAT_SM90_ALL)

constexpr bool kAvailable = true;

__device__ __forceinline__ std::uint32_t address_of(const void* p) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(p));
}

__device__ __forceinline__ void init_barrier(std::uint64_t* b, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(address_of(b)), "r"(arrivals)
               : "memory");
}
__device__ __forceinline__ void fence_barriers() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}
__device__ __forceinline__ void arrive(std::uint64_t* b) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(address_of(b)) : "memory");
}
__device__ __forceinline__ void arrive_and_expect(std::uint64_t* b, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(address_of(b)),
               "r"(bytes)
               : "memory");
}
__device__ __forceinline__ void wait_for_phase(std::uint64_t* b, unsigned parity) {
  std::uint32_t complete = 0;
  do {
    asm volatile(
        "{ .reg .pred complete; "
        "mbarrier.try_wait.parity.shared::cta.b64 complete, [%1], %2; "
        "selp.u32 %0, 1, 0, complete; }"
        : "=r"(complete)
        : "r"(address_of(b)), "r"(parity)
        : "memory");
  } while (!complete);
}

__device__ __forceinline__ bool phase_ends(std::uint64_t* b, unsigned parity) {
  constexpr int kTries = 1 << 16;
  std::uint32_t complete = 0;
  for (int i = 0; i < kTries && !complete; ++i)
    asm volatile(
        "{ .reg .pred complete; "
        "mbarrier.test_wait.parity.shared::cta.b64 complete, [%1], %2; "
        "selp.u32 %0, 1, 0, complete; }"
        : "=r"(complete)
        : "r"(address_of(b)), "r"(parity)
        : "memory");
  return complete != 0;
}
__device__ __forceinline__ void complete_bytes(std::uint64_t* b, int bytes) {
  asm volatile("mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [%0], %1;" ::"r"(address_of(b)),
               "r"(bytes)
               : "memory");
}

__device__ __forceinline__ void copy_tile(void* to, const TensorMap& map, std::uint64_t* b, int x,
                                          int y) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%2, %3}], [%4];" ::"r"(address_of(to)),
      "l"(&map), "r"(x), "r"(y), "r"(address_of(b))
      : "memory");
}
__device__ __forceinline__ void copy_tile(void* to, const TensorMap& map, std::uint64_t* b,
                                          const TilePlaceInMap& at) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%2, %3, %4}], [%5];" ::"r"(address_of(to)),
      "l"(&map), "r"(at.x), "r"(at.y), "r"(at.z), "r"(address_of(b))
      : "memory");
}
__device__ __forceinline__ void copy_windows(void* to, const TensorMap& map, std::uint64_t* b,
                                             const WindowPlaceInMap& at) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%2, %3, %4, %5}], [%6], {%7, %8};" ::"r"(address_of(to)),
      "l"(&map), "r"(at.channel), "r"(at.col), "r"(at.row), "r"(at.image), "r"(address_of(b)),
      "h"(at.col_offset), "h"(at.row_offset)
      : "memory");
}

__device__ __forceinline__ void fence_shared() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}
__device__ __forceinline__ void fence_sums() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ __forceinline__ void commit_products() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
template <int kGroupsLeft>
__device__ __forceinline__ void wait_for_products() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kGroupsLeft) : "memory");
}

#elif defined(__CUDACC__)

constexpr bool kAvailable = false;

__device__ std::uint32_t address_of(const void*);
__device__ void init_barrier(std::uint64_t*, int);
__device__ void fence_barriers();
__device__ void arrive(std::uint64_t*);
__device__ void arrive_and_expect(std::uint64_t*, int);
__device__ void wait_for_phase(std::uint64_t*, unsigned);
__device__ bool phase_ends(std::uint64_t*, unsigned);
__device__ void complete_bytes(std::uint64_t*, int);
__device__ void copy_tile(void*, const TensorMap&, std::uint64_t*, int, int);
__device__ void copy_tile(void*, const TensorMap&, std::uint64_t*, const TilePlaceInMap&);
__device__ void copy_windows(void*, const TensorMap&, std::uint64_t*, const WindowPlaceInMap&);
__device__ void fence_shared();
__device__ void fence_sums();
__device__ void commit_products();
template <int kGroupsLeft>
__device__ void wait_for_products();

#else

constexpr bool kAvailable = true;

using emulation::Site;

inline std::uint32_t address_of(const void* p) { return emulation::shared_address(p); }
inline void init_barrier(std::uint64_t* b, int arrivals, Site site = Site::here()) {
  emulation::init_barrier(b, static_cast<unsigned>(arrivals), site);
}
inline void fence_barriers() { emulation::fence_barriers(); }
inline void arrive(std::uint64_t* b, Site site = Site::here()) { emulation::arrive(b, 0, site); }
inline void arrive_and_expect(std::uint64_t* b, int bytes, Site site = Site::here()) {
  emulation::arrive(b, static_cast<unsigned>(bytes), site);
}
inline void wait_for_phase(std::uint64_t* b, unsigned parity, Site site = Site::here()) {
  emulation::wait_for_phase(b, parity, site);
}
inline bool phase_ends(std::uint64_t* b, unsigned parity, Site site = Site::here()) {
  return emulation::phase_ends(b, parity, site);
}
inline void complete_bytes(std::uint64_t* b, int bytes, Site site = Site::here()) {
  emulation::complete_bytes(b, static_cast<unsigned>(bytes), site);
}
inline void copy_tile(void* to, const TensorMap& map, std::uint64_t* b, int x, int y,
                      Site site = Site::here()) {
  emulation::copy_tile(to, map, b, {x, y, 0}, site);
}
inline void copy_tile(void* to, const TensorMap& map, std::uint64_t* b, const TilePlaceInMap& at,
                      Site site = Site::here()) {
  emulation::copy_tile(to, map, b, {at.x, at.y, at.z}, site);
}
inline void copy_windows(void* to, const TensorMap& map, std::uint64_t* b,
                         const WindowPlaceInMap& at, Site site = Site::here()) {
  emulation::copy_windows(
      to, map, b, {at.channel, at.col, at.row, at.image, at.col_offset, at.row_offset}, site);
}
inline void fence_shared() { emulation::access_check::fence_proxy(); }
inline void fence_sums(Site site = Site::here()) { emulation::fence_sums(site); }
inline void commit_products(Site site = Site::here()) { emulation::commit_products(site); }
template <int kGroupsLeft>
void wait_for_products(Site site = Site::here()) {
  emulation::wait_for_products(kGroupsLeft, site);
}

#endif

constexpr std::uint64_t kSwizzle128 = std::uint64_t{1} << 62;

__device__ __forceinline__ std::uint64_t descriptor(const void* p, int leading, int stride) {
  const auto field = [](std::uint32_t bytes) {
    return static_cast<std::uint64_t>(bytes >> 4 & 0x3FFF);
  };
  return kSwizzle128 | field(static_cast<std::uint32_t>(stride)) << 32 |
         field(static_cast<std::uint32_t>(leading)) << 16 | field(address_of(p));
}
// The same of an operand that starts `bytes` further.
__device__ __forceinline__ std::uint64_t further(std::uint64_t descriptor, int bytes) {
  return descriptor + static_cast<std::uint64_t>(bytes >> 4);
}

}  // namespace ktrain::warpgroup
