#include "kernels/product_plan.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/check.h"
#include "kernels/gpu.h"

namespace ktrain {
namespace {

// What fills a large GPU: blocks of the large tile, one per multiprocessor of an H100, and twice as
// many of anything before k is left whole. Not asked of the GPU at hand: results would depend on
// it.
constexpr std::int64_t kMultiprocessors = 132;
constexpr std::int64_t kEnoughBlocks = 2 * kMultiprocessors;

// A run shorter than this spends its time on writing and adding up.
constexpr std::int64_t kShortestRun = 16 * kProductSlice;
constexpr std::int64_t kMostRuns = 64;

// Sides are indexed by int, tiles reach past them.
constexpr std::int64_t kLongestSide = std::numeric_limits<std::int32_t>::max() - 1024;

constexpr std::int64_t ceil_divide(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// The products of one launch, which differ in m alone.
using Shapes = std::span<const ProductShape>;

std::int64_t blocks_of(ProductTile tile, Shapes shapes) {
  std::int64_t blocks = 0;
  for (const ProductShape& shape : shapes)
    blocks += ceil_divide(shape.m, tile_rows(tile)) * ceil_divide(shape.n, tile_cols(tile));
  return blocks;
}

std::int64_t most_rows(Shapes shapes) {
  std::int64_t rows = 0;
  for (const ProductShape& shape : shapes) rows = std::max(rows, shape.m);
  return rows;
}

std::int64_t most_runs(const ProductShape& shape) {
  return shape.may_split ? std::clamp<std::int64_t>(shape.k / kShortestRun, 1, kMostRuns) : 1;
}

// The wide tile reads least for what it multiplies, where its columns are used and there are
// enough.
ProductTile choose_wgmma_tile(Shapes shapes) {
  const ProductShape& shape = shapes[0];
  const std::int64_t large = tile_cols(ProductTile::kLarge);
  if (shape.n <= tile_cols(ProductTile::kSlim)) return ProductTile::kSlim;
  const bool fills = ceil_divide(shape.n, large) % 2 == 0;
  const std::int64_t wide = blocks_of(ProductTile::kWide, shapes) * most_runs(shape);
  return fills && wide >= kMultiprocessors ? ProductTile::kWide : ProductTile::kLarge;
}

// Runs of k that `blocks` tiles are cut into. kWgmma: as many as start at once, one block of the
// wide tile or two of others a multiprocessor; a few more would wait for all of those.
std::int64_t wanted_runs(const ProductPlan& plan, std::int64_t blocks) {
  if (plan.tier != ProductTier::kWgmma) return ceil_divide(kEnoughBlocks, blocks);
  const std::int64_t at_once = plan.tile == ProductTile::kWide ? kMultiprocessors : kEnoughBlocks;
  return std::max<std::int64_t>(1, at_once / blocks);
}

// Few columns leave tensor cores idle in any tile: reading a takes longer.
ProductTile choose_tile(ProductTier tier, Shapes shapes) {
  const ProductShape& shape = shapes[0];
  if (tier == ProductTier::kWgmma) return choose_wgmma_tile(shapes);
  if (tier == ProductTier::kSimt && shape.n <= tile_cols(ProductTile::kNarrow))
    return ProductTile::kNarrow;
  const std::int64_t side = tile_rows(ProductTile::kSmall);
  if (most_rows(shapes) <= side || shape.n <= side) return ProductTile::kSmall;
  const std::int64_t large = blocks_of(ProductTile::kLarge, shapes) * most_runs(shape);
  return large >= kMultiprocessors ? ProductTile::kLarge : ProductTile::kSmall;
}

bool has_tensor_cores(int architecture) { return architecture == 0 || architecture >= 80; }

void check_product(int architecture, const ProductShape& shape) {
  KT_CHECK(architecture == 0 || architecture >= 75,
           "product: the GPU has compute capability {}.{}, wanted 7.5 or later", architecture / 10,
           architecture % 10);
  KT_CHECK(std::max({shape.m, shape.n, shape.k}) <= kLongestSide,
           "product: {}x{} by {}x{}, sides up to {} can be indexed", shape.m, shape.k, shape.k,
           shape.n, kLongestSide);
  KT_CHECK(shape.precision != Precision::kBf16 || has_tensor_cores(architecture),
           "product: bf16 on a GPU of compute capability {}.{}, wanted 8.0 or later",
           architecture / 10, architecture % 10);
}

}  // namespace

std::int64_t tile_rows(ProductTile tile) { return tile == ProductTile::kSmall ? 64 : 128; }

std::int64_t tile_cols(ProductTile tile) {
  switch (tile) {
    case ProductTile::kLarge:
      return 128;
    case ProductTile::kSmall:
    case ProductTile::kSlim:
      return 64;
    case ProductTile::kNarrow:
      return 16;
    case ProductTile::kWide:
      return 256;
  }
  return 0;  // no other value
}

namespace {

ProductPlan plan_products(int architecture, Shapes shapes) {
  for (const ProductShape& shape : shapes) check_product(architecture, shape);
  const ProductShape& shape = shapes[0];
  ProductPlan plan;
  if (shape.precision != Precision::kFloat && has_tensor_cores(architecture))
    plan.tier = ProductTier::kMma;
  if (shape.precision == Precision::kBf16 && shape.tensor_copies && shape.k > 0 &&
      (architecture == 0 || architecture == 90))
    plan.tier = ProductTier::kWgmma;
  plan.tile = choose_tile(plan.tier, shapes);
  const std::int64_t slice = kProductSlice * (plan.tier == ProductTier::kWgmma      ? 4
                                              : shape.precision == Precision::kBf16 ? 2
                                                                                    : 1);
  const std::int64_t blocks = std::max<std::int64_t>(1, blocks_of(plan.tile, shapes));
  const std::int64_t wanted = std::min(wanted_runs(plan, blocks), most_runs(shape));
  plan.depth = ceil_divide(ceil_divide(shape.k, wanted), slice) * slice;
  plan.splits = plan.depth == 0 ? 1 : runs_of(shape.k, plan.depth);
  return plan;
}

}  // namespace

ProductPlan plan_product(int architecture, const ProductShape& shape) {
  return plan_products(architecture, {&shape, 1});
}

GroupPlan plan_group(int architecture, Shapes shapes, bool summed) {
  KT_CHECK(!shapes.empty(), "product: a group of none");
  const ProductShape& first = shapes[0];
  const auto all = [&](std::int64_t ProductShape::*side) {
    return std::ranges::all_of(shapes, [&](const auto& s) { return s.*side == first.*side; });
  };
  const bool may_split = first.may_split && all(&ProductShape::m);
  const bool one_depth = all(&ProductShape::k);
  KT_CHECK(all(&ProductShape::n) && (may_split || one_depth),
           "product: {} of several sides beside {}x{} by {}x{}", shapes.size(), first.m, first.k,
           first.k, first.n);
  KT_CHECK(may_split || !summed, "product: a sum of products that are not cut");
  GroupPlan plan;
  if (one_depth && !summed) {
    std::vector<ProductShape> members(shapes.begin(), shapes.end());
    for (ProductShape& member : members) member.may_split = may_split;
    static_cast<ProductPlan&>(plan) = plan_products(architecture, members);
    plan.through_runs = plan.splits > 1;
    if (plan.through_runs) plan.splits *= static_cast<int>(shapes.size());
    return plan;
  }
  // As the one product that they would be with their k one after another.
  ProductShape whole = first;
  whole.k = 0;
  for (const ProductShape& shape : shapes) whole.k += shape.k;
  static_cast<ProductPlan&>(plan) = plan_product(architecture, whole);
  plan.splits = 0;
  plan.through_runs = summed;
  for (const ProductShape& shape : shapes) {
    const int runs = runs_of(shape.k, plan.depth);
    plan.splits += runs;
    plan.through_runs = plan.through_runs || runs > 1;
  }
  return plan;
}

std::int64_t group_workspace(const GroupPlan& plan, const ProductShape& shape) {
  return plan.through_runs ? plan.splits * shape.m * shape.n : 0;
}

std::int64_t group_row_sums_workspace(const GroupPlan& plan, const ProductShape& shape) {
  return plan.through_runs ? plan.splits * shape.m : 0;
}

std::int64_t product_workspace(const ProductPlan& plan, const ProductShape& shape) {
  return plan.splits > 1 ? plan.splits * shape.m * shape.n : 0;
}

std::int64_t row_sums_workspace(const ProductPlan& plan, const ProductShape& shape) {
  return plan.splits > 1 ? plan.splits * shape.m : 0;
}

std::int64_t scaled_filter_floats(const ProductPlan& plan, std::int64_t bytes) {
  return plan.tier == ProductTier::kSimt ? 0 : ceil_divide(bytes, 16) * 4;
}

namespace {

bool wgmma_by_default() {
  const char* const wanted = std::getenv("KT_WGMMA");
  if (!wanted || !*wanted) return false;
  const std::string_view text = wanted;
  KT_CHECK(text == "0" || text == "1", "KT_WGMMA is '{}', wanted 0 or 1", text);
  if (text == "0" || (gpu_architecture() != 90 && gpu_architecture() != 0)) return false;
  if (gpu_architecture() == 0) return true;
  const GpuQuery found = find_gpu();
  KT_CHECK(found.gpu && found.gpu->has_sm90a_code,
           "KT_WGMMA=1: this program holds no kernels for sm_90a; configure it with "
           "KT_CUDA_ARCHITECTURES=90a");
  return true;
}

bool& wgmma_setting() {
  static bool enabled = wgmma_by_default();
  return enabled;
}

}  // namespace

bool wgmma_enabled() { return wgmma_setting(); }

bool enable_wgmma(bool enabled) { return std::exchange(wgmma_setting(), enabled); }

int gpu_architecture() {
  static const int architecture = [] {
    const GpuQuery found = find_gpu();
    return found.gpu ? found.gpu->major * 10 + found.gpu->minor : 0;
  }();
  return architecture;
}

}  // namespace ktrain
