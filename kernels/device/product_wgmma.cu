// The tier's kernels, in a file of their own: what conv2d_bf16.cu and gemm_bf16.cu multiply differs
// in maps alone.
#include "kernels/device/product_wgmma.cuh"

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

template void multiply_wgmma<1>(const char*, CudaStream, const ProductPlan&, WgmmaBatch<1>);

}  // namespace ktrain::product
