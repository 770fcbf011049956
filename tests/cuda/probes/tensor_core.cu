#include "tests/cuda/probes/tensor_core.h"

#include "kernels/device/launch.cuh"
#include "kernels/device/tensor_core.cuh"

namespace ktrain::test {
namespace {

constexpr int kLanes = 32;

__global__ void multiply_kernel(bool tf32, const std::uint32_t* a, const std::uint32_t* b,
                                const float* c, float* d) {
  const int lane = static_cast<int>(threadIdx.x);
  std::uint32_t left[4], right[2];
  float sum[4];
  for (int i = 0; i < 4; ++i) left[i] = a[lane * 4 + i];
  for (int i = 0; i < 2; ++i) right[i] = b[lane * 2 + i];
  for (int i = 0; i < 4; ++i) sum[i] = c[lane * 4 + i];
  if (tf32)
    tensor_core::multiply_tf32(sum, left, right);
  else
    tensor_core::multiply_bf16(sum, left, right);
  for (int i = 0; i < 4; ++i) d[lane * 4 + i] = sum[i];
}

__global__ void load_matrices_kernel(bool transposed, const std::uint16_t* matrices,
                                     const std::int32_t* rows, std::uint32_t* r) {
  std::uint16_t* const shared = shared_array<std::uint16_t, kLanes * 8, struct ProbedRows>();
  const int lane = static_cast<int>(threadIdx.x);
  for (int i = 0; i < 8; ++i) shared[lane * 8 + i] = matrices[lane * 8 + i];
  __syncthreads();
  std::uint32_t loaded[4];
  if (transposed)
    tensor_core::load_matrices_transposed(loaded, shared + rows[lane] * 8);
  else
    tensor_core::load_matrices(loaded, shared + rows[lane] * 8);
  for (int i = 0; i < 4; ++i) r[lane * 4 + i] = loaded[i];
}

__global__ void copy_kernel(const std::uint8_t* from, const std::int32_t* bytes,
                            std::uint8_t* first, std::uint8_t* second) {
  std::uint8_t* const shared = shared_array<std::uint8_t, kLanes * 32, struct ProbedCopies>();
  const int lane = static_cast<int>(threadIdx.x), neighbour = (lane + 1) % kLanes;
  tensor_core::copy_async(shared + lane * 16, from + lane * 16, bytes[lane]);
  tensor_core::commit_copies();
  tensor_core::copy_async(shared + (kLanes + lane) * 16, from + lane * 16, 16);
  tensor_core::commit_copies();
  tensor_core::wait_for_copies<1>();
  __syncthreads();
  for (int i = 0; i < 16; ++i) first[neighbour * 16 + i] = shared[neighbour * 16 + i];
  tensor_core::wait_for_copies<0>();
  __syncthreads();
  for (int i = 0; i < 16; ++i) second[neighbour * 16 + i] = shared[(kLanes + neighbour) * 16 + i];
}

__global__ void to_tf32_kernel(const float* x, std::uint32_t* bits) {
  bits[threadIdx.x] = tensor_core::to_tf32(x[threadIdx.x]);
}

}  // namespace

void probe_multiply(CudaStream stream, Multiplication kind, const std::uint32_t* a,
                    const std::uint32_t* b, const float* c, float* d) {
  launch("probe_multiply", multiply_kernel, 1, kLanes, stream, kind == Multiplication::kTf32, a, b,
         c, d);
}

void probe_load_matrices(CudaStream stream, bool transposed, const std::uint16_t* matrices,
                         const std::int32_t* rows, std::uint32_t* r) {
  launch("probe_load_matrices", load_matrices_kernel, 1, kLanes, stream, transposed, matrices, rows,
         r);
}

void probe_copy(CudaStream stream, const std::uint8_t* from, const std::int32_t* bytes,
                std::uint8_t* first, std::uint8_t* second) {
  launch("probe_copy", copy_kernel, 1, kLanes, stream, from, bytes, first, second);
}

void probe_to_tf32(CudaStream stream, const float* x, std::uint32_t* bits) {
  launch("probe_to_tf32", to_tf32_kernel, 1, kLanes, stream, x, bits);
}

}  // namespace ktrain::test
