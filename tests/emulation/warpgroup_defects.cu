// A product with tensor copies and a warpgroup's multiplications, 63 x 64 x 256 of bf16 through a
// ring of two steps, broken in the ways that such kernels break. One warpgroup multiplies, one
// thread of another warp copies.
#include <vector>

#include "kernels/device/tensor_map.h"
#include "kernels/device/warpgroup.cuh"
#include "kernels/device/warpgroup_multiply.cuh"
#include "tests/emulation/bench.cuh"
#include "tests/emulation/defects.h"
#include "tests/support/product_bound.h"

namespace ktrain::test {
namespace {

enum class Bug {
  kNone,
  kNoWaitForData,
  kNoWaitForPlace,
  kWrongParity,
  kWrongBytes,
  kReleasedEarly,
  kWrongSwizzle,
  kWrongRegisters,
  kNoSumFence,
  kNoBarrierFence,
  kNoBlockBarrier,
  kSumsBeforeWait,
  kNeverWaited,
  kOneWarpDiffers,
  kNoMask,
  kOneStepMore,
  kOddPlace,
  kStoredWithoutFence,
  kHostMap
};

constexpr int kRows = 63, kCols = 64, kDepth = 256, kStep = 64, kStages = 2;
constexpr int kStepBytes = 64 * kStep * 2;  // of one operand
constexpr int kRing = kStages * 2 * kStepBytes;
constexpr int kBytes = kRing + 2 * kStages * 8 + 1024;

template <Bug kBug>
__device__ void bring(const TensorMap& a, const TensorMap& b, unsigned char* ring,
                      std::uint64_t* full, std::uint64_t* empty) {
  const int steps = kDepth / kStep + (kBug == Bug::kOneStepMore ? 1 : 0);
  for (int step = 0; step < steps; ++step) {
    const int stage = step % kStages;
    if (step >= kStages && kBug != Bug::kNoWaitForPlace)
      warpgroup::wait_for_phase(empty + stage, static_cast<unsigned>(step / kStages - 1) & 1);
    warpgroup::arrive_and_expect(full + stage,
                                 2 * kStepBytes + (kBug == Bug::kWrongBytes ? 128 : 0));
    unsigned char* const to = ring + stage * 2 * kStepBytes + (kBug == Bug::kOddPlace ? 64 : 0);
    warpgroup::copy_tile(to, a, full + stage, step * kStep, 0);
    warpgroup::copy_tile(to + kStepBytes, b, full + stage, step * kStep, 0);
  }
}

template <Bug kBug>
__device__ void multiply(unsigned char* ring, std::uint64_t* full, std::uint64_t* empty,
                         float (&sums)[kCols / 2]) {
  const int thread = static_cast<int>(threadIdx.x);
  const bool first_lane = thread % 32 == 0;
  for (int step = 0; step < kDepth / kStep; ++step) {
    const int stage = step % kStages;
    const auto parity = static_cast<unsigned>(step / kStages) & 1;
    if (kBug != Bug::kNoWaitForData)
      warpgroup::wait_for_phase(full + stage, kBug == Bug::kWrongParity ? parity ^ 1 : parity);
    unsigned char* const at = ring + stage * 2 * kStepBytes;
    if (kBug == Bug::kStoredWithoutFence) {
      auto* const first = reinterpret_cast<volatile std::uint16_t*>(at);
      if (thread == 0) *first = *first;
      __syncwarp();
    }
    if (kBug != Bug::kNoSumFence) warpgroup::fence_sums();
    std::uint64_t a = warpgroup::descriptor(at, 0, 1024);
    const std::uint64_t b = warpgroup::descriptor(at + kStepBytes, 0, 1024);
    if (kBug == Bug::kWrongSwizzle) a ^= std::uint64_t{3} << 62;  // 64 bytes
    if (kBug == Bug::kOneWarpDiffers && thread < 32) a = b;
    for (int i = 0; i < kStep / 16; ++i)
      warpgroup::multiply<kCols, false, false>(sums, warpgroup::further(a, i * 32),
                                               warpgroup::further(b, i * 32));
    warpgroup::commit_products();
    if (kBug == Bug::kReleasedEarly && first_lane) warpgroup::arrive(empty + stage);
    const bool early = kBug == Bug::kSumsBeforeWait && step == 3;
    const float sum = early ? sums[0] : 0.0f;
    if (kBug == Bug::kNeverWaited && step == 3) return;
    warpgroup::wait_for_products<0>();
    if (early) sums[0] = sum;
    if (kBug != Bug::kReleasedEarly && first_lane) warpgroup::arrive(empty + stage);
  }
}

template <Bug kBug>
__global__ void ring_kernel(const __grid_constant__ TensorMap a,
                            const __grid_constant__ TensorMap b, float* y) {
  unsigned char* const ring = dynamic_shared();
  auto* const full = reinterpret_cast<std::uint64_t*>(ring + kRing);
  std::uint64_t* const empty = full + kStages;
  const int thread = static_cast<int>(threadIdx.x);
  if (thread == 128) {
    for (int i = 0; i < kStages; ++i) {
      warpgroup::init_barrier(full + i, 1);
      warpgroup::init_barrier(empty + i, 4);
    }
    if (kBug != Bug::kNoBarrierFence) warpgroup::fence_barriers();
  }
  if (kBug != Bug::kNoBlockBarrier) __syncthreads();
  if (thread >= 128) {
    if (thread == 128) bring<kBug>(a, b, ring, full, empty);
    return;
  }
  float sums[kCols / 2] = {};
  multiply<kBug>(ring, full, empty, sums);
  const int lane = thread % 32;
  for (int i = 0; i < kCols / 2; ++i) {
    const int half = kBug == Bug::kWrongRegisters ? i % 2 : i / 2 % 2;
    const int pair = kBug == Bug::kWrongRegisters ? i / 2 % 2 : i % 2;
    const int row = thread / 32 * 16 + lane / 4 + half * 8;
    if (row < kRows || kBug == Bug::kNoMask)
      y[row * kCols + i / 4 * 8 + lane % 4 * 2 + pair] = sums[i];
  }
}

TensorMap map_of(const Bfloat16* data, int rows) {
  TileMap map;
  map.data = data;
  map.sizes = {kDepth, rows, 1};
  map.strides = {kDepth * 2, 0};
  map.box = {kStep, 64, 1};
  return tensor_map(map);
}

template <Bug kBug>
bool product() {
  const Stream stream;
  const CudaStream s = stream.get();
  const std::vector<float> a = rounded_to_bf16(random_floats(kRows * kDepth, 1, -1, 1)),
                           b = rounded_to_bf16(random_floats(kCols * kDepth, 2, -1, 1));
  const DeviceView<Bfloat16> da(s, as_bf16(a)), db(s, as_bf16(b));
  const DeviceView<float> y(s, std::vector<float>(kRows * kCols, 0.0f));
  const std::vector<Bfloat16> on_host = as_bf16(a);
  const auto kernel = ring_kernel<kBug>;
  KT_CUDA(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                               cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes));
  launch_with_shared("defect", kernel, 1, 160, kBytes, s,
                     map_of(kBug == Bug::kHostMap ? on_host.data() : da.data(), kRows),
                     map_of(db.data(), kCols), y.data());
  const std::vector<float> got = y.to_host(s);
  for (int m = 0; m < kRows; ++m)
    for (int n = 0; n < kCols; ++n) {
      double want = 0;
      for (int k = 0; k < kDepth; ++k)
        want += static_cast<double>(a[static_cast<std::size_t>(m * kDepth + k)]) *
                static_cast<double>(b[static_cast<std::size_t>(n * kDepth + k)]);
      if (!(std::abs(static_cast<double>(got[static_cast<std::size_t>(m * kCols + n)]) - want) <=
            1e-3))
        return false;
    }
  return true;
}

}  // namespace

