// Tensor copies and a warpgroup's multiplications against the PTX ISA's words, on the emulation and
// on GPUs that have them.
#include "tests/cuda/probes/warpgroup.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/bfloat16.h"
#include "tests/cuda/warpgroup_inputs.h"
#include "tests/support/cuda.h"
#include "tests/support/wgmma.h"

#define KT_NEEDS_WARPGROUPS() \
  KT_NEEDS_GPU();             \
  if (!test::can_wgmma()) GTEST_SKIP() << "neither the emulation nor a GPU of 9.0"

namespace ktrain {
namespace {

using test::DeviceView;
using test::Elements;
using test::numbered;
using test::WindowCase;

constexpr std::size_t kLine = 64;

// "128-byte swizzle": of eight lines of 128 bytes, the 16-byte pieces of line l change places:
// piece p stands where p exclusive-or l would.
std::uint16_t in_line(const Elements& shared, std::size_t line, std::size_t i) {
  return shared[line * kLine + (i / 8 ^ line % 8) * 8 + i % 8];
}

// The ISA's figure, by hand: pieces of line 1 stand as 1 0 3 2 5 4 7 6, of line 3 as 3 2 1 0 7 6 5
// 4, and of line 8 again in their order.
TEST(Warpgroup, ACopySwizzlesPiecesByLine) {
  KT_NEEDS_WARPGROUPS();
  const Stream stream;
  const CudaStream s = stream.get();
  const DeviceView<std::uint16_t> from(s, numbered(16 * kLine));
  TileMap tiles;
  tiles.data = from.data();
  tiles.sizes = {64, 16, 1};
  tiles.strides = {128, 0};
  tiles.box = {64, 16, 1};
  const DeviceView<std::uint16_t> out(16 * kLine);
  test::probe_copy_tile(s, tensor_map(tiles), 2, {0, 0, 0}, 16, out.data());
  const Elements got = out.to_host(s);
  const auto pieces = [&](std::size_t line) {  // which piece of the line stands first, second, ...
    std::vector<int> order;
    for (std::size_t p = 0; p < 8; ++p)
      order.push_back((got[line * kLine + p * 8] - 1 - static_cast<int>(line * kLine)) / 8);
    return order;
  };
  EXPECT_THAT(pieces(0), testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(pieces(1), testing::ElementsAre(1, 0, 3, 2, 5, 4, 7, 6));
  EXPECT_THAT(pieces(3), testing::ElementsAre(3, 2, 1, 0, 7, 6, 5, 4));
  EXPECT_THAT(pieces(7), testing::ElementsAre(7, 6, 5, 4, 3, 2, 1, 0));
  EXPECT_THAT(pieces(8), testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
}

// A box that reaches past an array of 72 x 5 at every end.
TEST(Warpgroup, ACopyOfTilesFillsTheOutsideWithZeros) {
  KT_NEEDS_WARPGROUPS();
  const Stream stream;
  const CudaStream s = stream.get();
  const Elements values = numbered(72 * 5);
  const DeviceView<std::uint16_t> from(s, values), out(8 * kLine);
  TileMap tiles;
  tiles.data = from.data();
  tiles.sizes = {72, 5, 1};
  tiles.strides = {144, 0};
  tiles.box = {64, 8, 1};
  for (const int x : {-8, 0, 3, 40, 72})
    for (const int y : {-2, 0, 3, 5}) {
      test::probe_copy_tile(s, tensor_map(tiles), 2, {x, y, 0}, 8, out.data());
      const Elements got = out.to_host(s);
      for (int line = 0; line < 8; ++line)
        for (int i = 0; i < 64; ++i) {
          const int col = x + i, row = y + line;
          const bool inside = col >= 0 && col < 72 && row >= 0 && row < 5;
          ASSERT_EQ(in_line(got, static_cast<std::size_t>(line), static_cast<std::size_t>(i)),
                    inside ? values[static_cast<std::size_t>(row * 72 + col)] : 0)
              << x << ' ' << y << ' ' << line << ' ' << i;
        }
    }
}

// Filters of 3 taps and 72 channels: one tap of eight of them.
TEST(Warpgroup, ACopyOfThreeDimensionsTakesOneTap) {
  KT_NEEDS_WARPGROUPS();
  const Stream stream;
  const CudaStream s = stream.get();
  const Elements values = numbered(72 * 3 * 10);
  const DeviceView<std::uint16_t> from(s, values), out(8 * kLine);
  TileMap tiles;
  tiles.rank = 3;
  tiles.data = from.data();
  tiles.sizes = {72, 3, 10};
  tiles.strides = {144, 144 * 3};
  tiles.box = {64, 1, 8};
  test::probe_copy_tile(s, tensor_map(tiles), 3, {64, 2, 4}, 8, out.data());
  const Elements got = out.to_host(s);
  for (std::size_t line = 0; line < 8; ++line)
    for (std::size_t i = 0; i < 64; ++i) {
      const bool inside = i < 8 && line < 6;
      ASSERT_EQ(in_line(got, line, i), inside ? values[((4 + line) * 3 + 2) * 72 + 64 + i] : 0);
    }
}

// The windows of a convolution in their order, counted one by one.
void expect_windows(const WindowCase& c) {
  const Stream stream;
  const CudaStream s = stream.get();
  constexpr int kLines = 64, kChannels = 64;
  const Elements values = numbered(c.elements());
  const DeviceView<std::uint16_t> from(s, values), out(kLines * kChannels);
  const TensorMap made = c.map(from.data(), kLines);
  for (int tap = 0; tap < c.taps * c.taps; ++tap) {
    const int r = tap / c.taps, q = tap % c.taps;
    test::probe_copy_windows(s, made, c.place(r, q), kLines, out.data());
    const Elements got = out.to_host(s);
    for (int i = 0; i < kLines; ++i) {
      const auto [n, h, w] = c.window(c.first + i);
      const int y = h + r, x = w + q;
      const bool inside = n < c.images && y >= 0 && y < c.height && x >= 0 && x < c.width;
      for (int k = 0; k < kChannels; k += 9)
        ASSERT_EQ(in_line(got, static_cast<std::size_t>(i), static_cast<std::size_t>(k)),
                  inside ? values[static_cast<std::size_t>(
                               ((n * c.height + y) * c.width + x) * kChannels + k)]
                         : 0)
            << "window " << i << " tap " << tap << " channel " << k;
    }
  }
}

// The PTX ISA's first example of im2col mode is 9 x 14 with corners -1, from (7, 4) on, window 53.
// Then: images that end within a box and more than there are; no padding, as in its second example;
// a stride, as in its third, with and without a column to spare; more padding than taps.
TEST(Warpgroup, ACopyOfWindowsIsAConvolutionsTap) {
  KT_NEEDS_WARPGROUPS();
  for (const WindowCase& c : {WindowCase{9, 14, 1, 3, 1, 1, 53}, WindowCase{9, 14, 64, 3, 1, 1, 0},
                              WindowCase{5, 4, 4, 3, 1, 1, 11}, WindowCase{9, 14, 2, 3, 0, 1, 60},
                              WindowCase{8, 14, 2, 3, 1, 2, 5}, WindowCase{9, 13, 2, 3, 1, 2, 7},
                              WindowCase{6, 5, 3, 1, 0, 2, 2}, WindowCase{4, 4, 2, 3, 2, 1, 3},
                              WindowCase{7, 7, 2, 5, 2, 1, 20}}) {
    SCOPED_TRACE(testing::Message() << c.width << 'x' << c.height << " taps " << c.taps << " pad "
                                    << c.pad << " stride " << c.stride);
    expect_windows(c);
  }
}

// Small whole numbers, which bf16 and any sum of them hold.
float factor(int side, int k) { return static_cast<float>((side * 7 + k * 3) % 17 - 8); }

std::uint16_t bits(float v) {
  return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(v) >> 16);
}

// Writes 16 of k of an operand into the image.
void write_operand(Elements& image, const test::ProbeOperand& o, int sides) {
  for (int side = 0; side < sides; ++side)
    for (int k = 0; k < 16; ++k) image[test::operand_place(o, side, k)] = bits(factor(side, k));
}

void expect_product(const test::ProbeProduct& p) {
  const Stream stream;
  const CudaStream s = stream.get();
  Elements image(test::kProbeImageBytes / 2, bits(99));
  write_operand(image, p.a, 64);
  write_operand(image, p.b, p.cols);
  const DeviceView<std::uint16_t> dimage(s, image);
  const DeviceView<float> d(128 * p.cols / 2);
  test::probe_multiply(s, p, dimage.data(), d.data());
  const std::vector<float> got = d.to_host(s);
  for (int thread = 0; thread < 128; ++thread)
    for (int i = 0; i < p.cols / 2; ++i) {
      const auto [row, col] = test::sum_place(thread, i);
      float want = 0;
      for (int k = 0; k < 16; ++k) want += factor(row, k) * factor(col, k);
      ASSERT_EQ(got[static_cast<std::size_t>(thread * (p.cols / 2) + i)], p.twice ? 2 * want : want)
          << "thread " << thread << " sum " << i;
    }
}

// Every width and both ways of each operand; starts within a line, units apart, both at once.
TEST(Warpgroup, MultipliesWhatDescriptorsSay) {
  KT_NEEDS_WARPGROUPS();
  for (const int cols : {64, 128, 256})
    for (const bool side_a : {false, true})
      for (const bool side_b : {false, true}) {
        SCOPED_TRACE(testing::Message() << cols << ' ' << side_a << ' ' << side_b);
        // a: 64 sides, 8 KiB along k; b after it.
        const int leading = 2048;  // 16 k of 64 sides
        const int start_b = (8 << 10) + (cols == 64 && !side_b ? 96 : 0);
        expect_product({cols,
                        {side_a, side_a ? 0 : 64, leading, 1024},
                        {side_b, start_b, leading, 1024},
                        cols == 64});
      }
}

// The image holds 256 columns along k once; a is among them, in other 16 of k of the same lines.
TEST(Warpgroup, MultipliesOperandsThatShareLines) {
  KT_NEEDS_WARPGROUPS();
  expect_product({256, {false, 32, 0, 1024}, {false, 0, 0, 1024}, true});
}

TEST(Warpgroup, KeepsNotANumberAndInfinity) {
  KT_NEEDS_WARPGROUPS();
  const Stream stream;
  const CudaStream s = stream.get();
  Elements image(test::kProbeImageBytes / 2, bits(1));
  image[0] = bits(std::numeric_limits<float>::infinity());        // row 0 of a
  image[64 + 8] = bits(std::numeric_limits<float>::quiet_NaN());  // row 1, piece 0 in place of 1
  const DeviceView<std::uint16_t> dimage(s, image);
  const DeviceView<float> d(128 * 32);
  test::probe_multiply(s, {64, {false, 0, 0, 1024}, {false, 16 << 10, 0, 1024}, false},
                       dimage.data(), d.data());
  const std::vector<float> got = d.to_host(s);
  EXPECT_EQ(got[0], std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(got[4 * 32]));  // lane 4 has row 1
  EXPECT_EQ(got[8 * 32], 16.0f);
}

}  // namespace
}  // namespace ktrain
