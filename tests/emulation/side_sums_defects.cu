// Sums of the columns of a matrix, 256 x 64 of bf16, which tensor copies bring through a ring of
// two steps (device/side_sums.cuh, as in products of kWgmma), broken in the ways that such sums
// break. Two blocks have the matrix, as those of one row of tiles have a product's operand; the
// first one's sums are wanted.
#include <vector>

#include "kernels/device/side_sums.cuh"
#include "kernels/device/tensor_map.h"
#include "kernels/device/warpgroup.cuh"
#include "tests/emulation/bench.cuh"
#include "tests/emulation/defects.h"
#include "tests/support/product_bound.h"

namespace ktrain::test {
namespace {

enum class Bug { kNone, kReleasedEarly, kLanesNotWaitedFor, kHalfOfK, kByEveryBlock };

constexpr int kSides = 64, kDepth = 256, kStep = 64, kStages = 2, kSteps = kDepth / kStep;
constexpr int kStepBytes = kSides * kStep * 2;
constexpr int kRing = kStages * kStepBytes;
constexpr int kBytes = kRing + 2 * kStages * 8;

__device__ void bring(const TensorMap& map, unsigned char* ring, std::uint64_t* full,
                      std::uint64_t* empty) {
  for (int step = 0; step < kSteps; ++step) {
    const int stage = step % kStages;
    if (step >= kStages)
      warpgroup::wait_for_phase(empty + stage, static_cast<unsigned>(step / kStages - 1) & 1);
    warpgroup::arrive_and_expect(full + stage, kStepBytes);
    warpgroup::copy_tile(ring + stage * kStepBytes, map, full + stage, 0, step * kStep);
  }
}

template <Bug kBug>
__device__ void add_up(const unsigned char* ring, std::uint64_t* full, std::uint64_t* empty,
                       product::SideSums<Bfloat16, kSides, warpgroup::kThreads>& sums) {
  const bool first_lane = threadIdx.x % 32 == 0;
  for (int step = 0; step < kSteps; ++step) {
    const int stage = step % kStages;
    warpgroup::wait_for_phase(full + stage, static_cast<unsigned>(step / kStages) & 1);
    if (kBug == Bug::kReleasedEarly && first_lane) warpgroup::arrive(empty + stage);
    sums.template add<kBug == Bug::kHalfOfK ? kStep / 2 : kStep>(ring + stage * kStepBytes);
    warpgroup::fence_shared();
    if (kBug != Bug::kLanesNotWaitedFor) __syncwarp();
    if (kBug != Bug::kReleasedEarly && first_lane) warpgroup::arrive(empty + stage);
  }
}

template <Bug kBug>
__global__ void sums_kernel(const __grid_constant__ TensorMap map, float* y) {
  unsigned char* const ring = dynamic_shared();
  auto* const full = reinterpret_cast<std::uint64_t*>(ring + kRing);
  std::uint64_t* const empty = full + kStages;
  const int thread = static_cast<int>(threadIdx.x);
  if (thread == warpgroup::kThreads) {
    for (int i = 0; i < kStages; ++i) {
      warpgroup::init_barrier(full + i, 1);
      warpgroup::init_barrier(empty + i, warpgroup::kWarps);
    }
    warpgroup::fence_barriers();
  }
  __syncthreads();
  if (thread >= warpgroup::kThreads) {
    if (thread == warpgroup::kThreads) bring(map, ring, full, empty);
    return;
  }
  product::SideSums<Bfloat16, kSides, warpgroup::kThreads> sums(true);
  add_up<kBug>(ring, full, empty, sums);
  if (blockIdx.x == 0 || kBug == Bug::kByEveryBlock)
    sums.give([&](int side, float sum) { y[side] = sum; });
}

template <Bug kBug>
bool sums_of_columns() {
  DefectBench b;
  const std::vector<float> x = rounded_to_bf16(random_floats(kDepth * kSides, 3, 1, 2));
  const DeviceView<Bfloat16> dx(b.stream.get(), as_bf16(x));
  TileMap tiles;
  tiles.data = dx.data();
  tiles.sizes = {kSides, kDepth, 1};
  tiles.strides = {kSides * 2, 0};
  tiles.box = {kSides, kStep, 1};
  launch_with_shared("defect", sums_kernel<kBug>, 2, warpgroup::kThreads + 32, kBytes,
                     b.stream.get(), tensor_map(tiles), b.y.data());
  std::vector<float> want(kSides, 0.0f);
  for (std::size_t i = 0; i < x.size(); ++i) want[i % kSides] += x[i];
  return b.gives(want);
}

}  // namespace

bool sums_of_sides() { return sums_of_columns<Bug::kNone>(); }

std::vector<Defect> side_sums_defects() {
  return {{"sums of rows: place given back early",
           {'.', 'E', '.', 'E'},
           "race|what nobody wrote",
           sums_of_columns<Bug::kReleasedEarly>},
          {"sums of rows: lanes not waited for",
           {'.', 'E', '.', 'E'},
           "race|what nobody wrote",
           sums_of_columns<Bug::kLanesNotWaitedFor>},
          {"sums of rows: half of k", {'W', 'W', 'W', 'W'}, "", sums_of_columns<Bug::kHalfOfK>},
          {"sums of rows by every block",
           {'.', '.', '.', 'E'},
           "race",
           sums_of_columns<Bug::kByEveryBlock>}};
}

}  // namespace ktrain::test