bool warpgroup_product() { return product<Bug::kNone>(); }

std::vector<Defect> warpgroup_defects() {
  constexpr Expected kSeen{'E', 'E', 'E', 'E'}, kSeenByCheck{'W', 'W', 'W', 'E'},
      kWrong{'W', 'W', 'W', 'W'};
  return {
      {"tensor copy that nobody waited for",
       {'E', 'W', 'E', 'E'},
       "race|what nobody wrote",
       product<Bug::kNoWaitForData>},
      {"tensor copy over what is still multiplied", kSeen, "more arrivals|race|what nobody wrote",
       product<Bug::kNoWaitForPlace>},
      {"wrong parity of a phase", kSeen, "race|what nobody wrote", product<Bug::kWrongParity>},
      {"barrier expects too many bytes", kSeen, "can never go on", product<Bug::kWrongBytes>},
      {"place in the ring given back early",
       {'.', 'W', '.', 'E'},
       "race|what nobody wrote",
       product<Bug::kReleasedEarly>},
      {"swizzle of a descriptor", kWrong, "", product<Bug::kWrongSwizzle>},
      {"registers of sums exchanged", kWrong, "", product<Bug::kWrongRegisters>},
      {"sums not fenced", kSeen, "without a fence of its sums", product<Bug::kNoSumFence>},
      {"barrier not fenced for copies", kSeen, "did not fence", product<Bug::kNoBarrierFence>},
      {"barrier used before it is made", kSeen, "nobody made|race|what nobody wrote",
       product<Bug::kNoBlockBarrier>},
      {"sums touched before the wait", kSeenByCheck, "nobody waited for",
       product<Bug::kSumsBeforeWait>},
      {"products never waited for", kSeen, "nobody waited for", product<Bug::kNeverWaited>},
      {"one warp multiplies something else", kSeen, "multiply different things",
       product<Bug::kOneWarpDiffers>},
      {"rows not masked",
       {'E', 'E', 'S', 'E'},
       "outside an allocation|device allocation",
       product<Bug::kNoMask>},
      {"one tensor copy too many",
       {'E', '.', 'E', 'E'},
       "were on their way",
       product<Bug::kOneStepMore>},
      {"tensor copy to an odd place", kSeen, "that 128 does not divide", product<Bug::kOddPlace>},
      {"operand stored without a fence",
       {'.', '.', '.', 'E'},
       "without a fence for the async proxy",
       product<Bug::kStoredWithoutFence>},
      {"map of host memory", kSeen, "outside every device allocation", product<Bug::kHostMap>},
  };
}

}  // namespace ktrain::test
