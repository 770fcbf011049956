#include "kernels/nms.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"
#include "kernels/parallel.h"
#include "kernels/topk.h"
#include "tests/support/boxes.h"
#include "tests/support/reference.h"

namespace ktrain {
namespace {

using test::one_list;
using test::rows;
using test::span;
using testing::ElementsAre;

// The kept indices of each list, without the padding.
template <class T>
std::vector<std::vector<std::int32_t>> run(BoxList<const T> boxes, const std::vector<T>& scores,
                                           T threshold, std::int64_t most) {
  std::vector<std::int32_t> kept(static_cast<std::size_t>(boxes.batch * most), 77),
      counts(static_cast<std::size_t>(boxes.batch), 77);
  std::vector<std::byte> scratch(
      static_cast<std::size_t>(cpu::nms_scratch_bytes<T>(boxes.batch, boxes.capacity)));
  cpu::nms(boxes, rows(scores, boxes.capacity), rows(kept, most), span(counts), span(scratch),
           threshold);
  std::vector<std::vector<std::int32_t>> lists;
  for (std::size_t n = 0; n < counts.size(); ++n) {
    const auto begin = kept.begin() + static_cast<std::ptrdiff_t>(n) * most;
    EXPECT_TRUE(std::all_of(begin + counts[n], begin + most, [](int k) { return k == -1; }));
    lists.emplace_back(begin, begin + counts[n]);
  }
  return lists;
}

// The rule, said slowly.
std::vector<std::int32_t> slow_nms(const float* boxes, const std::vector<float>& scores,
                                   float threshold) {
  std::vector<std::int32_t> order(scores.size()), kept;
  cpu::topk_row(span(scores), span(order));
  for (const std::int32_t i : order) {
    const bool keep = std::none_of(kept.begin(), kept.end(), [&](std::int32_t k) {
      const float *a = boxes + 4 * k, *b = boxes + 4 * i;
      const float w = std::max(0.0f, std::min(a[2], b[2]) - std::max(a[0], b[0]));
      const float h = std::max(0.0f, std::min(a[3], b[3]) - std::max(a[1], b[1]));
      const float areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]);
      return w * h / (areas - w * h) > threshold;
    });
    if (keep) kept.push_back(i);
  }
  return kept;
}

TEST(Nms, AgreesWithTorchvision) {
  const test::Reference reference("nms.txt");
  const auto boxes = reference.get<float>("boxes"), scores = reference.get<float>("scores");
  const auto classes = reference.get<std::int32_t>("classes");
  for (const auto& [tag, threshold] : {std::pair{"03", 0.3f}, {"05", 0.5f}, {"07", 0.7f}}) {
    const auto want = reference.get<std::int32_t>(std::string("nms_") + tag);
    EXPECT_EQ(run(one_list(boxes), scores, threshold, 150).at(0), want);
    const std::vector<std::int32_t> cut(want.begin(), want.begin() + 20);
    EXPECT_EQ(run(one_list(boxes), scores, threshold, 20).at(0), cut);

    // batched_nms: one list per class, joined in the order of the scores.
    std::vector<float> lists(3 * 150 * 4), list_scores(3 * 150);
    std::vector<std::int32_t> counts(3, 0), origin(3 * 150), joined;
    for (std::size_t i = 0; i < 150; ++i) {
      const auto c = static_cast<std::size_t>(classes[i]);
      const auto at = c * 150 + static_cast<std::size_t>(counts[c]++);
      std::copy_n(&boxes[i * 4], 4, &lists[at * 4]);
      list_scores[at] = scores[i];
      origin[at] = static_cast<std::int32_t>(i);
    }
    const auto kept =
        run(BoxList<const float>{lists.data(), counts.data(), 3, 150}, list_scores, threshold, 150);
    for (std::size_t c = 0; c < 3; ++c)
      for (const std::int32_t k : kept[c])
        joined.push_back(origin[c * 150 + static_cast<std::size_t>(k)]);
    std::sort(joined.begin(), joined.end(),
              [&](std::int32_t a, std::int32_t b) { return ranks_before(scores.data(), a, b); });
    EXPECT_EQ(joined, reference.get<std::int32_t>(std::string("batched_") + tag));
  }
}

TEST(Nms, ManyListsAgreeWithTheSlowRuleOnAnyNumberOfThreads) {
  const std::int64_t batch = 5, capacity = 333;
  const auto boxes = test::random_boxes<float>(5 * 333, 3, 60, 30);
  std::vector<float> scores;
  for (int i = 0; i < 5 * 333; ++i) scores.push_back(static_cast<float>(i * 7919 % 101));
  const std::vector<std::int32_t> counts = {333, 0, 1, 40, 332};
  const int threads = num_threads();
  for (const int used : {1, 3}) {
    set_num_threads(used);
    const auto kept = run(BoxList<const float>{boxes.data(), counts.data(), batch, capacity},
                          scores, 0.4f, capacity);
    for (std::size_t n = 0; n < 5; ++n) {
      const auto first = scores.begin() + static_cast<std::ptrdiff_t>(n * 333);
      EXPECT_EQ(kept[n], slow_nms(&boxes[n * 333 * 4], {first, first + counts[n]}, 0.4f));
    }
  }
  set_num_threads(threads);
}

TEST(Nms, OnlyAboveTheThresholdSuppresses) {
  // IoU exactly 1/2, exactly 1, and boxes without area, whose 0/0 suppresses nothing.
  const std::vector<double> boxes = {0, 0, 2, 1, 0, 0, 1, 1, 0, 0, 2, 1, 5, 5, 5, 5, 5, 5, 5, 5};
  const std::vector<double> scores = {5, 4, 3, 2, 1};
  EXPECT_THAT(run(one_list(boxes), scores, 0.5, 5).at(0), ElementsAre(0, 1, 3, 4));
  EXPECT_THAT(run(one_list(boxes), scores, 0.49, 5).at(0), ElementsAre(0, 3, 4));
  EXPECT_THAT(run(one_list(boxes), scores, 1.0, 5).at(0), ElementsAre(0, 1, 2, 3, 4));
}

TEST(Nms, TiesKeepTheLowerIndexAndNanComesLast) {
  const std::vector<float> boxes = {0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1};
  EXPECT_THAT(run(one_list(boxes), {NAN, 2, 2}, 0.5f, 3).at(0), ElementsAre(1));
  EXPECT_THAT(run(one_list(boxes), {NAN, NAN, NAN}, 0.5f, 3).at(0), ElementsAre(0));
}

TEST(Nms, WrongShapesAreErrors) {
  std::vector<float> boxes(8), scores(3);
  std::vector<std::int32_t> kept(2), counts(1);
  std::vector<std::byte> scratch(1000);
  try {
    cpu::nms(one_list(boxes), rows(std::as_const(scores), 3), rows(kept, 2), span(counts),
             span(scratch), 0.5f);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::StartsWith("nms: 1 lists of 2 boxes, scores 1x3"));
  }
  scores.resize(2);
  scratch.resize(64);
  EXPECT_THROW(cpu::nms(one_list(boxes), rows(std::as_const(scores), 2), rows(kept, 2),
                        span(counts), span(scratch), 0.5f),
               Error);
}

}  // namespace
}  // namespace ktrain
