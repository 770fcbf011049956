// The ops on maps in one form for both devices and all element types: what a form for Bfloat16
// computes must be what the form for float does from the same numbers, rounded once where it is a
// map, and the same to the bit where it is a sum or a statistic.
#pragma once

#include <bit>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/bias_relu.h"
#include "kernels/elementwise.h"
#include "kernels/gate.h"
#include "kernels/image_normalize.h"
#include "kernels/mean_pixels.h"
#include "kernels/norm.h"
#include "kernels/pixel_gate.h"
#include "kernels/pool2d.h"
#include "kernels/roi_align.h"
#include "kernels/upsample_add.h"
#include "tests/support/device_view.h"

namespace ktrain::test {

// A named result. A map of Bfloat16 is here in float.
struct MapResult {
  std::string name;
  bool is_map;
  std::vector<float> values;
};
using MapResults = std::vector<MapResult>;

// Arrays of a device: Memory::array<T>(values or size) with data(), span(), in() and to_host().
struct HostMemory {
  static constexpr bool kCuda = false;
  CudaStream stream = nullptr;
  std::int64_t offset = 0;  // of every array behind an aligned address

  template <class T>
  class Array {
   public:
    Array(std::vector<T> values) : values_(std::move(values)) {}
    [[nodiscard]] T* data() const { return values_.data(); }
    [[nodiscard]] Span<T> span() const { return {data(), std::ssize(values_)}; }
    [[nodiscard]] Span<const T> in() const { return {data(), std::ssize(values_)}; }
    [[nodiscard]] std::vector<T> to_host(CudaStream) const { return values_; }

   private:
    mutable std::vector<T> values_;
  };
  template <class T>
  [[nodiscard]] Array<T> array(const std::vector<T>& values) const {
    return {values};
  }
};

struct CudaMemory {
  static constexpr bool kCuda = true;
  CudaStream stream = nullptr;
  std::int64_t offset = 0;

