#include "kernels/image_quality.h"

#include <cmath>
#include <functional>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/check.h"
#include "tests/support/boxes.h"

namespace ktrain {
namespace {

constexpr std::int64_t kSide = 64;
using Grey = std::function<double(std::int64_t h, std::int64_t w)>;

double quality(const Grey& grey, std::int32_t height = kSide, std::int32_t width = kSide) {
  std::vector<std::uint8_t> image;
  for (std::int64_t h = 0; h < kSide; ++h)
    for (std::int64_t w = 0; w < kSide; ++w)
      image.insert(image.end(), 3, static_cast<std::uint8_t>(std::clamp(grey(h, w), 0.0, 255.0)));
  const std::vector<std::int32_t> sizes = {height, width};
  std::vector<double> q = {NAN};
  std::vector<std::byte> scratch(static_cast<std::size_t>(image_quality_scratch_bytes(1, kSide)));
  cpu::image_quality<double>({image.data(), 1, kSide, kSide, 3}, test::rows(sizes, 2),
                             test::span(q), test::span(scratch));
  return q[0];
}

double blocks(std::int64_t h, std::int64_t w) { return (h / 16 + w / 16) % 2 == 0 ? 60 : 180; }

TEST(ImageQuality, ABrightPictureWithoutNoiseIsNearlyOne) {
  EXPECT_GT(quality(blocks), 0.98);
  EXPECT_LE(quality(blocks), 1.0);
}

TEST(ImageQuality, ADarkPictureLosesByItsBrightness) {
  const auto at = [](double factor) {
    return quality([factor](auto h, auto w) { return factor * blocks(h, w); });
  };
  // Mean 120 / 255 = 0.47 saturates at 0.25; a tenth of it is 0.047 / 0.25.
  EXPECT_NEAR(at(0.1) / at(1), 12 / 255.0 / 0.25, 0.01);
}

// Noise of known variance on blocks of known variance: q = V / (V + N).
TEST(ImageQuality, NoiseCountsAgainstStructure) {
  std::mt19937 engine(5);
  std::normal_distribution<double> noise(0, 25);
  const double q = quality([&](auto h, auto w) { return blocks(h, w) + noise(engine); });
  const double structure = 60.0 * 60, variance = 25.0 * 25;
  // 3,844 curvatures that overlap: sigma within 2 %; the corners of the blocks count as noise, too.
  EXPECT_NEAR(q, structure / (structure + variance), 0.06);
}

TEST(ImageQuality, PaddingAndEmptinessDoNotCount) {
  const auto padded = [](auto h, auto w) { return h < 32 && w < 48 ? blocks(h, w) : 0.0; };
  EXPECT_NEAR(quality(padded, 32, 48), quality(blocks), 0.02);
  EXPECT_EQ(quality([](auto, auto) { return 200.0; }), 0) << "nothing to see";
  EXPECT_EQ(quality(blocks, 0, 0), 0) << "an empty slot";
  EXPECT_EQ(quality(blocks, 7, 64), 0) << "less than a tile";
}

TEST(ImageQuality, WrongShapesAreErrors) {
  const std::vector<std::uint8_t> image(3, 0);
  const std::vector<std::int32_t> sizes = {1, 1};
  std::vector<float> q(2);
  EXPECT_THROW(cpu::image_quality<float>({image.data(), 1, 1, 1, 3}, test::rows(sizes, 2),
                                         test::span(q), {}),
               Error);
}

}  // namespace
}  // namespace ktrain
