#include "kernels/roi_align.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "kernels/checks/roi_align.h"
#include "kernels/cpu/wide_row.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {
namespace {

// Rows of a level that one task of the backward owns: at 160 columns of 256 floats, 1.3 MB, which
// stays in a core's L2 while every region that touches them adds its part.
constexpr std::int64_t kBandRows = 8;
constexpr std::int64_t kRoiGrain = 8;

// What one bin reads along one axis: `weights[i]` of cell `first + i`. The samples of a bin form a
// grid and a sample outside the level drops out by axis, so the weight of a cell is the product of
// its two axes.
template <class T>
struct Axis {
  struct Bin {
    std::int64_t first = 0;
    std::int64_t count = 0;
    std::int64_t offset = 0;  // into weights
  };
  std::array<Bin, kRoiMaxBins> bins;
  std::vector<T> weights;
  int num_bins = 0;

  // Cells that any bin reads: [begin, end).
  std::int64_t begin = 0;
  std::int64_t end = 0;

  [[nodiscard]] T weight(int bin, std::int64_t cell) const {
    const Bin& b = bins[static_cast<std::size_t>(bin)];
    const std::int64_t i = cell - b.first;
    return i < 0 || i >= b.count ? T{0} : weights[static_cast<std::size_t>(b.offset + i)];
  }
};

// Samples per bin for a region of `length` cells.
template <class T>
int num_samples(T length, int bins) {
  const T wanted = std::ceil(length / static_cast<T>(bins));
  return static_cast<int>(std::clamp(wanted, T{0}, static_cast<T>(kRoiMaxSamples)));
}

template <class T>
void plan_bin(T start, T step, int samples, std::int64_t cells, typename Axis<T>::Bin& bin,
              std::vector<T>& weights) {
  const T limit = static_cast<T>(cells);
  bin = {0, 0, static_cast<std::int64_t>(weights.size())};
  const T scale = T{1} / static_cast<T>(samples);
  for (int s = 0; s < samples; ++s) {
    const T raw = start + (static_cast<T>(s) + T{0.5}) * step * scale;
    if (raw < T{-1} || raw > limit) continue;
    const T at = std::max(raw, T{0});
    std::int64_t low = static_cast<std::int64_t>(at);
    T part = at - static_cast<T>(low);
    if (low >= cells - 1) {
      low = cells - 1;
      part = 0;
    }
    if (bin.count == 0) bin.first = low;
    const std::int64_t needed = low - bin.first + (part > 0 ? 2 : 1);
    while (bin.count < needed) {
      weights.push_back(T{0});
      ++bin.count;
    }
    T* const w = weights.data() + bin.offset + (low - bin.first);
    w[0] += (T{1} - part) * scale;
    if (part > 0) w[1] += part * scale;
  }
}

// `from` and `to` are the region's ends in cells of a level that has `cells` of them.
template <class T>
void plan_axis(T from, T to, int bins, std::int64_t cells, Axis<T>& axis) {
  axis.weights.clear();
  axis.num_bins = bins;
  axis.begin = cells;
  axis.end = 0;
  const T step = (to - from) / static_cast<T>(bins);
  const int samples = num_samples(to - from, bins);
  for (int b = 0; b < bins; ++b) {
    auto& bin = axis.bins[static_cast<std::size_t>(b)];
    plan_bin(from + static_cast<T>(b) * step, step, samples, cells, bin, axis.weights);
    if (bin.count == 0) continue;
    axis.begin = std::min(axis.begin, bin.first);
    axis.end = std::max(axis.end, bin.first + bin.count);
  }
}

template <class T>
bool is_finite(const T* roi) {
  return std::isfinite(roi[0]) && std::isfinite(roi[1]) && std::isfinite(roi[2]) &&
         std::isfinite(roi[3]);
}

template <class T>
int level_of(const T* roi) {
  const T area = (roi[2] - roi[0]) * (roi[3] - roi[1]);
  if (!(area > 0)) return 0;
  const T level = std::floor(std::log2(std::sqrt(area) / T{56} + static_cast<T>(1e-6)));
  return static_cast<int>(std::clamp(level, T{0}, T{kRoiLevels - 1}));
}

template <class T>
void plan_roi(const T* roi, int level, std::int64_t height, std::int64_t width, int bins_y,
              int bins_x, Axis<T>& y, Axis<T>& x) {
  const T scale = T{1} / static_cast<T>(4 << level);
  plan_axis(roi[1] * scale - T{0.5}, roi[3] * scale - T{0.5}, bins_y, height, y);
  plan_axis(roi[0] * scale - T{0.5}, roi[2] * scale - T{0.5}, bins_x, width, x);
}

// y[c] += sum_k weights[k] * rows[k][c]. Four at a time: the sum stays in a register.
template <class T>
void add_rows(const T* const* rows, const Wide<T>* weights, std::size_t count,
              std::int64_t channels, Wide<T>* __restrict y) {
  std::size_t k = 0;
  for (; k + 4 <= count; k += 4) {
    const T *a = rows[k], *b = rows[k + 1], *c = rows[k + 2], *d = rows[k + 3];
    const Wide<T> wa = weights[k], wb = weights[k + 1], wc = weights[k + 2], wd = weights[k + 3];
    for (std::int64_t i = 0; i < channels; ++i)
      y[i] += (wa * widen(a[i]) + wb * widen(b[i])) + (wc * widen(c[i]) + wd * widen(d[i]));
  }
  for (; k < count; ++k) {
    const T* a = rows[k];
    const Wide<T> w = weights[k];
    for (std::int64_t i = 0; i < channels; ++i) y[i] += w * widen(a[i]);
  }
}

template <class T>
void check_shapes(const char* who, const RoiLevels<const T>& levels, Rows<const Wide<T>> rois,
                  Span<const std::int32_t> image, Nhwc<const T> out) {
  check_roi_align(who, levels, rois, image, out);
  for (std::int64_t r = 0; r < image.size; ++r)
    KT_CHECK(image.data[r] >= -1 && image.data[r] < levels[0].batch,
             "{}: roi {} belongs to image {} of {}", who, r, image.data[r], levels[0].batch);
}

template <class T>
struct Scratch {
  Axis<Wide<T>> y, x;
  std::vector<const T*> rows;
  std::vector<const Wide<T>*> sums;  // rows of `bins`
  std::vector<Wide<T>> weights;
  std::vector<Wide<T>> bins;  // bins_x * channels
};

// Kept per thread: these buffers reach their final size in the first step.
template <class T>
Scratch<T>& scratch() {
  static thread_local Scratch<T> s;
  return s;
}

template <class T>
void forward_roi(const RoiLevels<const T>& levels, const Wide<T>* roi, std::int32_t image,
                 std::int64_t r, Nhwc<T> out, Scratch<T>& s) {
  const int level = level_of(roi);
  const auto& map = levels[static_cast<std::size_t>(level)];
  const int bins_y = static_cast<int>(out.height), bins_x = static_cast<int>(out.width);
  plan_roi(roi, level, map.height, map.width, bins_y, bins_x, s.y, s.x);
  for (int i = 0; i < bins_y; ++i) {
    const auto& by = s.y.bins[static_cast<std::size_t>(i)];
    for (int j = 0; j < bins_x; ++j) {
      const auto& bx = s.x.bins[static_cast<std::size_t>(j)];
      s.rows.clear();
      s.weights.clear();
      for (std::int64_t h = 0; h < by.count; ++h)
        for (std::int64_t w = 0; w < bx.count; ++w) {
          s.rows.push_back(&map(image, by.first + h, bx.first + w, 0));
          s.weights.push_back(s.y.weights[static_cast<std::size_t>(by.offset + h)] *
                              s.x.weights[static_cast<std::size_t>(bx.offset + w)]);
        }
      const WideRow<T> bin(&out(r, i, j, 0), out.channels);
      add_rows(s.rows.data(), s.weights.data(), s.rows.size(), out.channels, bin.sums());
      bin.finish();
    }
  }
}

// The regions by image, level and height in the image: neighbours in this order read the same
// cells, which a core then finds in its cache. The output does not depend on it.
template <class T>
const std::int64_t* reading_order(Rows<const T> rois, Span<const std::int32_t> image) {
  static thread_local std::vector<std::pair<std::int64_t, std::int64_t>> keys;
  static thread_local std::vector<std::int64_t> order;
  keys.clear();
  order.clear();
  for (std::int64_t r = 0; r < rois.rows; ++r) {
    const T* const roi = rois.data + r * 4;
    std::int64_t key = -1;
    if (image.data[r] >= 0 && is_finite(roi)) {
      const T y = std::clamp((roi[1] + roi[3]) / 2, T{0}, T{1 << 20});
      key = (image.data[r] * std::int64_t{kRoiLevels} + level_of(roi)) << 24 |
            static_cast<std::int64_t>(y);
    }
    keys.emplace_back(key, r);
  }
  std::sort(keys.begin(), keys.end());
  for (const auto& key : keys) order.push_back(key.second);
  return order.data();
}

// Adds to row `h` of an image's gradient what region r passes to it. First down the bins of each
// column, then along the row: a cell is met by two bins by axis at most where bins are wider than
// it.
template <class T>
void backward_row(Nhwc<const T> dout, std::int64_t r, std::int64_t h, Wide<T>* row, Scratch<T>& s) {
  const Axis<Wide<T>>&y = s.y, &x = s.x;
  const std::int64_t channels = dout.channels;
  s.bins.assign(static_cast<std::size_t>(dout.width * channels), Wide<T>{0});
  for (int i = 0; i < y.num_bins; ++i) {
    const Wide<T> weight = y.weight(i, h);
    if (weight == 0) continue;
    const T* const in = &dout(r, i, 0, 0);
    Wide<T>* __restrict const sums = s.bins.data();
    for (std::int64_t k = 0; k < dout.width * channels; ++k) sums[k] += weight * widen(in[k]);
  }
  for (std::int64_t w = x.begin; w < x.end; ++w) {
    s.sums.clear();
    s.weights.clear();
    for (int j = 0; j < x.num_bins; ++j) {
      const Wide<T> weight = x.weight(j, w);
      if (weight == 0) continue;
      s.sums.push_back(s.bins.data() + j * channels);
      s.weights.push_back(weight);
    }
    add_rows(s.sums.data(), s.weights.data(), s.sums.size(), channels, row + w * channels);
  }
}

// A band of rows of one image of one level.
struct Band {
  int level;
  std::int64_t image, begin, end;
};

template <class T>
void backward_band(Rows<const Wide<T>> rois, Span<const std::int32_t> image, Nhwc<const T> dout,
                   const Nhwc<T>& map, const Band& band) {
  Scratch<T>& s = scratch<T>();
  using P = Wide<T>;
  const std::int64_t row_size = map.width * map.channels;
  const WideRow<T> out(&map(band.image, band.begin, 0, 0), (band.end - band.begin) * row_size);
  const P scale = P{1} / static_cast<P>(4 << band.level);
  for (std::int64_t r = 0; r < rois.rows; ++r) {
    const P* const roi = rois.data + r * 4;
    if (image.data[r] != band.image || !is_finite(roi) || level_of(roi) != band.level) continue;
    // A sample reaches one cell beyond the region at most; edges collect those outside the map.
    const P low = roi[1] * scale - P{2}, high = roi[3] * scale + P{2};
    if (high < static_cast<P>(band.begin) && band.begin > 0) continue;
    if (low > static_cast<P>(band.end) && band.end < map.height) continue;
    plan_roi(roi, band.level, map.height, map.width, static_cast<int>(dout.height),
             static_cast<int>(dout.width), s.y, s.x);
    for (std::int64_t h = std::max(band.begin, s.y.begin); h < std::min(band.end, s.y.end); ++h)
      backward_row(dout, r, h, out.sums() + (h - band.begin) * row_size, s);
  }
  out.finish();
}

}  // namespace

