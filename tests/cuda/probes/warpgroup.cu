#include "tests/cuda/probes/warpgroup.h"

#include "kernels/device/launch.cuh"
#include "kernels/device/warpgroup.cuh"
#include "kernels/device/warpgroup_multiply.cuh"

namespace ktrain::test {
namespace {

using namespace warpgroup;

constexpr int kLineElements = 64, kMostLines = 256;
constexpr int kBoxBytes = kMostLines * kLineElements * 2;
constexpr int kCopyBytes = kBoxBytes + 8;

enum class CopyKind { kTile2, kTile3, kWindows };

// One thread starts the copy; all wait for it and hand it out.
template <CopyKind kKind>
__global__ void __launch_bounds__(32)
    copy_kernel(const __grid_constant__ TensorMap map, int x, int y, int z, int image,
                int col_offset, int row_offset, int lines, std::uint16_t* out) {
  if constexpr (kAvailable) {
    unsigned char* const shared = dynamic_shared();
    auto* const barrier = reinterpret_cast<std::uint64_t*>(shared + kBoxBytes);
    if (threadIdx.x == 0) {
      init_barrier(barrier, 1);
      fence_barriers();
      arrive_and_expect(barrier, lines * kLineElements * 2);
      if constexpr (kKind == CopyKind::kTile2)
        copy_tile(shared, map, barrier, x, y);
      else if constexpr (kKind == CopyKind::kTile3)
        copy_tile(shared, map, barrier, TilePlaceInMap{x, y, z});
      else
        copy_windows(shared, map, barrier,
                     WindowPlaceInMap{x, y, z, image, static_cast<std::uint16_t>(col_offset),
                                      static_cast<std::uint16_t>(row_offset)});
    }
    __syncthreads();
    wait_for_phase(barrier, 0);
    const auto* const elements = reinterpret_cast<const std::uint16_t*>(shared);
    for (int i = static_cast<int>(threadIdx.x); i < lines * kLineElements; i += 32)
      out[i] = elements[i];
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
    fence_shared_stores();
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

template <CopyKind kKind>
void copy(CudaStream stream, const TensorMap& map, const ProbeWindow& at, int lines,
          std::uint16_t* shared) {
  const auto kernel = copy_kernel<kKind>;
  KT_CUDA(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                               cudaFuncAttributeMaxDynamicSharedMemorySize, kCopyBytes));
  launch_with_shared("probe_copy", kernel, 1, 32, kCopyBytes, stream, map, at.channel, at.col,
                     at.row, at.image, at.col_offset, at.row_offset, lines, shared);
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
  if (rank == 2)
    copy<CopyKind::kTile2>(stream, map, place, lines, shared);
  else
    copy<CopyKind::kTile3>(stream, map, place, lines, shared);
}

void probe_copy_windows(CudaStream stream, const TensorMap& map, const ProbeWindow& at, int lines,
                        std::uint16_t* shared) {
  copy<CopyKind::kWindows>(stream, map, at, lines, shared);
}

void probe_multiply(CudaStream stream, const ProbeProduct& product, const std::uint16_t* image,
                    float* d) {
  if (product.cols == 64) return multiply_cols<64>(stream, product, image, d);
  if (product.cols == 128) return multiply_cols<128>(stream, product, image, d);
  multiply_cols<256>(stream, product, image, d);
}

}  // namespace ktrain::test
