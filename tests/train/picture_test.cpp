#include "train/picture.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace ktrain {
namespace {

Color pixel(const Image& p, std::int64_t x, std::int64_t y) {
  const auto at = static_cast<std::size_t>((y * p.width + x) * 3);
  return {p.rgb[at], p.rgb[at + 1], p.rgb[at + 2]};
}

constexpr Color kRed = {255, 0, 0}, kBlack = {0, 0, 0};

TEST(Picture, BoxIsAnOutlineAndClips) {
  Image p = make_picture(20, 10);
  draw_box(p, 2, 3, 12, 9, kRed, 1);
  EXPECT_EQ(pixel(p, 2, 3), kRed);
  EXPECT_EQ(pixel(p, 11, 8), kRed);
  EXPECT_EQ(pixel(p, 12, 8), kBlack);
  EXPECT_EQ(pixel(p, 6, 6), kBlack);
  draw_box(p, -50, -50, 500, 500, kRed, 1);
  draw_box(p, 1e30, 0, -1e30, 5, kRed, 1);
  EXPECT_EQ(p.rgb.size(), 600u);
}

TEST(Picture, TextMarksSomePixelsAndNeverWritesOutside) {
  Image p = make_picture(60, 14);
  draw_text(p, 1, 1, "0.97 person", kRed);
  const auto marked = std::count(p.rgb.begin(), p.rgb.end(), 255);
  EXPECT_GT(marked, 40);
  EXPECT_LT(marked, 400);
  draw_text(p, 55, 10, "outside", kRed, 3);
  draw_text(p, -30, -5, "\x01\x7f\xff", kRed);
  EXPECT_GT(text_width("0.97"), 10);
}

TEST(Picture, SideBySideKeepsBothImages) {
  const Image left = make_picture(10, 6, {1, 2, 3}), right = make_picture(8, 6, {7, 8, 9});
  const Image both = side_by_side(left, right, "a", "b", 4);
  EXPECT_EQ(both.width, 22);
  EXPECT_EQ(pixel(both, 9, both.height - 1), (Color{1, 2, 3}));
  EXPECT_EQ(pixel(both, 14, both.height - 1), (Color{7, 8, 9}));
}

}  // namespace
}  // namespace ktrain
