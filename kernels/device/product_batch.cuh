// Some products of one launch, and what each block computes of them. Every tier's kernels take one.
// Products past the last are empty: m = n = 0. Those whose runs are added later have one m and n.
//
// Blocks are numbered with a product's columns of tiles fastest, so that neighbours read the same
// rows of a, then rows of tiles, then runs of k, then products.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "kernels/device/launch.cuh"
#include "kernels/device/product_operands.cuh"
#include "kernels/product_plan.h"

namespace ktrain::product {

// output = a b, m x k by k x n. Where there are `row_sums`, the blocks of the first column of tiles
// also sum a's rows over k: m floats, m more for each further run.
template <class A_, class B_, class Output_>
struct Product {
  using A = A_;
  using B = B_;
  A_ a;
  B_ b;
  Output_ output;
  int m = 0, n = 0, k = 0;
  float* row_sums = nullptr;
};

// Can they be? Of weight gradients, both of whose operands run along their sides.
template <class P>
constexpr bool kSumsRows = !P::A::kAlongK && !P::B::kAlongK;

// A block's tile starts at (row, col) of a product; it adds over k in [begin, end).
struct TilePlace {
  int product, run;
  int row, col;
  int begin, end;
};

template <class P, int kCount>
struct ProductBatch {
  P products[kCount];
  int depth = 0;              // of a run
  float* partials = nullptr;  // m x n for each run, where runs are added later
  bool partials_aligned = false;
  // Filled by deal_out().
  int tile_cols[kCount];  // tiles side by side
  int tiles[kCount];      // of a product; with runs, so many for each
  int first[kCount + 1];  // block of each product
  int first_run[kCount];  // of each product, among the partials of all

  [[nodiscard]] __device__ TilePlace place(int block, int tile_rows, int tile_cols_) const {
    TilePlace at{};
    if constexpr (kCount > 1) {
      while (block >= first[at.product + 1]) ++at.product;
      block -= first[at.product];
    }
    const int tile = block % tiles[at.product], across = tile_cols[at.product];
    at.run = block / tiles[at.product];
    at.row = tile / across * tile_rows;
    at.col = tile % across * tile_cols_;
    at.begin = at.run * depth;
    const int k = products[at.product].k;
    at.end = depth < k - at.begin ? at.begin + depth : k;
    return at;
  }

  // Does a block sum its tile's rows of a?
  [[nodiscard]] __device__ bool sums_rows(const TilePlace& at) const {
    return at.col == 0 && products[at.product].row_sums;
  }
  // Takes the sum of a row of the block's tile.
  __device__ void put_row_sum(const TilePlace& at, int row, float sum) const {
    const P& p = products[at.product];
    const int m = at.row + row;
    if (m < p.m) p.row_sums[std::int64_t{at.run} * p.m + m] = sum;
  }

  // Takes a quad of a block's tile: to the product's output, or among the runs.
  __device__ void put(const TilePlace& at, int m, int n, float4 v) const {
    const P& p = products[at.product];
    if (!partials) return p.output.put(m, n, v);
    int run = at.run;
    if constexpr (kCount > 1) run += first_run[at.product];
    float* const to = partials + (std::int64_t{run} * p.m + m) * p.n + n;
    store_quad(to, v, partials_aligned, p.n - n);
  }
};

// Gives the batch's tiles to blocks, and to each product as many runs as its k has; returns how
// many blocks there are.
template <class P, int kCount>
std::int64_t deal_out(const char* name, int tile_rows, int tile_cols,
                      ProductBatch<P, kCount>& batch) {
  std::int64_t blocks = 0;
  int all_runs = 0;
  batch.first[0] = 0;
  for (int i = 0; i < kCount; ++i) {
    const P& p = batch.products[i];
    // Of no columns the rows may still be summed.
    const std::int64_t across =
        std::max<std::int64_t>(num_blocks(p.n, tile_cols), p.row_sums ? 1 : 0);
    const std::int64_t tiles = num_blocks(p.m, tile_rows) * across;
    const int runs = batch.partials ? runs_of(p.k, batch.depth) : 1;
    blocks += tiles * runs;
    KT_CHECK(blocks <= std::numeric_limits<std::int32_t>::max(),
             "{}: {} blocks or more; 2^31 - 1 can be started", name, blocks);
    batch.tile_cols[i] = static_cast<int>(across);
    batch.tiles[i] = static_cast<int>(tiles);
    batch.first_run[i] = all_runs;
    all_runs += runs;
    batch.first[i + 1] = static_cast<int>(blocks);
  }
  return blocks;
}

}  // namespace ktrain::product