  template <class T>
  [[nodiscard]] DeviceView<T> array(const std::vector<T>& values) const {
    return DeviceView<T>(stream, values, offset);
  }
};

#define KT_ON(memory, op, ...)                           \
  do {                                                   \
    if constexpr (std::decay_t<decltype(memory)>::kCuda) \
      cuda::op((memory).stream, __VA_ARGS__);            \
    else                                                 \
      cpu::op(__VA_ARGS__);                              \
  } while (false)

// Numbers that Bfloat16 holds, as T.
template <class T>
std::vector<T> map_values(std::int64_t size, unsigned seed) {
  std::vector<T> values;
  for (const float x : random_floats(size, seed, -4, 4))
    values.push_back(narrow<T>(to_float(to_bfloat16(x))));
  return values;
}

template <class T>
MapResult map_result(std::string name, const std::vector<T>& values) {
  MapResult result{std::move(name), true, {}};
  for (const T x : values) result.values.push_back(widen(x));
  return result;
}
inline MapResult sum_result(std::string name, std::vector<float> values) {
  return {std::move(name), false, std::move(values)};
}

template <class T, class Memory>
MapResults elementwise_results(const Memory& m) {
  constexpr std::int64_t kSize = 1027;
  const auto a = m.array(map_values<T>(kSize, 1)), b = m.array(map_values<T>(kSize, 2));
  const auto sum = m.array(map_values<T>(kSize, 3)), total = m.array(map_values<T>(kSize, 4)),
             y = m.array(map_values<T>(kSize, 5)), dx = m.array(map_values<T>(kSize, 6));
  KT_ON(m, add, a.in(), b.in(), sum.span());
  KT_ON(m, accumulate, a.in(), total.span());
  KT_ON(m, relu_forward, a.in(), y.span());
  KT_ON(m, relu_backward, y.in(), b.in(), dx.span());
  return {map_result("add", sum.to_host(m.stream)),
          map_result("accumulate", total.to_host(m.stream)),
          map_result("relu", y.to_host(m.stream)), map_result("drelu", dx.to_host(m.stream))};
}

// A map of 2 x 9 x 7 pixels with `channels`.
template <class D>
Nhwc<D> sample_map(D* data, std::int64_t channels) {
  return {data, 2, 9, 7, channels};
}
inline std::int64_t sample_size(std::int64_t channels) { return 2 * 9 * 7 * channels; }

template <class T, class Memory>
MapResults pool_results(const Memory& m, std::int64_t channels) {
  const PoolOptions options;
  const std::int64_t in = sample_size(channels), out = 2 * 5 * 4 * channels;
  const auto x = m.array(map_values<T>(in, 1)), dy = m.array(map_values<T>(out, 2)),
             y = m.array(std::vector<T>(static_cast<std::size_t>(out))),
             dx = m.array(std::vector<T>(static_cast<std::size_t>(in)));
  const auto taken = m.array(std::vector<std::uint8_t>(static_cast<std::size_t>(out)));
  const auto small = [&]<class D>(D* data) { return Nhwc<D>{data, 2, 5, 4, channels}; };
  KT_ON(m, max_pool_forward, sample_map<const T>(x.data(), channels), small(y.data()),
        small(taken.data()), options);
  KT_ON(m, max_pool_backward, small(static_cast<const T*>(dy.data())),
        small(static_cast<const std::uint8_t*>(taken.data())), sample_map(dx.data(), channels),
        options);
  const std::vector<std::uint8_t> taps = taken.to_host(m.stream);
  return {map_result("y", y.to_host(m.stream)), map_result("dx", dx.to_host(m.stream)),
          sum_result("taken", {taps.begin(), taps.end()})};
}

template <class T, class Memory>
MapResults upsample_results(const Memory& m, std::int64_t channels) {
  const std::int64_t fine_size = sample_size(channels), coarse_size = 2 * 4 * 3 * channels;
  const auto fine = m.array(map_values<T>(fine_size, 1)),
             coarse = m.array(map_values<T>(coarse_size, 2)),
             dy = m.array(map_values<T>(fine_size, 3)), y = m.array(map_values<T>(fine_size, 4)),
             dcoarse = m.array(map_values<T>(coarse_size, 5));
  KT_ON(m, upsample_add_forward, (Nhwc<const T>{coarse.data(), 2, 4, 3, channels}),
        sample_map<const T>(fine.data(), channels), sample_map(y.data(), channels));
  KT_ON(m, upsample_add_backward, sample_map<const T>(dy.data(), channels),
        (Nhwc<T>{dcoarse.data(), 2, 4, 3, channels}));
  return {map_result("y", y.to_host(m.stream)), map_result("dcoarse", dcoarse.to_host(m.stream))};
}

template <class T, class Memory>
MapResults gate_results(const Memory& m) {
  constexpr std::int64_t kSize = 517;
  const auto z = m.array(map_values<T>(kSize, 1)), a = m.array(map_values<T>(kSize, 2)),
             b = m.array(map_values<T>(kSize, 3)), dy = m.array(map_values<T>(kSize, 4)),
             y = m.array(map_values<T>(kSize, 5)), dz = m.array(map_values<T>(kSize, 6)),
             da = m.array(map_values<T>(kSize, 7)), db = m.array(map_values<T>(kSize, 8));
  KT_ON(m, gate_forward, z.in(), a.in(), b.in(), y.span());
  KT_ON(m, gate_backward, z.in(), a.in(), b.in(), dy.in(), dz.span(), da.span(), db.span());
  return {map_result("y", y.to_host(m.stream)), map_result("dz", dz.to_host(m.stream)),
          map_result("da", da.to_host(m.stream)), map_result("db", db.to_host(m.stream))};
}

// Scratch of this many bytes, aligned for doubles whatever the memory's offset.
template <class Memory>
auto scratch_array(Memory m, std::int64_t bytes) {
  m.offset = 0;
  return m.array(std::vector<std::byte>(static_cast<std::size_t>(bytes)));
}

template <class T, class Memory>
MapResults pixel_gate_results(const Memory& m, std::int64_t channels) {
  constexpr std::int64_t kPixels = 71;
  const std::int64_t size = kPixels * channels;
  const auto x = m.array(map_values<T>(size, 1)), dy = m.array(map_values<T>(size, 2)),
             y = m.array(map_values<T>(size, 3)), dx = m.array(map_values<T>(size, 4));
  const auto w = m.array(random_floats(channels, 5)), b = m.array(random_floats(1, 6)),
             strength = m.array(random_floats(1, 7)), dw = m.array(random_floats(channels, 8)),
             db = m.array(random_floats(1, 9)), ds = m.array(random_floats(1, 10));
  const auto scratch = scratch_array(m, pixel_gate_scratch_bytes(kPixels, channels));
  const PixelGate<float> gate{w.in(), b.in(), strength.in()};
  const auto rows = [&]<class D>(D* data) { return Rows<D>{data, kPixels, channels}; };
  KT_ON(m, pixel_gate_forward, rows(static_cast<const T*>(x.data())), gate, rows(y.data()));
  KT_ON(m, pixel_gate_backward, rows(static_cast<const T*>(x.data())), gate,
        rows(static_cast<const T*>(dy.data())),
        (PixelGateGradients<T>{rows(dx.data()), dw.span(), db.span(), ds.span()}), scratch.span());
  return {map_result("y", y.to_host(m.stream)), map_result("dx", dx.to_host(m.stream)),
          sum_result("dw", dw.to_host(m.stream)), sum_result("db", db.to_host(m.stream)),
          sum_result("dstrength", ds.to_host(m.stream))};
}

template <class T, class Memory>
MapResults bias_relu_results(const Memory& m, std::int64_t channels) {
  constexpr std::int64_t kRows = 300;
  const std::int64_t size = kRows * channels;
  const auto y = m.array(map_values<T>(size, 1)), dy = m.array(map_values<T>(size, 2)),
             g = m.array(map_values<T>(size, 3));
  const auto sums = m.array(random_floats(channels, 4)),
             alone = m.array(random_floats(channels, 5)),
             workspace =
                 m.array(random_floats(cpu::bias_relu_backward_workspace(kRows, channels), 6));
  const Rows<const T> y_rows{y.data(), kRows, channels}, dy_rows{dy.data(), kRows, channels};
  KT_ON(m, bias_relu_backward, y_rows, dy_rows, workspace.span(),
        (Rows<T>{g.data(), kRows, channels}), sums.span());
  KT_ON(m, bias_relu_backward, Rows<const T>{}, dy_rows, workspace.span(), Rows<T>{}, alone.span());
  return {map_result("g", g.to_host(m.stream)), sum_result("dbias", sums.to_host(m.stream)),
          sum_result("dbias alone", alone.to_host(m.stream))};
}

template <class T, class Memory>
MapResults norm_results(const Memory& m, std::int64_t channels) {
  constexpr std::int64_t kRows = 270;
  const std::int64_t size = kRows * channels;
  const auto x = m.array(map_values<T>(size, 1)), dy = m.array(map_values<T>(size, 2)),
             y = m.array(map_values<T>(size, 3)), dx = m.array(map_values<T>(size, 4));
  const auto gamma = m.array(random_floats(channels, 5)),
             beta = m.array(random_floats(channels, 6)), mean = m.array(random_floats(channels, 7)),
             inv = m.array(random_floats(channels, 8)),
             running_mean = m.array(random_floats(channels, 9)),
             running_var = m.array(random_floats(channels, 10, 0.5, 2)),
             dgamma = m.array(random_floats(channels, 11)),
             dbeta = m.array(random_floats(channels, 12));
  const auto scratch = scratch_array(m, norm_train_scratch_bytes(kRows, channels));
  const Rows<const T> x_rows{x.data(), kRows, channels}, dy_rows{dy.data(), kRows, channels};
  KT_ON(m, norm_train_forward, x_rows, (NormAffine<float>{gamma.in(), beta.in()}), scratch.span(),
        (NormStatistics<float>{mean.span(), inv.span(), running_mean.span(), running_var.span()}),
        (Rows<T>{y.data(), kRows, channels}), 1e-5, 0.1);
  KT_ON(m, norm_train_backward, dy_rows, (NormSaved<T>{x_rows, mean.in(), inv.in()}), gamma.in(),
        scratch.span(),
        (NormGradients<T>{{dx.data(), kRows, channels}, dgamma.span(), dbeta.span()}));
  return {map_result("y", y.to_host(m.stream)),
          map_result("dx", dx.to_host(m.stream)),
          sum_result("mean", mean.to_host(m.stream)),
          sum_result("inv", inv.to_host(m.stream)),
          sum_result("running_mean", running_mean.to_host(m.stream)),
          sum_result("running_var", running_var.to_host(m.stream)),
          sum_result("dgamma", dgamma.to_host(m.stream)),
          sum_result("dbeta", dbeta.to_host(m.stream))};
}

template <class T, class Memory>
MapResults mean_pixels_results(const Memory& m, std::int64_t channels) {
  const auto x = m.array(map_values<T>(sample_size(channels), 1)),
             dx = m.array(map_values<T>(sample_size(channels), 2));
  const auto y = m.array(random_floats(2 * channels, 3)),
             dy = m.array(random_floats(2 * channels, 4));
  const std::int64_t doubles = mean_pixels_scratch(2, channels);
  const auto scratch = scratch_array(m, doubles * std::int64_t{sizeof(double)});
  KT_ON(m, mean_pixels_forward, sample_map<const T>(x.data(), channels),
        (Rows<float>{y.data(), 2, channels}),
        (Span<double>{reinterpret_cast<double*>(scratch.data()), doubles}));
  KT_ON(m, mean_pixels_backward, (Rows<const float>{dy.data(), 2, channels}),
        sample_map(dx.data(), channels));
  return {sum_result("y", y.to_host(m.stream)), map_result("dx", dx.to_host(m.stream))};
}

template <class T, class Memory>
MapResults image_results(const Memory& m) {
  constexpr std::int64_t kSize = 2 * 11 * 8 * 3;
  std::vector<std::uint8_t> bytes(kSize);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 37);
  const auto x = m.array(bytes);
  const auto sizes = m.array(std::vector<std::int32_t>{11, 8, 9, 5});
  const auto y = m.array(map_values<T>(kSize, 1));
  KT_ON(m, image_normalize, (Nhwc<const std::uint8_t>{x.data(), 2, 11, 8, 3}),
        (Rows<const std::int32_t>{sizes.data(), 2, 2}), (Nhwc<T>{y.data(), 2, 11, 8, 3}),
        (ImageStatistics{{123.675f, 116.28f, 103.53f}, {58.395f, 57.12f, 57.375f}}));
  return {map_result("y", y.to_host(m.stream))};
}

