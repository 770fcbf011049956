#include "kernels/roi_align.h"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"
#include "kernels/parallel.h"
#include "tests/support/close.h"
#include "tests/support/gradcheck.h"

namespace ktrain {
namespace {

using test::random_vec;
using test::Vec;

constexpr std::int64_t kBatch = 2;

// A pyramid of a 96 x 128 image (height x width), in one vector, level after level.
template <class T>
struct Pyramid {
  std::vector<T> values;
  std::int64_t channels;

  explicit Pyramid(std::int64_t channels_) : channels(channels_) {
    std::int64_t size = 0;
    for (int l = 0; l < kRoiLevels; ++l) size += cells(l) * kBatch * channels;
    values.assign(static_cast<std::size_t>(size), T{0});
  }
  [[nodiscard]] static std::int64_t height(int level) { return 96 >> (level + 2); }
  [[nodiscard]] static std::int64_t width(int level) { return 128 >> (level + 2); }
  [[nodiscard]] static std::int64_t cells(int level) { return height(level) * width(level); }
  [[nodiscard]] RoiLevels<T> views() {
    RoiLevels<T> levels;
    T* at = values.data();
    for (int l = 0; l < kRoiLevels; ++l) {
      levels[static_cast<std::size_t>(l)] = {at, kBatch, height(l), width(l), channels};
      at += levels[static_cast<std::size_t>(l)].size();
    }
    return levels;
  }
  [[nodiscard]] RoiLevels<const T> const_views() {
    const RoiLevels<T> v = views();
    return {v[0], v[1], v[2], v[3]};
  }
};

// mmcv's loop, one sample after the other: what the contract says, without any plan of weights.
template <class T>
T interpolate(const Nhwc<const T>& map, std::int64_t n, T y, T x, std::int64_t c) {
  const T h = static_cast<T>(map.height), w = static_cast<T>(map.width);
  if (y < -1 || y > h || x < -1 || x > w) return 0;
  y = std::max(y, T{0});
  x = std::max(x, T{0});
  auto y0 = static_cast<std::int64_t>(y), x0 = static_cast<std::int64_t>(x);
  std::int64_t y1 = y0 + 1, x1 = x0 + 1;
  if (y0 >= map.height - 1) y0 = y1 = map.height - 1, y = static_cast<T>(y0);
  if (x0 >= map.width - 1) x0 = x1 = map.width - 1, x = static_cast<T>(x0);
  const T ly = y - static_cast<T>(y0), lx = x - static_cast<T>(x0);
  return (1 - ly) * (1 - lx) * map(n, y0, x0, c) + (1 - ly) * lx * map(n, y0, x1, c) +
         ly * (1 - lx) * map(n, y1, x0, c) + ly * lx * map(n, y1, x1, c);
}

template <class T>
void reference_roi(const RoiLevels<const T>& levels, const T* roi, std::int64_t n, std::int64_t r,
                   Nhwc<T> out) {
  const T size = std::sqrt((roi[2] - roi[0]) * (roi[3] - roi[1]));
  const int level =
      std::clamp(static_cast<int>(std::floor(std::log2(size / 56 + T(1e-6)))), 0, kRoiLevels - 1);
  const auto& map = levels[static_cast<std::size_t>(level)];
  const T scale = T{1} / static_cast<T>(4 << level);
  const T x0 = roi[0] * scale - T{0.5}, y0 = roi[1] * scale - T{0.5};
  const T bin_h = (roi[3] * scale - T{0.5} - y0) / static_cast<T>(out.height);
  const T bin_w = (roi[2] * scale - T{0.5} - x0) / static_cast<T>(out.width);
  const int grid_h = static_cast<int>(std::ceil(bin_h)),
            grid_w = static_cast<int>(std::ceil(bin_w));
  for (std::int64_t i = 0; i < out.height; ++i)
    for (std::int64_t j = 0; j < out.width; ++j)
      for (std::int64_t c = 0; c < out.channels; ++c) {
        T sum = 0;
        for (int a = 0; a < grid_h; ++a)
          for (int b = 0; b < grid_w; ++b)
            sum += interpolate(
                map, n,
                y0 + (static_cast<T>(i) + (static_cast<T>(a) + T{0.5}) / static_cast<T>(grid_h)) *
                         bin_h,
                x0 + (static_cast<T>(j) + (static_cast<T>(b) + T{0.5}) / static_cast<T>(grid_w)) *
                         bin_w,
                c);
        out(r, i, j, c) = sum / static_cast<T>(std::max(grid_h * grid_w, 1));
      }
}

struct Rois {
  Vec corners;
  std::vector<std::int32_t> image;
  [[nodiscard]] std::int64_t count() const { return static_cast<std::int64_t>(image.size()); }
  [[nodiscard]] Rows<const double> rows() const { return {corners.data(), count(), 4}; }
  [[nodiscard]] Span<const std::int32_t> images() const { return {image.data(), count()}; }
};

// All levels, both images, a padded row, parts outside the image, thin and tiny boxes, and many
// boxes over the same cells.
Rois some_rois() {
  Rois rois;
  rois.corners = {10,  10, 50,  60,  3.2, 1.7, 30.1, 90.4, 0,  0,   128, 96, 1,   2,  3,   4,
                  -20, -9, 140, 110, 64,  48,  64.5, 95,   90, 70,  170, 99, 5.5, 40, 120, 47,
                  0,   0,  128, 96,  20,  20,  20,   40,   33, 17., 90., 80, 12,  11, 52,  61};
  rois.image = {0, 1, 0, 1, 0, 1, 0, 1, -1, 0, 1, 0};
  return rois;
}

TEST(RoiAlign, AgreesWithTheLoopOverSamples) {
  for (const std::int64_t channels : {1, 5, 64}) {
    Pyramid<double> pyramid(channels);
    pyramid.values = random_vec(pyramid.values.size(), 1);
    const Rois rois = some_rois();
    const std::int64_t n = rois.count();
    const auto size = static_cast<std::size_t>(n * 7 * 7 * channels);
    Vec got(size, NAN), want(size, 0.0);
    cpu::roi_align_forward(pyramid.const_views(), rois.rows(), rois.images(),
                           Nhwc<double>{got.data(), n, 7, 7, channels});
    for (std::int64_t r = 0; r < n; ++r)
      if (rois.image[static_cast<std::size_t>(r)] >= 0)
        reference_roi(pyramid.const_views(), rois.corners.data() + r * 4,
                      rois.image[static_cast<std::size_t>(r)], r,
                      Nhwc<double>{want.data(), n, 7, 7, channels});
    // Values below 1, weights that sum to 1; sample positions below 64 may round differently and
    // move a weight by 64 * 2^-52.
    EXPECT_TRUE(test::all_close(got, want, 1e-13, 0)) << channels << " channels";
  }
}

TEST(RoiAlign, GradientAgreesWithDifferences) {
  Pyramid<double> pyramid(2), gradient(2);
  pyramid.values = random_vec(pyramid.values.size(), 1);
  gradient.values.assign(gradient.values.size(), NAN);
  const Rois rois = some_rois();
  const std::int64_t n = rois.count();
  const auto size = static_cast<std::size_t>(n * 3 * 2 * 2);
  const Vec dout = random_vec(size, 2);
  cpu::roi_align_backward(rois.rows(), rois.images(), Nhwc<const double>{dout.data(), n, 3, 2, 2},
                          gradient.views());
  const auto forward = [&](const Vec& values) {
    pyramid.values = values;
    Vec out(size);
    cpu::roi_align_forward(pyramid.const_views(), rois.rows(), rois.images(),
                           Nhwc<double>{out.data(), n, 3, 2, 2});
    return out;
  };
  // Linear in the levels: differences are exact but for rounding, 1e-15 / 1e-5 times a few terms.
  EXPECT_LT(test::gradient_error(forward, pyramid.values, dout, gradient.values), 1e-8);
}

TEST(RoiAlign, BackwardIsTheSameToTheLastBitOnAnyNumberOfThreads) {
  const Rois rois = some_rois();
  const std::int64_t n = rois.count();
  const Vec dout64 = random_vec(static_cast<std::size_t>(n * 49 * 8), 3);
  const std::vector<float> dout(dout64.begin(), dout64.end());
  const std::vector<float> corners(rois.corners.begin(), rois.corners.end());
  const int before = num_threads();
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 5}) {
    set_num_threads(threads);
    Pyramid<float> gradient(8);
    cpu::roi_align_backward(Rows<const float>{corners.data(), n, 4}, rois.images(),
                            Nhwc<const float>{dout.data(), n, 7, 7, 8}, gradient.views());
    results.push_back(gradient.values);
  }
  set_num_threads(before);
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST(RoiAlign, ABrokenBoxShowsAndPaddingDoesNot) {
  Pyramid<double> pyramid(3), gradient(3);
  pyramid.values.assign(pyramid.values.size(), 1.0);
  const Vec corners = {NAN, 0, 10, 10, 0, 0, INFINITY, 10, 1, 1, 50, 50, 9, 9, 5, 5};
  const std::vector<std::int32_t> image = {0, 1, -1, 1};
  Vec out(4 * 49 * 3, 5.0);
  cpu::roi_align_forward(pyramid.const_views(), Rows<const double>{corners.data(), 4, 4},
                         {image.data(), 4}, Nhwc<double>{out.data(), 4, 7, 7, 3});
  for (std::size_t i = 0; i < 49 * 3; ++i) {
    EXPECT_TRUE(std::isnan(out[i]));
    EXPECT_TRUE(std::isnan(out[49 * 3 + i]));
    EXPECT_EQ(out[2 * 49 * 3 + i], 0);
    EXPECT_EQ(out[3 * 49 * 3 + i], 0) << "a box that is inside out has no samples";
  }
  const Vec dout(out.size(), 1.0);
  gradient.values.assign(gradient.values.size(), 5.0);
  cpu::roi_align_backward(Rows<const double>{corners.data(), 4, 4}, {image.data(), 4},
                          Nhwc<const double>{dout.data(), 4, 7, 7, 3}, gradient.views());
  EXPECT_THAT(gradient.values, testing::Each(0.0));
}

TEST(RoiAlign, NoRegionsMeanNoGradient) {
  Pyramid<float> gradient(4);
  gradient.values.assign(gradient.values.size(), 5.0f);
  cpu::roi_align_backward(Rows<const float>{nullptr, 0, 4}, {nullptr, 0},
                          Nhwc<const float>{nullptr, 0, 7, 7, 4}, gradient.views());
  EXPECT_THAT(gradient.values, testing::Each(0.0f));
}

TEST(RoiAlignErrors, AreNamed) {
  Pyramid<float> pyramid(4);
  std::vector<float> out(49 * 4);
  const std::vector<float> roi = {1, 1, 20, 20};
  const auto message = [&](std::int32_t image, std::int64_t channels) -> std::string {
    try {
      cpu::roi_align_forward(pyramid.const_views(), Rows<const float>{roi.data(), 1, 4},
                             {&image, 1}, Nhwc<float>{out.data(), 1, 7, 7, channels});
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(message(2, 4),
              testing::StartsWith("roi_align_forward: roi 0 belongs to image 2 of 2"));
  EXPECT_THAT(message(0, 3), testing::HasSubstr("wanted 2 images and 3 channels"));
}

}  // namespace
}  // namespace ktrain
