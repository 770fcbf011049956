#include "data/loader.h"

#include <algorithm>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/kaist_tree.h"

namespace ktrain {
namespace {

using test::fault_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int kPairs = 7;

class LoaderTest : public ::testing::Test {
 protected:
  LoaderTest() : index_(test::write_kaist_tree(temp_, kPairs)), folder_(temp_.path()) {
    options_.batch = 3;
    options_.scale = {40, 32};
    options_.flip = 0.5;
    options_.seed = 5;
  }

  test::TempFolder temp_;
  PairIndex index_;
  DataFolder folder_;
  LoaderOptions options_;
};

std::vector<PairBatch> take(Loader& loader, int steps) {
  std::vector<PairBatch> out;
  for (int i = 0; i < steps; ++i) out.push_back(loader.next());
  return out;
}

void expect_equal(const PairBatch& a, const PairBatch& b) {
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.visible, b.visible);
  EXPECT_EQ(a.thermal, b.thermal);
  EXPECT_EQ(a.boxes, b.boxes);
  EXPECT_EQ(a.box_counts, b.box_counts);
  EXPECT_EQ(a.ignored, b.ignored);
  EXPECT_EQ(a.indices, b.indices);
  EXPECT_EQ(a.flipped, b.flipped);
}

TEST_F(LoaderTest, PairsArriveTogetherAndFlipTogether) {
  Loader loader(index_, folder_, options_);
  EXPECT_EQ(loader.padded_size(), (Size{32, 64}));
  int flipped = 0, straight = 0;
  for (int step = 0; step < 12; ++step) {
    const PairBatch& batch = loader.next();
    const auto bytes = batch.visible.size() / 3;
    for (std::size_t slot = 0; slot < 3; ++slot) {
      const Pair& pair = index_[batch.indices[slot]];
      const Image want = test::gradient_image(32, 40, static_cast<int>(batch.indices[slot]));
      const bool flip = batch.flipped[slot] != 0;
      (flip ? flipped : straight) += 1;
      for (int y = 0; y < 32; ++y)
        for (int x = 0; x < 64; ++x)
          for (int c = 0; c < 3; ++c) {
            const auto at = slot * bytes + static_cast<std::size_t>((y * 64 + x) * 3 + c);
            if (x >= 40) {
              ASSERT_EQ(batch.visible[at] + batch.thermal[at], 0);
              continue;
            }
            const int from = flip ? 39 - x : x;
            ASSERT_EQ(batch.visible[at],
                      want.rgb[static_cast<std::size_t>((y * 40 + from) * 3 + c)]);
            // The thermal image of the fixture is the inverse: only its own partner fits.
            ASSERT_EQ(batch.visible[at] + batch.thermal[at], 255);
          }
      const float* box = batch.boxes.data() + slot * 2 * 4;
      int people = 0;
      for (const PairBox& one : pair.boxes) {
        if (one.ignore) continue;
        const auto [x1, y1, x2, y2] = one.box;
        EXPECT_THAT(std::vector<double>(box, box + 4),
                    flip ? ElementsAre(40 - x2, y1, 40 - x1, y2) : ElementsAre(x1, y1, x2, y2));
        box += 4;
        ++people;
      }
      EXPECT_EQ(people, batch.indices[slot] % 3);
      ASSERT_EQ(batch.box_counts[slot], people);
      EXPECT_EQ(batch.ignored_counts[slot], 1);
    }
  }
  EXPECT_GT(flipped, 5);
  EXPECT_GT(straight, 5);
}

TEST_F(LoaderTest, WorkersQueueAndCacheChangeNothing) {
  options_.workers = 0;
  Loader plain(index_, folder_, options_);
  const auto want = take(plain, 10);
  for (const int workers : {1, 3})
    for (const std::int64_t cache : {0, 20000, 1 << 20}) {
      options_.workers = workers;
      options_.cache_bytes = cache;
      Loader loader(index_, folder_, options_);
      const auto got = take(loader, 10);
      for (std::size_t i = 0; i < got.size(); ++i) expect_equal(got[i], want[i]);
    }
}

TEST_F(LoaderTest, SeekContinuesAsIfNeverStopped) {
  Loader whole(index_, folder_, options_);
  const auto want = take(whole, 9);
  Loader resumed(index_, folder_, options_);
  (void)resumed.next();
  resumed.seek(5);
  for (std::size_t i = 5; i < 9; ++i) expect_equal(resumed.next(), want[i]);
  resumed.seek(0);
  expect_equal(resumed.next(), want[0]);
}

TEST_F(LoaderTest, LastBatchIsWrappedDroppedOrPartial) {
  const auto seen = [&](LastBatch last) {
    options_.last = last;
    Loader loader(index_, folder_, options_);
    std::vector<int> times(kPairs, 0);
    for (std::int64_t i = 0; i < loader.steps_per_epoch(); ++i) {
      const PairBatch& batch = loader.next();
      for (const std::int64_t place : batch.indices)
        if (place >= 0) ++times[static_cast<std::size_t>(place)];
    }
    std::sort(times.begin(), times.end());
    return times;
  };
  EXPECT_THAT(seen(LastBatch::kDrop), ElementsAre(0, 1, 1, 1, 1, 1, 1));
  EXPECT_THAT(seen(LastBatch::kWrap), ElementsAre(1, 1, 1, 1, 1, 2, 2));
  EXPECT_THAT(seen(LastBatch::kPartial), ElementsAre(1, 1, 1, 1, 1, 1, 1));
  options_.last = LastBatch::kPartial;
  Loader loader(index_, folder_, options_);
  const auto batches = take(loader, 3);
  EXPECT_EQ(batches[2].count, 1);
  EXPECT_EQ(batches[2].indices[1], -1);
  EXPECT_EQ(batches[2].box_counts[1], 0);
  EXPECT_EQ(batches[2].visible.back(), 0);
}

TEST_F(LoaderTest, OrderIsAPermutationThatTheEpochChanges) {
  const auto first = epoch_order(100, 1, 0, true), second = epoch_order(100, 1, 1, true);
  EXPECT_EQ(std::set(first.begin(), first.end()).size(), 100u);
  EXPECT_NE(first, second);
  EXPECT_NE(first, epoch_order(100, 2, 0, true));
  EXPECT_EQ(first, epoch_order(100, 1, 0, true));
  EXPECT_EQ(epoch_order(3, 1, 0, false), (std::vector<std::int64_t>{0, 1, 2}));
}

TEST_F(LoaderTest, ScalesBoxesWithTheImages) {
  options_.scale = {80, 64};
  options_.flip = 0;
  options_.shuffle = false;
  Loader loader(index_, folder_, options_);
  const PairBatch& batch = loader.next();
  EXPECT_EQ(batch.sizes[1], (Size{64, 80}));
  EXPECT_EQ(batch.original_sizes[1], (Size{32, 40}));
  EXPECT_EQ(batch.scale_x[1], 2.0f);
  const float* box = batch.boxes.data() + 2 * 4;  // pair 1: (4, 4, 9, 16)
  EXPECT_THAT(std::vector<float>(box, box + 4), ElementsAre(8, 8, 18, 32));
}

TEST_F(LoaderTest, ErrorsArriveAtTheirStep) {
  options_.shuffle = false;
  options_.workers = 2;
  std::filesystem::remove(temp_.path() / "images/set00/V000/lwir/I00004.png");
  Loader loader(index_, folder_, options_);
  EXPECT_NO_THROW((void)loader.next());
  for (int i = 0; i < 2; ++i)
    EXPECT_THAT(fault_of([&] { (void)loader.next(); }), HasSubstr("lwir/I00004.png"));
}

TEST_F(LoaderTest, RefusesWhatDoesNotFit) {
  const auto refused = [&] { return fault_of([&] { Loader loader(index_, folder_, options_); }); };
  options_.max_boxes = 1;
  EXPECT_THAT(refused(), HasSubstr("data.max_boxes is 1"));
  options_.max_boxes = 0;
  options_.padded_size = {32, 32};
  EXPECT_THAT(refused(), HasSubstr("room for 32x32"));
  options_.padded_size = {};
  options_.batch = 8;
  options_.last = LastBatch::kDrop;
  EXPECT_THAT(refused(), HasSubstr("7 pairs do not make one batch of 8"));
}

TEST(Loader, RealLlvipPairsAtTrainingSize) {
  if (test::shared_data().empty()) GTEST_SKIP() << "no real LLVIP pairs beside the checkout";
  const DataFolder folder(test::shared_data() / "llvip_mini");
  PairSource source;
  source.layout = "llvip";
  source.list = "train";
  source.origin = 1;
  const PairIndex index = require_pairs(read_pairs(folder, source), folder);
  LoaderOptions options;
  options.scale = {640, 512};
  options.last = LastBatch::kPartial;
  Loader loader(index, folder, options);
  EXPECT_EQ(loader.padded_size(), (Size{512, 640}));
  int pairs = 0;
  for (std::int64_t i = 0; i < loader.steps_per_epoch(); ++i) pairs += loader.next().count;
  EXPECT_EQ(pairs, 9);
}

}  // namespace
}  // namespace ktrain
