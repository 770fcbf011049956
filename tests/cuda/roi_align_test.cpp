// The CUDA RoIAlign against the CPU's, in double and in float.
#include "kernels/roi_align.h"

#include <cmath>
#include <random>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/close.h"
#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using Floats = std::vector<float>;

constexpr std::int64_t kBatch = 2;

// The levels of a pyramid over two images of `height` x `width` pixels, in one piece of memory.
struct Sizes {
  std::int64_t height, width, channels;

  [[nodiscard]] std::int64_t total() const {
    std::int64_t cells = 0;
    for (int l = 0; l < kRoiLevels; ++l) cells += cells_of(l);
    return cells * kBatch * channels;
  }
  [[nodiscard]] std::int64_t cells_of(int level) const {
    return (height >> (level + 2)) * (width >> (level + 2));
  }
  template <class T>
  [[nodiscard]] RoiLevels<T> levels(T* at) const {
    RoiLevels<T> result;
    for (int l = 0; l < kRoiLevels; ++l) {
      result[static_cast<std::size_t>(l)] = {at, kBatch, height >> (l + 2), width >> (l + 2),
                                             channels};
      at += cells_of(l) * kBatch * channels;
    }
    return result;
  }
};

struct Rois {
  Floats corners;
  std::vector<std::int32_t> image;
  [[nodiscard]] std::int64_t count() const { return static_cast<std::int64_t>(image.size()); }
};

// All levels, both images, a padded row, parts outside the image, thin, tiny and empty boxes, one
// that is inside out, and boxes that cover the same cells.
Rois awkward_rois() {
  return {{10,  10, 50,  60,  3.2f, 1.7f, 30.1f, 90.4f, 0,  0,    128, 96, 1,   2,  3,   4,
           -20, -9, 140, 110, 64,   48,   64.5f, 95,    90, 70,   170, 99, 5.5, 40, 120, 47,
           0,   0,  128, 96,  20,   20,   20,    40,    33, 17.f, 90., 80, 12,  11, 52,  61,
           60,  60, 50,  50,  -9,   -9,   -5,    -5,    0,  40,   128, 41, 2,   1,  127, 95.5},
          {0, 1, 0, 1, 0, 1, 0, 1, -1, 0, 1, 0, 1, 0, 1, 0}};
}

Rois random_rois(int count, const Sizes& sizes) {
  std::mt19937 engine(5);
  std::uniform_real_distribution<float> draw(0, 1);
  Rois rois;
  for (int r = 0; r < count; ++r) {
    const float h = 8.0f * std::pow(20.0f, draw(engine)), w = h * (r % 3 == 0 ? 1.2f : 0.41f);
    const float x = draw(engine) * static_cast<float>(sizes.width) - w / 2;
    const float y = draw(engine) * static_cast<float>(sizes.height) - h / 2;
    rois.corners.insert(rois.corners.end(), {x, y, x + w, y + h});
    rois.image.push_back(r % 2);
  }
  return rois;
}

struct Bins {
  std::int64_t height, width;
};

Floats forward_on_device(const Sizes& sizes, const Floats& maps, const Rois& rois, Bins bins,
                         std::int64_t offset = 0) {
  const Stream stream;
  const std::int64_t size = rois.count() * bins.height * bins.width * sizes.channels;
  const DeviceView<float> dmaps(stream.get(), maps, offset), corners(stream.get(), rois.corners),
      out(size, offset);
  const DeviceView<std::int32_t> image(stream.get(), rois.image);
  cuda::roi_align_forward<float>(
      stream.get(), sizes.levels<const float>(dmaps.data()), {corners.data(), rois.count(), 4},
      image.in(), {out.data(), rois.count(), bins.height, bins.width, sizes.channels});
  return out.to_host(stream.get());
}

Floats backward_on_device(const Sizes& sizes, const Floats& dout, const Rois& rois, Bins bins,
                          std::int64_t offset = 0) {
  const Stream stream;
  const DeviceView<float> ddout(stream.get(), dout, offset), corners(stream.get(), rois.corners),
      dmaps(sizes.total(), offset);
  const DeviceView<std::int32_t> image(stream.get(), rois.image);
  cuda::roi_align_backward<float>(
      stream.get(), {corners.data(), rois.count(), 4}, image.in(),
      {ddout.data(), rois.count(), bins.height, bins.width, sizes.channels},
      sizes.levels<float>(dmaps.data()));
  return dmaps.to_host(stream.get());
}