template <class T>
void roi_align_forward(const RoiLevels<const T>& levels, Rows<const Wide<T>> rois,
                       Span<const std::int32_t> image, Nhwc<T> out) {
  check_shapes<T>("roi_align_forward", levels, rois, image, out);
  if (out.empty()) return;
  const std::int64_t* const order = reading_order(rois, image);
  parallel_for(rois.rows, kRoiGrain, [&](std::int64_t i) {
    const std::int64_t r = order[i];
    const Wide<T>* const roi = rois.data + r * 4;
    T* const first = &out(r, 0, 0, 0);
    const std::int64_t size = out.height * out.width * out.channels;
    if (image.data[r] < 0)
      std::fill_n(first, size, T{});
    else if (!is_finite(roi))
      std::fill_n(first, size, narrow<T>(std::numeric_limits<Wide<T>>::quiet_NaN()));
    else
      forward_roi(levels, roi, image.data[r], r, out, scratch<T>());
  });
}

template <class T>
void roi_align_backward(Rows<const Wide<T>> rois, Span<const std::int32_t> image,
                        Nhwc<const T> dout, const RoiLevels<T>& dlevels) {
  const RoiLevels<const T> shapes = {dlevels[0], dlevels[1], dlevels[2], dlevels[3]};
  check_shapes<T>("roi_align_backward", shapes, rois, image, dout);
  static thread_local std::vector<Band> bands;
  bands.clear();
  for (int level = 0; level < kRoiLevels; ++level) {
    const auto& map = dlevels[static_cast<std::size_t>(level)];
    if (map.empty()) continue;
    for (std::int64_t n = 0; n < map.batch; ++n)
      for (std::int64_t h = 0; h < map.height; h += kBandRows)
        bands.push_back({level, n, h, std::min(map.height, h + kBandRows)});
  }
  const Band* const list = bands.data();  // a worker would see its own, empty vector
  parallel_for(static_cast<std::int64_t>(bands.size()), 1, [&](std::int64_t i) {
    backward_band(rois, image, dout, dlevels[static_cast<std::size_t>(list[i].level)], list[i]);
  });
}

#define INSTANTIATE(T)                                                                           \
  template void roi_align_forward(const RoiLevels<const T>&, Rows<const Wide<T>>,                \
                                  Span<const std::int32_t>, Nhwc<T>);                            \
  template void roi_align_backward(Rows<const Wide<T>>, Span<const std::int32_t>, Nhwc<const T>, \
                                   const RoiLevels<T>&);
INSTANTIATE(float)
INSTANTIATE(double)
INSTANTIATE(Bfloat16)
#undef INSTANTIATE

}  // namespace ktrain::cpu