template <class T, class Memory>
MapResults roi_results(const Memory& m, std::int64_t channels) {
  constexpr std::int64_t kRois = 6, kBins = 7;
  const std::vector<std::vector<std::int64_t>> sides = {{24, 20}, {12, 10}, {6, 5}, {3, 3}};
  using Maps = decltype(m.array(std::vector<T>{}));
  std::vector<Maps> maps, gradients;
  maps.reserve(sides.size());
  gradients.reserve(sides.size());
  RoiLevels<const T> levels;
  RoiLevels<T> dlevels;
  for (std::size_t l = 0; l < sides.size(); ++l) {
    const std::int64_t height = sides[l][0], width = sides[l][1];
    const std::int64_t size = 2 * height * width * channels;
    maps.push_back(m.array(map_values<T>(size, 20 + static_cast<unsigned>(l))));
    gradients.push_back(m.array(map_values<T>(size, 30 + static_cast<unsigned>(l))));
    levels[l] = {maps[l].data(), 2, height, width, channels};
    dlevels[l] = {gradients[l].data(), 2, height, width, channels};
  }
  const auto rois = m.array(std::vector<float>{3,  5,  41, 77, 0,  0,  79, 95,  10, 20, 11, 22,
                                               -9, -4, 30, 33, 50, 60, 90, 120, 1,  2,  3,  4});
  const auto image = m.array(std::vector<std::int32_t>{0, 1, 1, 0, 1, -1});
  const std::int64_t out_size = kRois * kBins * kBins * channels;
  const auto out = m.array(map_values<T>(out_size, 1)), dout = m.array(map_values<T>(out_size, 2));
  const Rows<const float> boxes{rois.data(), kRois, 4};
  KT_ON(m, roi_align_forward, levels, boxes, image.in(),
        (Nhwc<T>{out.data(), kRois, kBins, kBins, channels}));
  KT_ON(m, roi_align_backward, boxes, image.in(),
        (Nhwc<const T>{dout.data(), kRois, kBins, kBins, channels}), dlevels);
  MapResults results = {map_result("out", out.to_host(m.stream))};
  for (std::size_t l = 0; l < sides.size(); ++l)
    results.push_back(map_result("level", gradients[l].to_host(m.stream)));
  return results;
}