template <class T>
std::vector<T> forward_on_cpu(const Sizes& sizes, const Floats& maps, const Rois& rois, Bins bins) {
  const std::vector<T> m = test::cast<T>(maps), corners = test::cast<T>(rois.corners);
  std::vector<T> out(
      static_cast<std::size_t>(rois.count() * bins.height * bins.width * sizes.channels));
  cpu::roi_align_forward<T>(sizes.levels<const T>(m.data()), {corners.data(), rois.count(), 4},
                            {rois.image.data(), rois.count()},
                            {out.data(), rois.count(), bins.height, bins.width, sizes.channels});
  return out;
}

template <class T>
std::vector<T> backward_on_cpu(const Sizes& sizes, const Floats& dout, const Rois& rois,
                               Bins bins) {
  const std::vector<T> d = test::cast<T>(dout), corners = test::cast<T>(rois.corners);
  std::vector<T> dmaps(static_cast<std::size_t>(sizes.total()));
  cpu::roi_align_backward<T>({corners.data(), rois.count(), 4}, {rois.image.data(), rois.count()},
                             {d.data(), rois.count(), bins.height, bins.width, sizes.channels},
                             sizes.levels<T>(dmaps.data()));
  return dmaps;
}

struct Case {
  std::int64_t channels;
  Bins bins;
};
class RoiAlignCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, RoiAlignCuda,
                         testing::Values(Case{1, {7, 7}}, Case{3, {3, 2}}, Case{4, {7, 7}},
                                         Case{33, {1, 1}}, Case{64, {7, 7}}, Case{260, {2, 3}},
                                         Case{8, {16, 16}}));

TEST_P(RoiAlignCuda, ForwardAgreesWithTheCpu) {
  KT_NEEDS_GPU();
  const Sizes sizes{96, 128, GetParam().channels};
  const Floats maps = test::random_floats(sizes.total(), 1);
  const Rois rois = awkward_rois();
  const Floats got = forward_on_device(sizes, maps, rois, GetParam().bins);
  // The same weights; sums of up to some hundred terms whose weights add up to 1, in another order.
  EXPECT_TRUE(
      test::all_close(got, forward_on_cpu<float>(sizes, maps, rois, GetParam().bins), 1e-6, 0));
  // A position below 64 cells is known to 2^-18, and a value changes by at most 2 per cell, by
  // axis.
  EXPECT_TRUE(
      test::all_close(got, forward_on_cpu<double>(sizes, maps, rois, GetParam().bins), 2e-5, 0));
}

TEST_P(RoiAlignCuda, GradientAgreesWithTheCpu) {
  KT_NEEDS_GPU();
  const Sizes sizes{96, 128, GetParam().channels};
  const auto [bins_y, bins_x] = GetParam().bins;
  const Rois rois = awkward_rois();
  const Floats dout = test::random_floats(rois.count() * bins_y * bins_x * sizes.channels, 2);
  const Floats got = backward_on_device(sizes, dout, rois, GetParam().bins);
  // As above; a cell may collect all of the 16x16 bins of one small region, hence the relative part
  // of what such a sum amounts to: 256 roundings of 6e-8.
  EXPECT_TRUE(
      test::all_close(got, backward_on_cpu<float>(sizes, dout, rois, GetParam().bins), 1e-5, 2e-5));
  EXPECT_TRUE(test::all_close(got, backward_on_cpu<double>(sizes, dout, rois, GetParam().bins),
                              1e-4, 2e-5));
}

TEST_P(RoiAlignCuda, IsTheSameToTheBitAgainAndAtAnotherAddress) {
  KT_NEEDS_GPU();
  const Sizes sizes{96, 128, GetParam().channels};
  const auto [bins_y, bins_x] = GetParam().bins;
  const Rois rois = awkward_rois();
  const Floats maps = test::random_floats(sizes.total(), 1);
  const Floats dout = test::random_floats(rois.count() * bins_y * bins_x * sizes.channels, 2);
  const Floats out = forward_on_device(sizes, maps, rois, GetParam().bins);
  const Floats dmaps = backward_on_device(sizes, dout, rois, GetParam().bins);
  for (const std::int64_t offset : {0, 1}) {
    EXPECT_TRUE(
        test::same_bits(forward_on_device(sizes, maps, rois, GetParam().bins, offset), out));
    EXPECT_TRUE(
        test::same_bits(backward_on_device(sizes, dout, rois, GetParam().bins, offset), dmaps));
  }
}

