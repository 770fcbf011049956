#include <gtest/gtest.h>

#include "kernels/profile.h"
#include "runtime/ops.h"
#include "tests/support/tape.h"

namespace ktrain {
namespace {

using test::random_leaf;
using test::tape_error;

TEST(Conv2dOp, GradientsReachEveryInput) {
  const ContextPtr c = make_cpu_context();
  for (const std::int64_t stride : {1, 2}) {
    const Conv2dOptions options = {.stride = stride, .pad = 1};
    const Shape out = {2, conv2d_out_size(5, 3, options), conv2d_out_size(4, 3, options), 4};
    const auto op = [&](const std::vector<Tensor>& t) {
      return conv2d(t[0], t[1], {t[2], t[3], t[4]}, options);
    };
    EXPECT_LT(tape_error(op, {random_leaf(c, {2, 5, 4, 3}, 1), random_leaf(c, {4, 3, 3, 3}, 2),
                              random_leaf(c, {4}, 3, 0.5f, 2), random_leaf(c, {4}, 4),
                              random_leaf(c, out, 5)}),
              5e-3);
  }
}

TEST(Conv2dOp, ReluPassesGradientOnlyWhereTheOutputIsPositive) {
  const ContextPtr c = make_cpu_context();
  const Tensor x = random_leaf(c, {1, 6, 6, 4}, 1), w = random_leaf(c, {8, 1, 1, 4}, 2);
  const Tensor residual = random_leaf(c, {1, 6, 6, 8}, 3);
  const Tensor y = conv2d(x, w, {.residual = residual}, {.relu = true});
  const Tensor dy = filled(c, y.shape(), 1);
  const auto got = gradients({&y, 1}, {&dy, 1}, {&residual, 1})[0].to_vector<float>();
  const auto out = y.to_vector<float>();
  int positive = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    EXPECT_EQ(got[i], out[i] > 0 ? 1.0f : 0.0f);
    positive += out[i] > 0;
  }
  EXPECT_GT(positive, 50);
  EXPECT_LT(positive, 250);
}

TEST(Conv2dOp, FrozenInputsCostNothing) {
  const ContextPtr c = make_cpu_context();
  Profile profile;
  c->queue.profile = &profile;
  const Tensor x = random_leaf(c, {1, 8, 8, 4}, 1).detached();
  Tensor w = random_leaf(c, {8, 3, 3, 4}, 2);
  const Tensor y = conv2d(x, w, {}, {.pad = 1});
  const Tensor dy = filled(c, y.shape(), 1);
  (void)gradients({&y, 1}, {&dy, 1}, {&w, 1});
  EXPECT_EQ(profile.entries().count("conv2d_backward_data"), 0u);
  EXPECT_EQ(profile.entries().at("conv2d_backward_weights").calls, 1);
  // 64 pixels, 8 filters of 36 taps, two operations each.
  EXPECT_DOUBLE_EQ(profile.entries().at("conv2d_forward").flops, 2.0 * 64 * 8 * 36);
  c->queue.profile = nullptr;
  EXPECT_FALSE(conv2d(x, w.detached(), {}, {.pad = 1}).requires_grad());
}

TEST(LinearOp, GradientsReachEveryInput) {
  const ContextPtr c = make_cpu_context();
  const auto op = [](const std::vector<Tensor>& t) { return linear(t[0], t[1], t[2]); };
  EXPECT_LT(tape_error(
                op, {random_leaf(c, {5, 7}, 1), random_leaf(c, {3, 7}, 2), random_leaf(c, {3}, 3)}),
            5e-3);
  // Far from the kink, so that a step cannot cross it.
  const auto relu = [](const std::vector<Tensor>& t) { return linear(t[0], t[1], t[2], true); };
  EXPECT_LT(tape_error(relu, {random_leaf(c, {4, 3}, 1, 0.5f, 1),
                              random_leaf(c, {2, 3}, 2, 0.5f, 1), random_leaf(c, {2}, 3)}),
            5e-3);
  EXPECT_THROW((void)linear(random_leaf(c, {5, 7}, 1), random_leaf(c, {3, 6}, 2), Tensor()), Error);
}

TEST(Planning, TouchesNoMemoryAndTellsThePeak) {
  const ContextPtr c = make_cpu_context();
  const Tensor w = random_leaf(c, {64, 3, 3, 64}, 2);
  c->queue.planning = true;
  c->memory.reset_peak();
  {
    // 20 GiB of activations: more than the test may really take.
    const Tensor x = Tensor::empty(c, {20, 1024, 1024, 64});
    const Tensor y = conv2d(x, w, {}, {.pad = 1, .relu = true});
    const Tensor dy = Tensor::empty_like(y);
    const auto got = gradients({&y, 1}, {&dy, 1}, {&w, 1});
    EXPECT_EQ(got[0].shape(), w.shape());
  }
  EXPECT_GT(c->memory.usage().peak_bytes, std::int64_t{15} << 30);
}

}  // namespace
}  // namespace ktrain
