// A product on tensor cores, 16 x 8 x 6 in tf32 with a k of 8, broken in the ways that such kernels
// break. Two warps copy, a piece of 16 bytes a thread, then both multiply.
#include <bit>
#include <utility>
#include <vector>

#include "kernels/device/emulation/tensor_core.h"
#include "kernels/device/tensor_core.cuh"
#include "tests/emulation/bench.cuh"
#include "tests/emulation/defects.h"

namespace ktrain::test {
namespace {

enum class Bug {
  kNone,
  kNoWait,
  kNoBarrier,
  kOverwritten,
  kWrongFragment,
  kOneSidedSwizzle,
  kNotConverted,
  kHalfWarp,
  kMisaligned,
  kTail,
  kPastTheEnd,
  kHostMemory
};

constexpr int kRows = 16, kCols = 8, kDepth = 6, kLine = 8;  // floats of a row, or of a column
constexpr int kPieces = (kRows + kCols) * 2;
constexpr int kX = 640;  // elements of x

// Of a line's two pieces; eight lines' pieces stand in different banks.
__device__ int place(int line, int piece) { return line * 2 + (piece ^ (line >> 2 & 1)); }

template <Bug kBug>
__device__ void copy_piece(const float* x, unsigned char* shared, int t) {
  const int line = t / 2, piece = t % 2;
  // The last two of eight are not part of the product.
  const int bytes = piece == 1 && kBug != Bug::kTail ? (kDepth - 4) * 4 : 16;
  const float* from = x + line * kLine + piece * 4;
  if (kBug == Bug::kPastTheEnd && t == kPieces - 1) from = x + kX;
  if (kBug == Bug::kHostMemory && t == 0) {
    alignas(16) static const float host[4] = {1, 2, 3, 4};
    from = host;
  }
  tensor_core::copy_async(shared + 16 * place(line, piece), from, bytes);
}

template <Bug kBug>
__device__ void load(const unsigned char* shared, int line, int piece, std::uint32_t (&r)[4]) {
  const int at = kBug == Bug::kOneSidedSwizzle ? line * 2 + piece : place(line, piece);
  tensor_core::load_matrices(r, shared + 16 * at + (kBug == Bug::kMisaligned ? 4 : 0));
  if (kBug == Bug::kNotConverted) return;
  for (std::uint32_t& v : r) v = tensor_core::to_tf32(__uint_as_float(v));
}

template <Bug kBug>
__global__ void product_kernel(const float* x, float* y) {
  unsigned char* const shared = shared_array<unsigned char, kPieces * 16, struct Operands>();
  const int t = static_cast<int>(threadIdx.x), lane = t % 32;
  if (t < kPieces) copy_piece<kBug>(x, shared, t);
  tensor_core::commit_copies();
  tensor_core::wait_for_copies<kBug == Bug::kNoWait ? 1 : 0>();
  if (kBug != Bug::kNoBarrier) __syncthreads();
  std::uint32_t a[4], b[4];
  load<kBug>(shared, lane % 16, lane / 16, a);
  // The next slice may not come before everybody has this one.
  if (kBug == Bug::kOverwritten && t < kPieces) copy_piece<kBug>(x + 8, shared, t);
  load<kBug>(shared, kRows + lane % 8, lane / 8 % 2, b);
  if (kBug == Bug::kWrongFragment) std::swap(a[1], a[2]);
  const std::uint32_t columns[2] = {b[0], b[1]};
  float sums[4] = {};
  if (kBug != Bug::kHalfWarp || lane < 16) tensor_core::multiply_tf32(sums, a, columns);
  if (t >= 32) return;
  for (int i = 0; i < 4; ++i) y[(lane / 4 + i / 2 * 8) * kCols + lane % 4 * 2 + i % 2] = sums[i];
}

template <Bug kBug>
bool product() {
  DefectBench bench;
  bench.run(product_kernel<kBug>, 1, 64, bench.dx.data(), bench.y.data());
  const auto tf32 = [&](int line, int k) {
    const float x = bench.x[static_cast<std::size_t>(line * kLine + k)];
    return std::bit_cast<float>(emulation::to_tf32(x));
  };
  std::vector<float> want;
  for (int m = 0; m < kRows; ++m)
    for (int n = 0; n < kCols; ++n) {
      float sum = 0;
      for (int k = 0; k < kDepth; ++k) sum += tf32(m, k) * tf32(kRows + n, k);
      want.push_back(sum);
    }
  return bench.gives(want);
}

}  // namespace

bool tensor_core_product() {
  return product<Bug::kNone>() && emulation::matrix_loads().matrices > 0 &&
         emulation::matrix_loads().lost_cycles == 0;
}

std::vector<Defect> tensor_core_defects() {
  constexpr Expected kSeenByCheck{'W', 'W', 'W', 'E'}, kSeen{'E', 'E', 'E', 'E'},
      kWrong{'W', 'W', 'W', 'W'};
  return {
      {"copy that nobody waited for", kSeenByCheck, "race|what nobody wrote",
       product<Bug::kNoWait>},
      {"copy without a barrier", kSeenByCheck, "race|what nobody wrote", product<Bug::kNoBarrier>},
      {"copy over what is still read",
       {'.', 'W', '.', 'E'},
       "race|what nobody wrote",
       product<Bug::kOverwritten>},
      {"registers of a fragment exchanged", kWrong, "", product<Bug::kWrongFragment>},
      {"swizzle on one side", kWrong, "", product<Bug::kOneSidedSwizzle>},
      {"end of k not masked", kWrong, "", product<Bug::kTail>},
      {"operand not converted to tf32", kSeen, "was not converted", product<Bug::kNotConverted>},
      {"half a warp multiplies", kSeen, "mma.sync", product<Bug::kHalfWarp>},
      {"matrix row at an odd address", kSeen, "not a multiple of 16", product<Bug::kMisaligned>},
      {"copy from past the end", kSeen, "outside every device allocation",
       product<Bug::kPastTheEnd>},
      {"copy from host memory", kSeen, "outside every device allocation",
       product<Bug::kHostMemory>},
  };
}

}  // namespace ktrain::test