TEST(RoiAlignCudaLarge, AWideLevelAndRegionsWithMoreCellsThanSamples) {
  KT_NEEDS_GPU();
  const Sizes sizes{32, 1056, 5};  // 264 cells wide on the first level
  const Rois rois{{0, 3, 1050, 4, -7, 0, 1060, 2.5f, 100, 1, 700, 5}, {0, 1, 1}};
  const Floats maps = test::random_floats(sizes.total(), 1);
  for (const Bins bins : {Bins{1, 1}, Bins{2, 3}}) {
    const Floats dout = test::random_floats(rois.count() * bins.height * bins.width * 5, 2);
    EXPECT_TRUE(test::all_close(forward_on_device(sizes, maps, rois, bins),
                                forward_on_cpu<float>(sizes, maps, rois, bins), 2e-6, 0));
    EXPECT_TRUE(test::all_close(backward_on_device(sizes, dout, rois, bins),
                                backward_on_cpu<float>(sizes, dout, rois, bins), 1e-6, 1e-6));
  }
}

// <dout, forward(maps)> = <backward(dout), maps>: the backward is the forward's transpose.
TEST(RoiAlignCudaLarge, BackwardIsTheAdjointForMoreRegionsThanABlockTakesAtOnce) {
  KT_NEEDS_GPU();
  const Sizes sizes{96, 128, 5};
  const Bins bins{3, 2};
  const Rois rois = random_rois(300, sizes);
  const Floats maps = test::random_floats(sizes.total(), 1);
  const Floats dout =
      test::random_floats(rois.count() * bins.height * bins.width * sizes.channels, 2);
  const Floats out = forward_on_device(sizes, maps, rois, bins);
  const Floats dmaps = backward_on_device(sizes, dout, rois, bins);
  double left = 0, right = 0, size = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    left += static_cast<double>(out[i]) * static_cast<double>(dout[i]);
    size += std::abs(static_cast<double>(out[i]) * static_cast<double>(dout[i]));
  }
  for (std::size_t i = 0; i < maps.size(); ++i)
    right += static_cast<double>(maps[i]) * static_cast<double>(dmaps[i]);
  EXPECT_NEAR(left, right, 1e-6 * size + 1e-6);  // some ten float roundings by term
}

TEST(RoiAlignCudaValues, ABrokenBoxOrImageShowsAndPaddingDoesNot) {
  KT_NEEDS_GPU();
  const Sizes sizes{96, 128, 3};
  const Floats maps(static_cast<std::size_t>(sizes.total()), 1.0f);
  const Rois rois{{NAN, 0, 10, 10, 0, 0, INFINITY, 10, 1, 1, 50, 50, 1, 1, 50, 50, 1, 1, 50, 50},
                  {0, 1, -1, 2, -7}};
  const Floats out = forward_on_device(sizes, maps, rois, {7, 7});
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::size_t roi = i / (49 * 3);
    if (roi == 2)
      EXPECT_EQ(out[i], 0);
    else
      EXPECT_TRUE(std::isnan(out[i])) << roi;
  }
  const Floats dmaps = backward_on_device(sizes, Floats(out.size(), 1.0f), rois, {7, 7});
  EXPECT_THAT(dmaps, testing::Each(0.0f));
}

TEST(RoiAlignCudaValues, NoRegionsMeanNoGradient) {
  KT_NEEDS_GPU();
  const Sizes sizes{96, 128, 4};
  const Rois none;
  EXPECT_TRUE(
      forward_on_device(sizes, Floats(static_cast<std::size_t>(sizes.total())), none, {7, 7})
          .empty());
  EXPECT_THAT(backward_on_device(sizes, {}, none, {7, 7}), testing::Each(0.0f));
}

TEST(RoiAlignCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const Sizes sizes{96, 128, 4};
  const Stream stream;
  const DeviceView<float> memory(sizes.total());
  const DeviceView<std::int32_t> image(2);
  const auto message = [&](std::int64_t rois, std::int64_t channels, std::int64_t bins) {
    return test::message_of([&] {
      cuda::roi_align_forward<float>(stream.get(), sizes.levels<const float>(memory.data()),
                                     {memory.data(), rois, 4}, image.in(),
                                     {memory.data(), rois, bins, bins, channels});
    });
  };
  EXPECT_THAT(message(3, 4, 7),
              testing::StartsWith("roi_align_forward: 2 image indices for 3 rois"));
  EXPECT_THAT(message(2, 3, 7), testing::HasSubstr("wanted 2 images and 3 channels"));
  EXPECT_THAT(message(2, 4, 17), testing::HasSubstr("17x17 bins, wanted 1 to 16 by axis"));
}

}  // namespace
}  // namespace ktrain
