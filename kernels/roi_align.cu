// Forward: a block per region and row of bins. A bin's samples form a grid, so that what it reads
// is a product of two short lists of (cell, weight); the block makes the lists in shared memory,
// then neighbouring threads add up neighbouring channels. Each bin reads (samples + 1)^2 cells.
//
// Backward: a block per 4x4 cells of a level, which gathers what every region passes to them, in
// the order of the regions: no atomics, no zeroing pass, and two runs agree to the last bit. A
// gradient of a bin is read once for each row of four cells it touches.
#include "kernels/roi_align.h"

#include "kernels/checks/roi_align.h"
#include "kernels/device/launch.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/device/vector_io.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kTile = 4;        // cells by axis of a block of the backward
constexpr int kTileLanes = 64;  // threads side by side along the channels, four channels each
constexpr int kBatch = 4;       // regions whose weights a block of the backward makes at once
static_assert(kTileLanes * kTile == kThreads, "a row of the tile per group of lanes");

// The levels without what they share.
template <class T>
struct LevelMaps {
  T* data[kRoiLevels];
  int height[kRoiLevels];
  int width[kRoiLevels];
};

struct Shape {
  std::int64_t rois;
  int batch;
  int bins_y, bins_x;
  int channels;
  bool aligned;  // quads of channels, everywhere
};

__device__ bool is_finite(const float* roi) {
  return isfinite(roi[0]) && isfinite(roi[1]) && isfinite(roi[2]) && isfinite(roi[3]);
}

// clamp(floor(log2(v)), 0, 3) without a logarithm, whose last bit differs between libraries.
__device__ int level_of(const float* roi) {
  const float area = (roi[2] - roi[0]) * (roi[3] - roi[1]);
  if (!(area > 0)) return 0;
  const float v = sqrtf(area) / 56.0f + 1e-6f;
  return v >= 8 ? 3 : v >= 4 ? 2 : v >= 2 ? 1 : 0;
}

// One axis of a region on its level. roi_align.cpp has the same arithmetic in the same order.
struct Axis {
  float from, step;
  int samples, cells;

  __device__ Axis(float roi_from, float roi_to, int level, int bins, int cells_) : cells(cells_) {
    const float scale = 1.0f / static_cast<float>(4 << level);
    from = roi_from * scale - 0.5f;
    const float length = roi_to * scale - 0.5f - from;
    step = length / static_cast<float>(bins);
    const float wanted = ceilf(length / static_cast<float>(bins));
    samples = static_cast<int>(fminf(fmaxf(wanted, 0.0f), static_cast<float>(kRoiMaxSamples)));
  }
  [[nodiscard]] __device__ float scale() const { return 1.0f / static_cast<float>(samples); }

  // Sample s of a bin: cell `low` counts 1 - part, the next one `part`. False for one outside.
  __device__ bool sample(int bin, int s, int& low, float& part) const {
    const float start = from + static_cast<float>(bin) * step;
    const float raw = start + (static_cast<float>(s) + 0.5f) * step * scale();
    if (raw < -1.0f || raw > static_cast<float>(cells)) return false;
    const float at = fmaxf(raw, 0.0f);
    low = static_cast<int>(at);
    part = at - static_cast<float>(low);
    if (low >= cells - 1) {
      low = cells - 1;
      part = 0;
    }
    return true;
  }

  // What a bin takes from one cell.
  [[nodiscard]] __device__ float weight(int bin, int cell) const {
    float weight = 0;
    for (int s = 0; s < samples; ++s) {
      int low;
      float part;
      if (!sample(bin, s, low, part)) continue;
      if (low == cell) weight += (1.0f - part) * scale();
      if (low + 1 == cell) weight += part * scale();
    }
    return weight;
  }
};

// The cells of one bin along one axis, ascending, each once. Two per sample at most.
struct BinCells {
  int count;
  std::uint16_t cell[2 * kRoiMaxSamples];
  float weight[2 * kRoiMaxSamples];

  __device__ void add(int at, float value) {
    if (count > 0 && cell[count - 1] == at) {
      weight[count - 1] += value;
    } else if (count > 1 && cell[count - 2] == at) {
      weight[count - 2] += value;
    } else {
      cell[count] = static_cast<std::uint16_t>(at);
      weight[count] = value;
      ++count;
    }
  }
  __device__ void make(const Axis& axis, int bin) {
    count = 0;
    for (int s = 0; s < axis.samples; ++s) {
      int low;
      float part;
      if (!axis.sample(bin, s, low, part)) continue;
      add(low, (1.0f - part) * axis.scale());
      if (part > 0) add(low + 1, part * axis.scale());
    }
  }
};

