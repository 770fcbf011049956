#include "kernels/key_queue.h"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"
#include "tests/support/gradcheck.h"

namespace ktrain {
namespace {

using testing::ElementsAre;
using Ints = std::vector<std::int32_t>;
using test::Vec;

Rows<const std::int32_t> places(const Ints& values) {
  return {values.data(), std::ssize(values) / kKeyColumns, kKeyColumns};
}

template <class T = double>
Ints mine(const std::vector<T>& similarity, const Ints& rows, const Ints& entries, std::int64_t k,
          const MiningRule& rule) {
  const auto count = places(rows).rows, size = places(entries).rows;
  Ints indices(static_cast<std::size_t>(count * k), -7);
  std::vector<std::byte> scratch(static_cast<std::size_t>(cpu::mine_scratch_bytes(count, size)));
  cpu::mine_negatives<T>({similarity.data(), count, size}, places(rows), places(entries),
                         {indices.data(), count, k}, {scratch.data(), std::ssize(scratch)}, rule);
  return indices;
}

const MiningRule kNothing{false, false, -1, 0, false, 0};
// Eight entries of a queue: image, group, frame, target, step.
const Ints kEntries = {10, 1, 100, 0, 50,   // 0
                       10, 1, 100, 1, 50,   // 1: the same image, another target
                       11, 1, 103, 0, 51,   // 2: three frames on
                       12, 1, 104, 0, 52,   // 3: four frames on
                       13, 2, 100, 0, 53,   // 4: another video
                       14, 2, 101, 0, 9,    // 5: old
                       15, 3, 7,   0, 60,   // 6
                       0,  0, 0,   0, -1};  // 7: never filled
const Ints kRow = {10, 1, 100, 0, 60};
// The lower the entry the more similar it is.
const Vec kSimilarity = {8, 7, 6, 5, 4, 3, 2, 1};

// T16: the row's own key is not mined.
TEST(MineNegatives, EachRuleLeavesOutWhatItNames) {
  const auto with = [](auto set) {
    MiningRule rule = kNothing;
    set(rule);
    return mine(kSimilarity, kRow, kEntries, 8, rule);
  };
  EXPECT_THAT(with([](MiningRule&) {}), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(with([](MiningRule& r) { r.own = true; }), ElementsAre(1, 2, 3, 4, 5, 6, 7, -1));
  EXPECT_THAT(with([](MiningRule& r) { r.same_image = true; }),
              ElementsAre(2, 3, 4, 5, 6, 7, -1, -1));
  EXPECT_THAT(with([](MiningRule& r) { r.frame_gap = 0; }), ElementsAre(2, 3, 4, 5, 6, 7, -1, -1));
  EXPECT_THAT(with([](MiningRule& r) { r.frame_gap = 3; }), ElementsAre(3, 4, 5, 6, 7, -1, -1, -1));
  EXPECT_THAT(with([](MiningRule& r) { r.max_age = 50; }), ElementsAre(0, 1, 2, 3, 4, 6, 7, -1));
  EXPECT_THAT(with([](MiningRule& r) { r.max_age = 51; }), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(with([](MiningRule& r) { r.unfilled = true; }), ElementsAre(0, 1, 2, 3, 4, 5, 6, -1));
  EXPECT_THAT(mine(kSimilarity, kRow, kEntries, 8, {true, true, 3, 50, true, 0}),
              ElementsAre(3, 4, 6, -1, -1, -1, -1, -1));
}

TEST(MineNegatives, TakesTheHardestAfterTheGuardedTop) {
  const Vec similarity = {.1, .9, .3, .9, .2, .8, .5, .4};
  EXPECT_THAT(mine(similarity, kRow, kEntries, 3, kNothing), ElementsAre(1, 3, 5));
  MiningRule rule = kNothing;
  rule.guard = 0.25;  // two of eight
  EXPECT_THAT(mine(similarity, kRow, kEntries, 3, rule), ElementsAre(5, 6, 7));
  rule.guard = 0.24;  // rounded down
  EXPECT_THAT(mine(similarity, kRow, kEntries, 3, rule), ElementsAre(3, 5, 6));
  // The share is one of what the other rules have left: five entries, of which 40 % are two.
  EXPECT_THAT(mine(similarity, kRow, kEntries, 5, {true, true, 0, 0, true, 0.4}),
              ElementsAre(6, 2, 4, -1, -1));
}

TEST(MineNegatives, AgreesWithASlowSearch) {
  const std::int64_t count = 37, size = 200, k = 11;
  Ints rows, entries;
  const Vec draw = test::random_vec(static_cast<std::size_t>((count + size) * 5), 4, 0, 1);
  for (std::size_t i = 0; i < draw.size(); i += 5) {
    Ints& into = std::ssize(rows) < count * 5 ? rows : entries;
    const auto pick = [&](std::size_t c, double most) {
      into.push_back(static_cast<std::int32_t>(draw[i + c] * most) - 1);
    };
    pick(0, 40), pick(1, 6), pick(2, 50), pick(3, 3);
    into.push_back(&into == &rows ? 100 : static_cast<std::int32_t>(draw[i + 4] * 110) - 10);
  }
  const Vec similarity = test::random_vec(static_cast<std::size_t>(count * size), 5);
  const MiningRule rule{true, true, 4, 60, true, 0.02};
  const Ints got = mine(similarity, rows, entries, k, rule);
  for (std::int64_t r = 0; r < count; ++r) {
    const std::int32_t* row = rows.data() + r * 5;
    std::vector<std::pair<double, std::int32_t>> found;
    for (std::int64_t e = 0; row[0] >= 0 && e < size; ++e) {
      const std::int32_t* entry = entries.data() + e * 5;
      if (entry[4] < 0 || entry[0] == row[0] || 100 - entry[4] > 60) continue;
      if (row[1] >= 0 && entry[1] == row[1] && std::abs(entry[2] - row[2]) <= 4) continue;
      found.emplace_back(-similarity[static_cast<std::size_t>(r * size + e)], e);
    }
    std::sort(found.begin(), found.end());
    const auto passed = static_cast<std::size_t>(0.02 * static_cast<double>(found.size()));
    for (std::int64_t c = 0; c < k; ++c) {
      const std::size_t at = passed + static_cast<std::size_t>(c);
      EXPECT_EQ(got[static_cast<std::size_t>(r * k + c)], at < found.size() ? found[at].second : -1)
          << r << " " << c;
    }
  }
}

TEST(MineNegatives, ARowThatDoesNotCountHasNone) {
  EXPECT_THAT(mine(kSimilarity, {-1, 9, 9, 9, 60}, kEntries, 2, kNothing), ElementsAre(-1, -1));
}

TEST(MineNegatives, RefusesSizesThatDoNotAgree) {
  Ints indices(2);
  EXPECT_THAT(
      [&] {
        cpu::mine_negatives<double>({kSimilarity.data(), 1, 7}, places(kRow), places(kEntries),
                                    {indices.data(), 1, 2}, {}, kNothing);
      },
      testing::ThrowsMessage<Error>(testing::HasSubstr("similarity is 1x7, 1 rows, 8 entries")));
}

TEST(MiningStatistics, CountsWhatShouldNotHaveBeenMined) {
  const Ints rows = {10, 1, 100, 0, 60, 16, 3, 9, 2, 60};
  const Ints indices = {0, 2, 4, -1, 6, 7, 5, 4};  // of the second row: 6 is two frames off
  const std::int32_t now = 60;
  Vec numbers(kMiningNumbers, NAN);
  const auto count = [&](std::int64_t gap) {
    cpu::mining_statistics<double>(places(rows), places(kEntries), {indices.data(), 2, 4},
                                   {&now, 1}, {numbers.data(), kMiningNumbers}, gap);
    return numbers;
  };
  const double age = (10 + 10 + 9 + 8 + 7 + 51 + 0) / 7.0;
  EXPECT_THAT(count(-1), ElementsAre(7, 1, 7, age));  // 0: the same image
  EXPECT_THAT(count(2), ElementsAre(7, 2, 7, age));   // and 6
  EXPECT_THAT(count(3), ElementsAre(7, 3, 7, age));   // and 2
  const Ints none(8, -1), empty = {0, 0, 0, 0, -1};
  cpu::mining_statistics<double>(places(rows), places(empty), {none.data(), 2, 4}, {&now, 1},
                                 {numbers.data(), kMiningNumbers}, 3);
  EXPECT_THAT(numbers, ElementsAre(0, 0, 0, 0));
}

TEST(KeyPlaces, AddTheStepToTheMarks) {
  const Ints marks = {7, 1, 30, 2, -1, -1, -1, -1}, now = {12, 99};
  Ints got(10, -5);
  cpu::key_places({marks.data(), 2, 4}, {now.data(), 2}, {got.data(), 2, kKeyColumns});
  EXPECT_THAT(got, ElementsAre(7, 1, 30, 2, 12, -1, -1, -1, -1, 12));
}

TEST(MineNegatives, UnknownGroupsAreNotOneGroup) {
  const Ints entries = {5, -1, 3, 0, 9, 6, 4, 3, 0, 9};
  const MiningRule rule{false, false, 100, 0, true, 0};
  EXPECT_THAT(mine<double>({2, 1}, {7, -1, 3, 0, 9}, entries, 2, rule), ElementsAre(0, 1));
}

TEST(EnqueueKeys, RowsThatCountGoRoundTheRing) {
  Vec queue = {0, 0, 0, 0, 0, 0};
  Ints entries(15, -1);
  std::int32_t cursor = 2;
  const Vec keys = {1, 1, 2, 2, 3, 3};
  const Ints rows = {5, 1, 2, 3, 9, -1, 0, 0, 0, 9, 6, 1, 2, 4, 9};
  cpu::enqueue_keys<double>({keys.data(), 3, 2}, places(rows), {queue.data(), 3, 2},
                            {entries.data(), 3, kKeyColumns}, {&cursor, 1});
  EXPECT_THAT(queue, ElementsAre(3, 3, 0, 0, 1, 1));
  EXPECT_EQ(cursor, 1);
  EXPECT_THAT(entries, ElementsAre(6, 1, 2, 4, 9, -1, -1, -1, -1, -1, 5, 1, 2, 3, 9));
}

TEST(EnqueueKeys, MoreRowsThanTheQueueHoldsLeaveTheLast) {
  Vec queue = {0, 0};
  Ints entries(10, -1);
  std::int32_t cursor = 0;
  const Vec keys = {1, 2, 3};
  const Ints rows = {1, 0, 0, 0, 4, 2, 0, 0, 0, 4, 3, 0, 0, 0, 4};
  cpu::enqueue_keys<double>({keys.data(), 3, 1}, places(rows), {queue.data(), 2, 1},
                            {entries.data(), 2, kKeyColumns}, {&cursor, 1});
  EXPECT_THAT(queue, ElementsAre(3, 2));
  EXPECT_EQ(cursor, 1);
}

}  // namespace
}  // namespace ktrain
