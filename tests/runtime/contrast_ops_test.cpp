#include <gtest/gtest.h>

#include "runtime/ops.h"
#include "runtime/ops_contrast.h"
#include "tests/support/tape.h"

namespace ktrain {
namespace {

using test::random_leaf;
using test::tape_error;

TEST(ContrastOps, GradientsReachTheRightInputs) {
  const ContextPtr context = make_cpu_context();
  const Tensor valid = Tensor::from<float>(context, {4}, std::vector{1.0f, 1.0f, 0.0f, 1.0f});
  const Tensor weight = Tensor::from<float>(context, {4}, std::vector{0.5f, 1.0f, 1.0f, 0.2f});
  const auto contrast = [&](const std::vector<Tensor>& x) {
    return info_nce({x[0], x[1], x[2], valid, weight}, {}).loss;
  };
  // In float: a step of 1e-2 and a few hundred terms leave 1e-3 (tests/support/tape.h).
  EXPECT_LT(tape_error(contrast, {random_leaf(context, {4, 3}, 1), random_leaf(context, {4, 3}, 2),
                                  random_leaf(context, {1}, 3)}),
            2e-3);
  const auto unit = [](const std::vector<Tensor>& x) { return l2_normalize(x[0]); };
  EXPECT_LT(tape_error(unit, {random_leaf(context, {3, 5}, 4)}), 2e-3);
}

TEST(ContrastOps, ARowsGradientIsScaledAndItsValueIsNot) {
  const ContextPtr context = make_cpu_context();
  const Tensor x = random_leaf(context, {2, 2}, 1);
  const Tensor factor = Tensor::from<float>(context, {2}, std::vector{0.0f, 3.0f});
  const Tensor y = scale_row_gradients(x, factor), dy = random_leaf(context, {2, 2}, 2).detached();
  EXPECT_EQ(y.to_vector<float>(), x.to_vector<float>());
  const auto dx = gradients({&y, 1}, {&dy, 1}, {&x, 1})[0].to_vector<float>();
  const auto given = dy.to_vector<float>();
  EXPECT_EQ(dx, (std::vector<float>{0, 0, 3 * given[2], 3 * given[3]}));
}

TEST(ContrastOps, RowsChangePlacesAndGradientsGoBack) {
  const ContextPtr context = make_cpu_context();
  const Tensor x = random_leaf(context, {4, 2}, 1);
  const Tensor valid = Tensor::from<float>(context, {4}, std::vector{1.0f, 0.0f, 1.0f, 1.0f});
  const auto moved = [&](const std::vector<Tensor>& in) { return next_rows(in[0], valid); };
  const auto from = x.to_vector<float>(), to = moved({x}).to_vector<float>();
  for (const auto& [row, source] : {std::pair{0, 2}, {1, 1}, {2, 3}, {3, 0}})
    for (int c = 0; c < 2; ++c)
      EXPECT_EQ(to[static_cast<std::size_t>(row * 2 + c)],
                from[static_cast<std::size_t>(source * 2 + c)]);
  EXPECT_LT(tape_error(moved, {x}), 2e-3);
}

TEST(ContrastOps, PlanningTouchesNothing) {
  const ContextPtr context = make_cpu_context();
  context->queue.planning = true;
  const Tensor identity = Tensor::zeros(context, {2, 3}, DType::kI32);
  RoiTrainingSet set;
  set.rois = Tensor::empty(context, {8, 4});
  set.labels = set.targets = Tensor::empty(context, {8}, DType::kI32);
  const PairRows rows = positive_rows(set, identity, 3, 1);
  EXPECT_EQ(rows.rois.size(0), 6);
  EXPECT_EQ(exclusions(rows, {}).size(), 36);
  Tensor u = Tensor::empty(context, {6, 4});
  u.set_requires_grad(true);
  const InfoNceResult result = info_nce({u, u, filled(context, {1}, 0), rows.valid}, {});
  EXPECT_TRUE(result.loss.requires_grad());
}

}  // namespace
}  // namespace ktrain
