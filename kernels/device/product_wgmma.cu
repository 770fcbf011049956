// The tier's kernels, in a file of their own: what conv2d_bf16.cu and gemm_bf16.cu multiply differs
// in maps alone.
#include "kernels/device/product_wgmma.cuh"

#include "kernels/device/lost.cuh"

namespace ktrain::product {

TensorMap make_map(const WgmmaOperand& o, int tile_sides) {
  if (o.kind == WgmmaKind::kWindows) {
    WindowMap map;
    map.data = o.data;
    map.batch = o.batch;
    map.height = o.height;
    map.width = o.width;
    map.channels = o.channels;
    map.lower = {o.col, o.row};
    map.upper = {upper_corner(o), upper_corner(o)};
    map.pixels = o.along_k ? tile_sides : kWgmmaStep;
    map.stride = o.stride;
    return tensor_map(map);
  }
  TileMap map;
  map.data = o.data;
  if (o.kind == WgmmaKind::kFilterTaps) {
    const int taps = o.depth / o.filters;
    map.rank = 3;
    map.sizes = {o.channels, taps, o.filters};
    map.strides = {std::int64_t{o.channels} * 2, std::int64_t{o.channels} * taps * 2};
    map.box = {kBoxLine, 1, kWgmmaStep};
  } else if (o.along_k) {
    map.sizes = {o.depth, o.sides, 1};
    map.strides = {std::int64_t{o.depth} * 2, 0};
    map.box = {kWgmmaStep, tile_sides, 1};
  } else {
    map.sizes = {o.sides, o.depth, 1};
    map.strides = {std::int64_t{o.sides} * 2, 0};
    map.box = {kBoxLine, kWgmmaStep, 1};
  }
  return tensor_map(map);
}

namespace {

template <class Tile, bool kSideA, bool kSideB>
void launch_wgmma(const char* name, CudaStream stream, WgmmaBatch& batch, int runs) {
  const auto kernel = wgmma_kernel<Tile, kSideA, kSideB>;
  static const bool allowed = [kernel] {
    KT_DEVICE(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                   cudaFuncAttributeMaxDynamicSharedMemorySize, Tile::kBytes));
    return true;
  }();
  (void)allowed;
  const std::int64_t blocks = deal_out(name, Tile::kRows, Tile::kCols, runs, batch);
  WgmmaProduct& p = batch.products[0];
  p.a.map = make_map(p.a, Tile::kRows);
  p.b.map = make_map(p.b, Tile::kCols);
  launch_with_shared(name, kernel, blocks, Tile::kThreads, Tile::kBytes, stream, batch);
}

template <class Tile>
void launch_tile(const char* name, CudaStream stream, WgmmaBatch& batch, int runs) {
  const bool along_k_a = batch.products[0].a.along_k, along_k_b = batch.products[0].b.along_k;
  if (along_k_a && along_k_b) return launch_wgmma<Tile, false, false>(name, stream, batch, runs);
  if (along_k_a) return launch_wgmma<Tile, false, true>(name, stream, batch, runs);
  if (along_k_b) return launch_wgmma<Tile, true, false>(name, stream, batch, runs);
  launch_wgmma<Tile, true, true>(name, stream, batch, runs);
}

}  // namespace

void multiply_wgmma(const char* name, CudaStream stream, const ProductPlan& plan,
                    WgmmaBatch batch) {
  switch (plan.tile) {
    case ProductTile::kWide:
      return launch_tile<WideWgmmaTile>(name, stream, batch, plan.splits);
    case ProductTile::kLarge:
      return launch_tile<LargeWgmmaTile>(name, stream, batch, plan.splits);
    case ProductTile::kSlim:
      return launch_tile<SlimWgmmaTile>(name, stream, batch, plan.splits);
    default:
      KT_CHECK(false, "{}: a tile that this tier does not have", name);
  }
}

}  // namespace ktrain::product
