#include "tests/cuda/probes/warpgroup.h"

#include "kernels/device/launch.cuh"
#include "kernels/device/warpgroup.cuh"
#include "kernels/device/warpgroup_multiply.cuh"

namespace ktrain::test {
namespace {

using namespace warpgroup;

constexpr int kLineElements = 64, kMostLines = 256;
constexpr int kBoxBytes = kMostLines * kLineElements * 2;
constexpr int kCopyBytes = kBoxBytes + 16;  // and two barriers

enum class CopyKind { kTile2, kTile3, kWindows };

template <CopyKind kKind>
__device__ __forceinline__ void start_copy(void* shared, const TensorMap& map,
                                           std::uint64_t* barrier, const ProbeWindow& at) {
  if constexpr (kKind == CopyKind::kTile2)
    copy_tile(shared, map, barrier, at.channel, at.col);
  else if constexpr (kKind == CopyKind::kTile3)
    copy_tile(shared, map, barrier, TilePlaceInMap{at.channel, at.col, at.row});
  else
    copy_windows(
        shared, map, barrier,
        WindowPlaceInMap{at.channel, at.col, at.row, at.image, at.col_offset, at.row_offset});
}

// One thread starts the copy; all wait for it and hand it out.
template <CopyKind kKind>
__global__ void __launch_bounds__(32) copy_kernel(const __grid_constant__ TensorMap map,
                                                  ProbeWindow at, int lines, std::uint16_t* out) {
  if constexpr (kAvailable) {
    unsigned char* const shared = dynamic_shared();
    auto* const barrier = reinterpret_cast<std::uint64_t*>(shared + kBoxBytes);
    if (threadIdx.x == 0) {
      init_barrier(barrier, 1);
      fence_barriers();
      arrive_and_expect(barrier, lines * kLineElements * 2);
      start_copy<kKind>(shared, map, barrier, at);
    }
    __syncthreads();
    wait_for_phase(barrier, 0);
    const auto* const elements = reinterpret_cast<const std::uint16_t*>(shared);
    for (int i = static_cast<int>(threadIdx.x); i < lines * kLineElements; i += 32)
      out[i] = elements[i];
  }
}

// The same copy twice, each with a barrier of its own, one of which expects too much.
template <CopyKind kKind>
__global__ void __launch_bounds__(32)
    count_kernel(const __grid_constant__ TensorMap map, ProbeWindow at, int bytes,
                 std::uint32_t* answers) {
  if constexpr (kAvailable) {
    constexpr int kTooMany = 16;
    unsigned char* const shared = dynamic_shared();
    auto* const exact = reinterpret_cast<std::uint64_t*>(shared + kBoxBytes);
    auto* const more = exact + 1;
    if (threadIdx.x != 0) return;
    init_barrier(exact, 1);
    init_barrier(more, 1);
    fence_barriers();
    arrive_and_expect(exact, bytes);
    start_copy<kKind>(shared, map, exact, at);
    answers[0] = phase_ends(exact, 0) ? 1 : 0;
    arrive_and_expect(more, bytes + kTooMany);
    start_copy<kKind>(shared, map, more, at);
    answers[1] = phase_ends(more, 0) ? 1 : 0;
    complete_bytes(more, kTooMany);
    answers[2] = phase_ends(more, 0) ? 1 : 0;
  }
}

template <int kCols, bool kSideA, bool kSideB>
__global__ void __launch_bounds__(128) multiply_kernel(const __grid_constant__ ProbeProduct product,
                                                       const std::uint16_t* image, float* d) {
  if constexpr (kAvailable) {
    unsigned char* const shared = dynamic_shared();
    const int thread = static_cast<int>(threadIdx.x);
    for (int i = thread; i < kProbeImageBytes / 2; i += 128)
      reinterpret_cast<std::uint16_t*>(shared)[i] = image[i];
    fence_shared();
    __syncthreads();
    const auto of = [shared](const ProbeOperand& o) {
      return descriptor(shared + o.start, o.leading, o.stride);
    };
    float sums[kCols / 2] = {};
    fence_sums();
    multiply<kCols, kSideA, kSideB>(sums, of(product.a), of(product.b));
    if (product.twice) multiply<kCols, kSideA, kSideB>(sums, of(product.a), of(product.b));
    commit_products();
    wait_for_products<0>();
    for (int i = 0; i < kCols / 2; ++i) d[thread * (kCols / 2) + i] = sums[i];
  }
}

template <class Kernel, class... Arguments>
void launch_copy(const char* name, Kernel kernel, CudaStream stream,
                 const Arguments&... arguments) {
  KT_CUDA(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                               cudaFuncAttributeMaxDynamicSharedMemorySize, kCopyBytes));
  launch_with_shared(name, kernel, 1, 32, kCopyBytes, stream, arguments...);
}

template <int kCols>
void multiply_cols(CudaStream stream, const ProbeProduct& p, const std::uint16_t* image, float* d) {
  const auto go = [&](auto kernel) {
    launch_with_shared("probe_multiply", kernel, 1, 128, kProbeImageBytes, stream, p, image, d);
  };
  if (p.a.along_side && p.b.along_side) return go(multiply_kernel<kCols, true, true>);
  if (p.a.along_side) return go(multiply_kernel<kCols, true, false>);
  if (p.b.along_side) return go(multiply_kernel<kCols, false, true>);
  go(multiply_kernel<kCols, false, false>);
}

}  // namespace

void probe_copy_tile(CudaStream stream, const TensorMap& map, int rank, std::array<int, 3> at,
                     int lines, std::uint16_t* shared) {
  const ProbeWindow place{at[0], at[1], at[2], 0, 0, 0};
  launch_copy("probe_copy",
              rank == 2 ? copy_kernel<CopyKind::kTile2> : copy_kernel<CopyKind::kTile3>, stream,
              map, place, lines, shared);
}

void probe_copy_windows(CudaStream stream, const TensorMap& map, const ProbeWindow& at, int lines,
                        std::uint16_t* shared) {
  launch_copy("probe_copy", copy_kernel<CopyKind::kWindows>, stream, map, at, lines, shared);
}

void probe_bytes_of_tile(CudaStream stream, const TensorMap& map, int rank, std::array<int, 3> at,
                         int bytes, std::uint32_t* answers) {
  const ProbeWindow place{at[0], at[1], at[2], 0, 0, 0};
  launch_copy("probe_bytes",
              rank == 2 ? count_kernel<CopyKind::kTile2> : count_kernel<CopyKind::kTile3>, stream,
              map, place, bytes, answers);
}

void probe_bytes_of_windows(CudaStream stream, const TensorMap& map, const ProbeWindow& at,
                            int bytes, std::uint32_t* answers) {
  launch_copy("probe_bytes", count_kernel<CopyKind::kWindows>, stream, map, at, bytes, answers);
}

void probe_multiply(CudaStream stream, const ProbeProduct& product, const std::uint16_t* image,
                    float* d) {
  if (product.cols == 64) return multiply_cols<64>(stream, product, image, d);
  if (product.cols == 128) return multiply_cols<128>(stream, product, image, d);
  multiply_cols<256>(stream, product, image, d);
}

}  // namespace ktrain::test
