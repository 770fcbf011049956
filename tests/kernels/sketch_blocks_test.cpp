#include "kernels/sketch_blocks.h"

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/check.h"

namespace ktrain {
namespace {

constexpr std::int64_t kSize = 3, kPlaces = 5;

Span<Bfloat16> all(std::vector<Bfloat16>& values) { return {values.data(), std::ssize(values)}; }
Span<const float> in(const std::vector<float>& values) {
  return {values.data(), std::ssize(values)};
}

// Block b holds 10 b, 10 b + 1, 10 b + 2: exact in bfloat16.
std::vector<float> block(std::int64_t b) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < kSize; ++i) values.push_back(static_cast<float>(10 * b + i));
  return values;
}

std::vector<Bfloat16> window(std::int64_t held) {
  std::vector<Bfloat16> finished(kSize * kPlaces, Bfloat16{0x4242});
  for (std::int64_t b = 0; b < held; ++b) cpu::push_block(in(block(b)), all(finished), b);
  return finished;
}

float at(const std::vector<Bfloat16>& finished, std::int64_t b, std::int64_t i) {
  return to_float(finished[static_cast<std::size_t>(b * kSize + i)]);
}

TEST(SketchBlocksKernel, ABlockComesBehindThoseThatAreHeld) {
  const std::vector<Bfloat16> finished = window(3);
  for (std::int64_t b = 0; b < 3; ++b)
    for (std::int64_t i = 0; i < kSize; ++i)
      EXPECT_EQ(at(finished, b, i), static_cast<float>(10 * b + i));
  for (std::size_t i = 3 * kSize; i < finished.size(); ++i) EXPECT_EQ(finished[i].bits, 0x4242);
}

TEST(SketchBlocksKernel, TheOldestMakesRoomWhereAllPlacesAreHeld) {
  std::vector<Bfloat16> finished = window(kPlaces);
  cpu::push_block(in(block(kPlaces)), all(finished), kPlaces);
  for (std::int64_t b = 0; b < kPlaces; ++b)
    for (std::int64_t i = 0; i < kSize; ++i)
      EXPECT_EQ(at(finished, b, i), static_cast<float>(10 * (b + 1) + i));
}

TEST(SketchBlocksKernel, NeighboursAreJoinedTheNewestWithTheLastPlace) {
  std::vector<Bfloat16> finished = window(kPlaces);
  cpu::join_blocks(in(block(kPlaces)), all(finished));
  for (std::int64_t b = 0; b < 3; ++b)
    for (std::int64_t i = 0; i < kSize; ++i)
      EXPECT_EQ(at(finished, b, i), static_cast<float>(10 * (4 * b + 1) + 2 * i)) << b << i;
  EXPECT_EQ(at(finished, 3, 0), 30) << "what lies behind the joined ones stays";
}

TEST(SketchBlocksKernel, NumbersAreRoundedOnceToTheNearestEven) {
  // 1 + 2^-8 lies in the middle of two, 1 + 3 2^-8 too: to the even one.
  const std::vector<float> newest = {1 + 0x1p-8f, 1 + 3 * 0x1p-8f,
                                     std::numeric_limits<float>::quiet_NaN()};
  std::vector<Bfloat16> finished(kSize);
  cpu::push_block(in(newest), all(finished), 0);
  EXPECT_EQ(to_float(finished[0]), 1.0f);
  EXPECT_EQ(to_float(finished[1]), 1 + 4 * 0x1p-8f);
  EXPECT_TRUE(std::isnan(to_float(finished[2])));
  // A sum is rounded behind the addition alone.
  const std::vector<float> more = {0x1p-8f, 0x1p-9f, 0};
  cpu::join_blocks(in(more), all(finished));
  EXPECT_EQ(to_float(finished[0]), 1.0f);
  EXPECT_EQ(to_float(finished[1]), 1 + 4 * 0x1p-8f);
}

TEST(SketchBlocksKernel, WrongSizesAreRefusedAndNothingIsNothing) {
  std::vector<Bfloat16> finished(kSize * 2), none;
  const std::vector<float> newest(kSize, 1.0f), empty;
  EXPECT_THROW(cpu::push_block(in(newest), all(finished), 3), Error);
  EXPECT_THROW(cpu::push_block(in(newest), all(finished), -1), Error);
  EXPECT_THROW(cpu::join_blocks(in(newest), all(finished)), Error) << "two places";
  EXPECT_THROW(cpu::push_block(in({1, 2, 3, 4}), all(finished), 0), Error);
  cpu::push_block(in(empty), all(none), 0);
  cpu::join_blocks(in(empty), all(none));
}

}  // namespace
}  // namespace ktrain
