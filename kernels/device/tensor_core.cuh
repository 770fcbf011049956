// A warp's matrix instructions and the copies that feed them, one function each: PTX under nvcc
// (sm_80 and later), the emulation's model elsewhere. Who holds which element of a fragment says
// emulation/tensor_core.h. Kernels contain no assembly of their own.
//
//   copy_async(to, from, bytes)    16 bytes of global to shared memory, of which those past `bytes`
//                                  (0 to 16) are zeros and not read; both addresses divide by 16
//   commit_copies()                what this thread started since the last call is a group
//   wait_for_copies<n>()           waits for all of this thread's groups but the youngest n. Other
//                                  threads see them after a barrier that follows.
//   load_matrices[_transposed](r, row)
//                                  four 8 x 8 matrices of 2-byte elements; lane l's row is row l %
//                                  8 of matrix l / 8
//   multiply_bf16(d, a, b)         d += a b, 16 x 8 x 16
//   multiply_tf32(d, a, b)         d += a b, 16 x 8 x 8, of registers that to_tf32() made
#pragma once

#include <cstdint>

#include "kernels/device/port.cuh"

#if !defined(__CUDACC__)
#include "kernels/device/emulation/async_copy.h"
#include "kernels/device/emulation/tensor_core.h"
#endif

namespace ktrain::tensor_core {

#if defined(__CUDACC__) && defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800

// One source serves every architecture: plan_product() never asks for these before sm_80.
__device__ __forceinline__ void copy_async(void*, const void*, int) { __trap(); }
__device__ __forceinline__ void commit_copies() { __trap(); }
template <int kGroupsLeft>
__device__ __forceinline__ void wait_for_copies() {
  __trap();
}
__device__ __forceinline__ void load_matrices(std::uint32_t (&)[4], const void*) { __trap(); }
__device__ __forceinline__ void load_matrices_transposed(std::uint32_t (&)[4], const void*) {
  __trap();
}
__device__ __forceinline__ void multiply_bf16(float (&)[4], const std::uint32_t (&)[4],
                                              const std::uint32_t (&)[2]) {
  __trap();
}
__device__ __forceinline__ void multiply_tf32(float (&)[4], const std::uint32_t (&)[4],
                                              const std::uint32_t (&)[2]) {
  __trap();
}
__device__ __forceinline__ std::uint32_t to_tf32(float) {
  __trap();
  return 0;
}

#elif defined(__CUDACC__)

__device__ __forceinline__ std::uint32_t shared_address(const void* p) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(p));
}

__device__ __forceinline__ void copy_async(void* to, const void* from, int bytes) {
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(shared_address(to)),
               "l"(from), "r"(bytes)
               : "memory");
}
__device__ __forceinline__ void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int kGroupsLeft>
__device__ __forceinline__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kGroupsLeft) : "memory");
}

__device__ __forceinline__ void load_matrices(std::uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}
__device__ __forceinline__ void load_matrices_transposed(std::uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}

__device__ __forceinline__ void multiply_bf16(float (&d)[4], const std::uint32_t (&a)[4],
                                              const std::uint32_t (&b)[2]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
__device__ __forceinline__ void multiply_tf32(float (&d)[4], const std::uint32_t (&a)[4],
                                              const std::uint32_t (&b)[2]) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
__device__ __forceinline__ std::uint32_t to_tf32(float x) {
  std::uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return bits;
}

#else

using emulation::Site;
using emulation::to_tf32;

inline void copy_async(void* to, const void* from, int bytes, Site site = Site::here()) {
  emulation::copy_async(to, from, static_cast<unsigned>(bytes), site);
}
inline void commit_copies() { emulation::commit_copies(); }
template <int kGroupsLeft>
void wait_for_copies() {
  emulation::wait_for_copies(kGroupsLeft);
}
inline void load_matrices(std::uint32_t (&r)[4], const void* row, Site site = Site::here()) {
  emulation::load_matrices(r, row, false, site);
}
inline void load_matrices_transposed(std::uint32_t (&r)[4], const void* row,
                                     Site site = Site::here()) {
  emulation::load_matrices(r, row, true, site);
}
inline void multiply_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                          Site site = Site::here()) {
  emulation::multiply_bf16(d, a, b, site);
}
inline void multiply_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                          Site site = Site::here()) {
  emulation::multiply_tf32(d, a, b, site);
}

#endif

}  // namespace ktrain::tensor_core