__device__ void add_scaled(float4& total, float weight, const float4& q) {
  total.x += weight * q.x;
  total.y += weight * q.y;
  total.z += weight * q.z;
  total.w += weight * q.w;
}

// What a region without samples gives: `value` in all channels of its row of bins.
template <class T>
__device__ void fill_row(T* out, std::int64_t size, float value) {
  for (std::int64_t i = threadIdx.x; i < size; i += kThreads) out[i] = narrow<T>(value);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    forward_kernel(const __grid_constant__ LevelMaps<const T> levels, const float* rois,
                   const std::int32_t* image, Shape shape, int lanes, T* out) {
  BinCells* const bins = shared_array<BinCells, kRoiMaxBins + 1, struct Bins>();
  const std::int64_t row_of_bins = blockIdx.x;
  const std::int64_t r = row_of_bins / shape.bins_y;
  const int i = static_cast<int>(row_of_bins % shape.bins_y);
  const float* const roi = rois + r * 4;
  const std::int64_t row_size = std::int64_t{shape.bins_x} * shape.channels;
  T* const out_row = out + row_of_bins * row_size;
  if (image[r] == -1) return fill_row(out_row, row_size, 0.0f);
  if (image[r] < -1 || image[r] >= shape.batch || !is_finite(roi))
    return fill_row(out_row, row_size, NAN);

  const int level = level_of(roi);
  const int width = levels.width[level], height = levels.height[level];
  const int thread = static_cast<int>(threadIdx.x);
  if (thread < shape.bins_x)
    bins[thread].make(Axis(roi[0], roi[2], level, shape.bins_x, width), thread);
  else if (thread == shape.bins_x)
    bins[thread].make(Axis(roi[1], roi[3], level, shape.bins_y, height), i);
  __syncthreads();

  const BinCells& y = bins[shape.bins_x];
  const T* const map =
      levels.data[level] + std::int64_t{image[r]} * height * width * shape.channels;
  for (int j = thread / lanes; j < shape.bins_x; j += kThreads / lanes) {
    const BinCells& x = bins[j];
    for (int c = thread % lanes * 4; c < shape.channels; c += lanes * 4) {
      const int count = shape.channels - c;
      float4 total = make_float4(0, 0, 0, 0);
      for (int h = 0; h < y.count; ++h) {
        const T* const row = map + std::int64_t{y.cell[h]} * width * shape.channels + c;
#pragma unroll 4
        for (int w = 0; w < x.count; ++w)
          add_scaled(total, y.weight[h] * x.weight[w],
                     load_quad(row + x.cell[w] * shape.channels, shape.aligned, count));
      }
      store_quad(out_row + j * shape.channels + c, total, shape.aligned, count);
    }
  }
}

// The cells of one block of the backward.
struct Tile {
  int level, image, row, col;
};

// How tiles are numbered: level by level, image by image, row by row.
struct Tiling {
  int first[kRoiLevels + 1];  // tile of each level
  int per_row[kRoiLevels];
  int per_image[kRoiLevels];
};

__device__ Tile tile_of(const Tiling& tiling, int index) {
  int level = 0;
  while (index >= tiling.first[level + 1]) ++level;
  index -= tiling.first[level];
  const int in_image = index % tiling.per_image[level];
  return {level, index / tiling.per_image[level], in_image / tiling.per_row[level] * kTile,
          in_image % tiling.per_row[level] * kTile};
}

// May a region reach the cells [begin, begin + kTile) of an axis? A sample reaches one cell beyond
// the region at most; the edges collect those outside the map.
__device__ bool may_reach(float from, float to, int level, int begin, int cells) {
  const float scale = 1.0f / static_cast<float>(4 << level);
  const int end = begin + kTile;
  if (to * scale + 2.0f < static_cast<float>(begin) && begin > 0) return false;
  return !(from * scale - 2.0f > static_cast<float>(end) && end < cells);
}

__device__ bool may_reach(const float* roi, std::int32_t image, const Tile& tile, int height,
                          int width) {
  return image == tile.image && is_finite(roi) && level_of(roi) == tile.level &&
         may_reach(roi[1], roi[3], tile.level, tile.row, height) &&
         may_reach(roi[0], roi[2], tile.level, tile.col, width);
}

// Puts the numbers for which `taken` holds into list[], in the order of the threads, and returns
// how many there are. Every thread of the block must call it; ends with a barrier.
__device__ int compact(bool taken, int number, int* list, int* warp_counts) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
  const unsigned votes = __ballot_sync(kAllLanes, taken);
  if (lane == 0) warp_counts[warp] = __popc(votes);
  __syncthreads();
  int before = 0, total = 0;
  for (int w = 0; w < kThreads / kWarpSize; ++w) {
    if (w == warp) before = total;
    total += warp_counts[w];
  }
  if (taken) list[before + __popc(votes & ((1u << lane) - 1))] = number;
  __syncthreads();
  return total;
}

