// What the access check remembers of memory, against the same by byte.
#include "kernels/device/emulation/access_shadow.h"

#include <limits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace ktrain::emulation::access_check {
namespace {

TEST(AccessShadow, KnowsWhichBytesWereWritten) {
  constexpr std::size_t kBytes = 24;
  for (std::size_t offset = 0; offset < 6; ++offset)
    for (std::size_t bytes = 0; bytes < 14; ++bytes)
      for (const bool value : {true, false}) {
        Shadow shadow(kBytes);
        shadow.set_written(0, kBytes, !value);
        shadow.set_written(offset, bytes, value);
        for (std::size_t i = 0; i < kBytes; ++i)
          EXPECT_EQ((shadow.written(i) >> (i % 4) & 1) != 0,
                    (i >= offset && i < offset + bytes) == value)
              << "byte " << i << ", " << bytes << " from " << offset;
      }
}

bool is_empty(const Word& word) {
  for (const Access& a : word.last)
    if (a.kind != Kind::kNone) return false;
  return word.turn == 0;
}

// In every round, and across the end of their numbers.
TEST(AccessShadow, ForgetsAccessesAndNotWhatWasWritten) {
  Shadow shadow(64, std::numeric_limits<std::uint32_t>::max() - 1);
  shadow.set_written(8, 4, true);
  for (int round = 0; round < 4; ++round) {
    ASSERT_TRUE(is_empty(shadow.word(8))) << round;
    shadow.word(8).last[2].kind = Kind::kWrite;
    shadow.word(8).turn = 3;
    EXPECT_FALSE(is_empty(shadow.word(8))) << round;
    EXPECT_TRUE(is_empty(shadow.word(12))) << round;
    shadow.forget_accesses();
    EXPECT_EQ(shadow.written(8), kWholeWord);
  }
}

TEST(AccessShadow, KeepsItsAccessesWhenItMoves) {
  Shadow first(64);
  first.forget_accesses();
  first.word(4).last[0].kind = Kind::kRead;
  Shadow second = std::move(first);
  EXPECT_FALSE(is_empty(second.word(4)));
  std::vector<Shadow> list;
  list.push_back(std::move(second));
  list.push_back(Shadow(16));
  EXPECT_FALSE(is_empty(list[0].word(4)));
  EXPECT_TRUE(is_empty(list[1].word(4)));
}

}  // namespace
}  // namespace ktrain::emulation::access_check
