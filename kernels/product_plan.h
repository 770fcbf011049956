// How a GPU computes c = a b (a is m x k, b k x n) and the convolutions that are such products: the
// kind of kernel, the piece of c that a block computes, and into how many runs k is cut. The one
// place that chooses by architecture and shape; gemm.cu and conv2d.cu do as it says.
//
// A plan depends on its arguments alone, so that sums have an order fixed by the shape. With more
// than one run each writes a matrix of its own into the workspace, and a second kernel adds them
// in the order of k: no atomics.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/conv2d.h"
#include "kernels/precision.h"
#include "kernels/view.h"

namespace ktrain {

// Kernels by what they compute with.
enum class ProductTier : std::uint8_t {
  kSimt,   // float, one multiply-add per lane, any GPU since 7.5 (device/product_simt.cuh)
  kMma,    // tf32 or bf16 on tensor cores, sums in float, since 8.0 (device/product_mma.cuh)
  kWgmma,  // bf16 with Hopper's own instructions, sums in float, 9.0 alone
           // (device/product_wgmma.cuh)
};

// The piece of c that a block computes: rows x columns.
enum class ProductTile : std::uint8_t {
  kLarge,   // 128 x 128
  kSmall,   // 64 x 64: more blocks, fewer idle threads at the edge
  kNarrow,  // 128 x 16: few columns, as in the heads of the proposal network; kSimt only
  kWide,    // 128 x 256: kWgmma only
  kSlim,    // 128 x 64: kWgmma only
};

struct ProductShape {
  std::int64_t m = 0, n = 0, k = 0;
  bool may_split = true;  // may k be cut?
  Precision precision = Precision::kFloat;
  bool tensor_copies = false;  // may it be kWgmma, and can both operands be brought so?
};

struct ProductPlan {
  ProductTier tier = ProductTier::kSimt;
  ProductTile tile = ProductTile::kSmall;
  int splits = 1;          // runs of k
  std::int64_t depth = 0;  // elements of k in a run, the last one may have fewer
};

// Columns of a and rows of b that a block takes at a time, in bf16 twice as many, kWgmma four
// times. A run is a multiple of it.
constexpr int kProductSlice = 16;

[[nodiscard]] std::int64_t tile_rows(ProductTile tile);
[[nodiscard]] std::int64_t tile_cols(ProductTile tile);

// `architecture` is the compute capability times ten, 0 for the emulation. Throws Error below 75,
// with bf16 below 80, which has no instructions for it, and on sides that a 32-bit index does not
// reach.
[[nodiscard]] ProductPlan plan_product(int architecture, const ProductShape& shape);

// Some products of one launch, such as the members of a group of convolutions: they share tier,
// tile and depth, which are chosen from what they are together, so that small ones fill a GPU that
// each alone would leave idle.
struct GroupPlan : ProductPlan {  // `splits` are the runs of all, one product's after another's
  bool through_runs = false;      // all runs go to the workspace, else all products are whole
};

// `shapes`: at least one, of one n and precision. Those that may be cut and have one m are cut; the
// others, of one k, are whole: it is the other members that fill the GPU. `summed`: what is wanted
// is the sum of the products, which therefore goes through runs. Throws Error as plan_product()
// does, of sums of k too.
[[nodiscard]] GroupPlan plan_group(int architecture, std::span<const ProductShape> shapes,
                                   bool summed);

// Of a k in runs of `depth`; 0 of none.
[[nodiscard]] constexpr int runs_of(std::int64_t k, std::int64_t depth) {
  return k == 0 ? 0 : static_cast<int>((k + depth - 1) / depth);
}

// Floats that the runs of a plan need; none when k is not cut.
[[nodiscard]] std::int64_t product_workspace(const ProductPlan& plan, const ProductShape& shape);
// And after them, for the sums of a's rows over each run (Product::row_sums).
[[nodiscard]] std::int64_t row_sums_workspace(const ProductPlan& plan, const ProductShape& shape);
// The same of a group; `shape`: of any product.
[[nodiscard]] std::int64_t group_workspace(const GroupPlan& plan, const ProductShape& shape);
[[nodiscard]] std::int64_t group_row_sums_workspace(const GroupPlan& plan,
                                                    const ProductShape& shape);

// Floats of workspace, in front of the runs, for filters of so many bytes times their scale: on
// tensor cores what is copied to them cannot be scaled on the way. A multiple of 4.
[[nodiscard]] std::int64_t scaled_filter_floats(const ProductPlan& plan, std::int64_t bytes);

// Are plans allowed the tier kWgmma? Not before a GPU has shown that it is right: with
// KT_WGMMA=1 in the environment, on a GPU of 9.0 (an Error when this program has no kernels for
// sm_90a) and under the emulation.
[[nodiscard]] bool wgmma_enabled();
// Overrides that from now on, for tests and comparisons; returns what it was. No-one may have asked
// for a workspace under the other answer.
bool enable_wgmma(bool enabled);
// What a tensor copy brings at a time of convolutions: so many channels of one tap.
constexpr std::int64_t kCopiedChannels = 64;

// The architecture of the GPU that find_gpu() shows, 0 without one or for the emulation.
[[nodiscard]] int gpu_architecture();

// Convolutions as products, in float. Forward: m pixels of y, k taps. Weights: m filters, n taps, k
// pixels.
template <class A, class B>
[[nodiscard]] ProductShape forward_product(Krsc<A> w, Nhwc<B> y) {
  ProductShape shape{y.pixels(), w.filters, w.rows * w.cols * w.channels};
  shape.tensor_copies = w.channels % kCopiedChannels == 0 && wgmma_enabled();
  return shape;
}
template <class A, class B>
[[nodiscard]] ProductShape weights_product(Nhwc<A> g, Krsc<B> dw) {
  ProductShape shape{dw.filters, dw.rows * dw.cols * dw.channels, g.pixels()};
  shape.tensor_copies =
      dw.channels % kCopiedChannels == 0 && dw.filters % 8 == 0 && wgmma_enabled();
  return shape;
}
// Data: m pixels of dx, k taps and filters. With a stride pixels differ in the taps that reach
// them, and fall into stride^2 products (conv2d.cu), which are not cut.
template <class A, class B>
[[nodiscard]] ProductShape data_product(Krsc<A> w, Nhwc<B> dx, const Conv2dOptions& options) {
  ProductShape shape{dx.pixels(), w.channels, w.rows * w.cols * w.filters, options.stride == 1};
  shape.tensor_copies = options.stride == 1 && w.filters % kCopiedChannels == 0 &&
                        w.channels % 8 == 0 && wgmma_enabled();
  return shape;
}
// A product of matrices. What is a multiple of 8 is in pieces of 16 bytes.
[[nodiscard]] inline ProductShape matrix_product(std::int64_t m, std::int64_t n, std::int64_t k,
                                                 bool transpose_a, bool transpose_b) {
  ProductShape shape{m, n, k};
  shape.tensor_copies =
      (transpose_a ? m : k) % 8 == 0 && (transpose_b ? k : n) % 8 == 0 && wgmma_enabled();
  return shape;
}

}  // namespace ktrain