// Of all ops, on maps whose channels are whole quads and on others.
template <class T, class Memory>
std::vector<std::pair<std::string, MapResults>> all_map_results(const Memory& m) {
  std::vector<std::pair<std::string, MapResults>> all = {{"elementwise", elementwise_results<T>(m)},
                                                         {"gate", gate_results<T>(m)},
                                                         {"image_normalize", image_results<T>(m)}};
  for (const std::int64_t channels : {1, 8, 11, 36}) {
    const auto add = [&](const char* op, MapResults results) {
      all.emplace_back(op + std::string(" of ") + std::to_string(channels), std::move(results));
    };
    add("max_pool", pool_results<T>(m, channels));
    add("upsample_add", upsample_results<T>(m, channels));
    add("pixel_gate", pixel_gate_results<T>(m, channels));
    add("bias_relu", bias_relu_results<T>(m, channels));
    add("batch_norm", norm_results<T>(m, channels));
    add("mean_pixels", mean_pixels_results<T>(m, channels));
    add("roi_align", roi_results<T>(m, channels));
  }
  return all;
}

// Every bit of the results in Bfloat16 against those in float, rounded.
template <class Memory>
void expect_rounded_once(const Memory& m) {
  const auto want = all_map_results<float>(m), got = all_map_results<Bfloat16>(m);
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t op = 0; op < want.size(); ++op)
    for (std::size_t r = 0; r < want[op].second.size(); ++r) {
      const MapResult &g = got[op].second[r], &w = want[op].second[r];
      ASSERT_EQ(g.values.size(), w.values.size());
      ASSERT_FALSE(w.values.empty());
      for (std::size_t i = 0; i < w.values.size(); ++i) {
        const float exact = w.is_map ? to_float(to_bfloat16(w.values[i])) : w.values[i];
        ASSERT_EQ(std::bit_cast<std::uint32_t>(g.values[i]), std::bit_cast<std::uint32_t>(exact))
            << want[op].first << ", " << w.name << "[" << i << "]: got " << g.values[i] << ", want "
            << exact;
      }
    }
}

}  // namespace ktrain::test
