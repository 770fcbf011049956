#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/ops.h"
#include "runtime/ops_alignment.h"
#include "tests/support/close.h"
#include "tests/support/tape.h"

namespace ktrain {
namespace {

Tensor ints(const ContextPtr& context, const Shape& shape, std::vector<std::int32_t> values) {
  return Tensor::from<std::int32_t>(context, shape, values);
}

ContextPtr poisoned() {
  const ContextPtr context = make_cpu_context();
  context->poison = true;
  return context;
}

// T18: Upstream of the reversal the gradient is -lambda times what it is downstream.
TEST(ScaleGradient, ReversesWhatComesBackAndNothingElse) {
  const ContextPtr context = poisoned();
  Tensor x = test::random_leaf(context, {3, 2}, 1);
  Tensor factor = filled(context, {1}, -0.25f);
  const Tensor y = scale_gradient(x, factor);
  EXPECT_EQ(y.to_vector<float>(), x.to_vector<float>());
  EXPECT_TRUE(y.shares_memory(x));
  const Tensor dy = test::random_leaf(context, {3, 2}, 2).detached();
  const auto upstream = [&] { return gradients({&y, 1}, {&dy, 1}, {&x, 1})[0].to_vector<float>(); };
  std::vector<float> want = dy.to_vector<float>();
  for (float& v : want) v *= -0.25f;
  EXPECT_EQ(upstream(), want);
  // The number stands in memory: the same tape follows it.
  factor.copy_from<float>(std::vector<float>{-1.0f});
  for (float& v : want) v *= 4;
  EXPECT_EQ(upstream(), want);
}

TEST(MmdOp, GradientsReachBothSets) {
  const ContextPtr context = poisoned();
  const Tensor x_rows = ints(context, {4}, {0, -1, 2, 3}), y_rows = ints(context, {3}, {0, 1, 2});
  // Fixed bandwidths: those of the median move with the inputs, and count as constants.
  const auto fixed = [&](const std::vector<Tensor>& in) {
    return mmd({in[0], in[1], x_rows, y_rows}, {0.5f, 1, 2});
  };
  const std::vector<Tensor> leaves = {test::random_leaf(context, {4, 3}, 1),
                                      test::random_leaf(context, {3, 3}, 2)};
  EXPECT_LT(test::tape_error(fixed, leaves), 5e-3);
  const Tensor median = mmd({leaves[0], leaves[1], x_rows, y_rows});
  EXPECT_TRUE(std::isfinite(median.item()));
  const Tensor one = filled(context, {1}, 1);
  const auto got = gradients({&median, 1}, {&one, 1}, leaves);
  EXPECT_THAT(got[0].to_vector<float>(), testing::Contains(testing::Ne(0.0f)));
}

TEST(QueueContrastOp, GradientReachesTheQueriesAlone) {
  const ContextPtr context = poisoned();
  KeyQueue queue = make_key_queue(context, 5, 3);
  const Tensor keys = test::random_leaf(context, {4, 3}, 3);
  const Tensor places =
      ints(context, {4, 5}, {0, 0, 0, 0, 1, 1, 1, 1, 1, 1, -1, 0, 0, 0, 1, 2, 2, 2, 2, 1});
  enqueue_keys(keys, places, queue);
  EXPECT_THAT(queue.cursor.to_vector<std::int32_t>(), testing::ElementsAre(3));
  const Tensor queries = test::random_leaf(context, {2, 3}, 4);
  Tensor positive = test::random_leaf(context, {2, 3}, 5);
  const Tensor rows = ints(context, {2, 5}, {0, 0, 0, 0, 2, 7, 7, 7, 7, 2});
  const Tensor indices = mine_negatives(queries, rows, queue, 4, {});
  const auto found = indices.to_vector<std::int32_t>();
  EXPECT_THAT(std::vector(found.begin(), found.begin() + 4),
              testing::UnorderedElementsAre(1, 2, -1, -1));
  EXPECT_THAT(std::vector(found.begin() + 4, found.end()),
              testing::UnorderedElementsAre(0, 1, 2, -1));
  const Tensor marks = ints(context, {2}, {0, 0});
  const auto op = [&](const std::vector<Tensor>& in) {
    return queue_contrast({in[0], positive, indices, marks}, queue, {ContrastForm::kInfoNce, 0.5});
  };
  EXPECT_LT(test::tape_error(op, {queries}), 5e-3);
  const Tensor loss = op({queries}), one = filled(context, {1}, 1);
  EXPECT_FALSE(gradients({&loss, 1}, {&one, 1}, {&positive, 1})[0].defined());
  const Tensor now = ints(context, {1}, {3});
  EXPECT_THAT(mining_statistics(rows, queue, indices, now, 0).to_vector<float>(),
              testing::ElementsAre(5, 0, 3, 2));
}

TEST(MeanPixelsOp, GradientSpreadsEvenly) {
  const ContextPtr context = poisoned();
  const auto op = [](const std::vector<Tensor>& in) { return mean_pixels(in[0]); };
  EXPECT_LT(test::tape_error(op, {test::random_leaf(context, {2, 3, 2, 4}, 1)}), 5e-3);
}

TEST(PixelGateOp, GradientsReachEveryInput) {
  const ContextPtr context = poisoned();
  const auto op = [](const std::vector<Tensor>& in) {
    return pixel_gate(in[0], in[1], in[2], in[3]);
  };
  EXPECT_LT(
      test::tape_error(
          op, {test::random_leaf(context, {1, 2, 3, 4}, 1), test::random_leaf(context, {4}, 2),
               test::random_leaf(context, {1}, 3), test::random_leaf(context, {1}, 4)}),
      5e-3);
}

}  // namespace
}  // namespace ktrain
