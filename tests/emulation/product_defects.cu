// Two products of one launch (kernels/device/product_batch.cuh), in runs that stand one after
// another in memory, dealt out wrongly: members of a group of convolutions that get into each
// other.
#include <vector>

#include "kernels/device/product_simt.cuh"
#include "tests/emulation/bench.cuh"
#include "tests/emulation/defects.h"

namespace ktrain::test {
namespace {

using Operand = product::DenseAlongK<float>;
using Each = product::Product<Operand, Operand, product::DenseOutput<float>>;
using Tile = product::SmallTile;

enum class Bug { kNone, kRunsOfAnother, kTileOfAnother };

constexpr int kSide = 8, kDepth = 16;  // a product is kSide x kSide, a run kDepth long

template <Bug kBug>
bool products() {
  DefectBench b;
  const auto operand = [&](int at, int k) { return Operand(b.dx.data() + at, kSide, k); };
  product::ProductBatch<Each, 2> batch{};
  batch.products[0] = {operand(0, kDepth), operand(64, kDepth), {}, kSide, kSide, kDepth};
  batch.products[1] = {
      operand(128, 2 * kDepth), operand(320, 2 * kDepth), {}, kSide, kSide, 2 * kDepth};
  batch.depth = kDepth;
  batch.partials = b.y.data();
  batch.partials_aligned = true;
  const std::int64_t blocks = product::deal_out("defect", Tile::kRows, Tile::kCols, batch);
  if (kBug == Bug::kRunsOfAnother) batch.first_run[1] = 0;
  if (kBug == Bug::kTileOfAnother) batch.first[1] = 0;
  b.run(product::simt_kernel<Tile, Each, 2>, static_cast<int>(blocks), Tile::kThreads, batch);
  std::vector<float> want;
  const auto add_run = [&](std::size_t left, std::size_t right, std::size_t line) {
    for (std::size_t i = 0; i < kSide; ++i)
      for (std::size_t j = 0; j < kSide; ++j) {
        float sum = 0;
        for (std::size_t k = 0; k < kDepth; ++k)
          sum += b.x[left + i * line + k] * b.x[right + j * line + k];
        want.push_back(sum);
      }
  };
  add_run(0, 64, kDepth);
  add_run(128, 320, 2 * kDepth);
  add_run(128 + kDepth, 320 + kDepth, 2 * kDepth);
  return b.gives(want);
}

}  // namespace

bool group_of_products() { return products<Bug::kNone>(); }

std::vector<Defect> product_defects() {
  return {{"runs of one product over another's",
           {'W', 'W', 'W', 'E'},
           "race",
           products<Bug::kRunsOfAnother>},
          {"tile of one product taken for another's",
           {'W', 'W', 'W', 'W'},
           "",
           products<Bug::kTileOfAnother>}};
}

}  // namespace ktrain::test