// By bin, what it takes from the four cells of the tile's side.
struct SideWeights {
  float y[kRoiMaxBins * kTile];
  float x[kRoiMaxBins * kTile];
};

__device__ void make_weights(const float* roi, const Tile& tile, int height, int width,
                             const Shape& shape, int lane, SideWeights& weights) {
  const int y_entries = shape.bins_y * kTile, x_entries = shape.bins_x * kTile;
  for (int e = lane; e < y_entries; e += kTileLanes)
    weights.y[e] = Axis(roi[1], roi[3], tile.level, shape.bins_y, height)
                       .weight(e / kTile, tile.row + e % kTile);
  for (int e = lane; e < x_entries; e += kTileLanes)
    weights.x[e] = Axis(roi[0], roi[2], tile.level, shape.bins_x, width)
                       .weight(e / kTile, tile.col + e % kTile);
}

// Adds what one region passes to a row of the tile, four channels of it.
template <class T>
__device__ void add_region(const SideWeights& weights, const T* dout, const Shape& shape,
                           int tile_row, int count, float4 (&total)[kTile]) {
  for (int i = 0; i < shape.bins_y; ++i) {
    const float wy = weights.y[i * kTile + tile_row];
    if (wy == 0) continue;
    for (int j = 0; j < shape.bins_x; ++j) {
      const float4 wx = load_quad(&weights.x[j * kTile], true);
      if (wx.x == 0 && wx.y == 0 && wx.z == 0 && wx.w == 0) continue;
      const float4 q =
          load_quad(dout + (i * shape.bins_x + j) * shape.channels, shape.aligned, count);
      add_scaled(total[0], wy * wx.x, q);
      add_scaled(total[1], wy * wx.y, q);
      add_scaled(total[2], wy * wx.z, q);
      add_scaled(total[3], wy * wx.w, q);
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads, 4)  // or ptxas spills for a fifth block
    backward_kernel(const __grid_constant__ LevelMaps<T> dlevels,
                    const __grid_constant__ Tiling tiling, int chunks, const float* rois,
                    const std::int32_t* image, const T* dout, Shape shape) {
  int* const list = shared_array<int, kThreads, struct List>();
  int* const warp_counts = shared_array<int, kThreads / kWarpSize, struct WarpCounts>();
  SideWeights* const weights = shared_array<SideWeights, kBatch, struct Weights>();
  const Tile tile = tile_of(tiling, static_cast<int>(blockIdx.x) / chunks);
  const int height = dlevels.height[tile.level], width = dlevels.width[tile.level];
  const int thread = static_cast<int>(threadIdx.x);
  const int lane = thread % kTileLanes, group = thread / kTileLanes;
  const int channel = (static_cast<int>(blockIdx.x) % chunks * kTileLanes + lane) * 4;
  const int count = shape.channels - channel;  // 0 or less: nothing to read or write
  float4 total[kTile] = {};

  for (std::int64_t base = 0; base < shape.rois; base += kThreads) {
    const std::int64_t r = base + thread;
    const bool taken = r < shape.rois && may_reach(rois + r * 4, image[r], tile, height, width);
    const int taken_count = compact(taken, static_cast<int>(r), list, warp_counts);
    for (int k = 0; k < taken_count; k += kBatch) {
      if (k + group < taken_count)
        make_weights(rois + std::int64_t{list[k + group]} * 4, tile, height, width, shape, lane,
                     weights[group]);
      __syncthreads();
      for (int b = 0; b < kBatch && k + b < taken_count && count > 0; ++b) {
        const std::int64_t bins = std::int64_t{list[k + b]} * shape.bins_y * shape.bins_x;
        add_region(weights[b], dout + bins * shape.channels + channel, shape, group, count, total);
      }
      __syncthreads();
    }
  }

  if (tile.row + group >= height || count <= 0) return;
  T* const row =
      dlevels.data[tile.level] +
      ((std::int64_t{tile.image} * height + tile.row + group) * width + tile.col) * shape.channels;
#pragma unroll
  for (int c = 0; c < kTile; ++c)
    if (tile.col + c < width)
      store_quad(row + c * shape.channels + channel, total[c], shape.aligned, count);
}
static_assert(kBatch == kThreads / kTileLanes, "a region's weights per group of lanes");

// `maps` and the output or its gradient; image indices are on the device and looked at there.
template <class T, class Out>
Shape check_shapes(const char* who, const RoiLevels<T>& levels, Rows<const float> rois,
                   Span<const std::int32_t> image, Nhwc<Out> out) {
  check_roi_align(who, levels, rois, image, out);
  Shape shape{rois.rows,
              static_cast<int>(levels[0].batch),
              static_cast<int>(out.height),
              static_cast<int>(out.width),
              static_cast<int>(out.channels),
              out.channels % 4 == 0 && aligned_for_quads(out.data)};
  for (const auto& level : levels) {
    KT_CHECK(level.height <= 65536 && level.width <= 65536,
             "{}: a level is {}x{} cells, at most 65536 by axis are allowed", who, level.height,
             level.width);
    shape.aligned = shape.aligned && aligned_for_quads(level.data);
  }
  return shape;
}

template <class T>
LevelMaps<T> maps_of(const RoiLevels<T>& levels) {
  LevelMaps<T> maps{};
  for (int l = 0; l < kRoiLevels; ++l) {
    const auto& level = levels[static_cast<std::size_t>(l)];
    maps.data[l] = level.data;
    maps.height[l] = static_cast<int>(level.height);
    maps.width[l] = static_cast<int>(level.width);
  }
  return maps;
}

template <class T>
Tiling tile_levels(const RoiLevels<T>& dlevels) {
  Tiling tiling{};
  for (int l = 0; l < kRoiLevels; ++l) {
    const auto& level = dlevels[static_cast<std::size_t>(l)];
    tiling.per_row[l] = static_cast<int>(num_blocks(level.width, kTile));
    tiling.per_image[l] = tiling.per_row[l] * static_cast<int>(num_blocks(level.height, kTile));
    tiling.first[l + 1] = tiling.first[l] + tiling.per_image[l] * static_cast<int>(level.batch);
  }
  return tiling;
}

}  // namespace

template <class T>
void roi_align_forward(CudaStream stream, const RoiLevels<const T>& levels,
                       Rows<const Wide<T>> rois, Span<const std::int32_t> image, Nhwc<T> out) {
  const Shape shape = check_shapes("roi_align_forward", levels, rois, image, out);
  if (out.empty()) return;
  int lanes = 1;  // threads along the channels
  while (lanes * 4 < shape.channels && lanes < kThreads) lanes *= 2;
  launch("roi_align_forward", forward_kernel<T>, shape.rois * shape.bins_y, kThreads, stream,
         maps_of(levels), rois.data, image.data, shape, lanes, out.data);
}

template <class T>
void roi_align_backward(CudaStream stream, Rows<const Wide<T>> rois, Span<const std::int32_t> image,
                        Nhwc<const T> dout, const RoiLevels<T>& dlevels) {
  const Shape shape = check_shapes("roi_align_backward", dlevels, rois, image, dout);
  const Tiling tiling = tile_levels(dlevels);
  const auto chunks = static_cast<int>(num_blocks(shape.channels, kTileLanes * 4));
  const std::int64_t blocks = std::int64_t{tiling.first[kRoiLevels]} * chunks;
  if (blocks == 0) return;
  launch("roi_align_backward", backward_kernel<T>, blocks, kThreads, stream, maps_of(dlevels),
         tiling, chunks, rois.data, image.data, dout.data, shape);
}

#define KT_INSTANTIATE(T)                                                                     \
  template void roi_align_forward(CudaStream, const RoiLevels<const T>&, Rows<const Wide<T>>, \
                                  Span<const std::int32_t>, Nhwc<T>);                         \
  template void roi_align_backward(CudaStream, Rows<const Wide<T>>, Span<const std::int32_t>, \
                                   Nhwc<const T>, const RoiLevels<T>&);
KT_INSTANTIATE(float)
KT_INSTANTIATE(Bfloat16)
#undef KT_INSTANTIATE

}  // namespace ktrain::cuda
