#include <gtest/gtest.h>

#include "runtime/ops.h"
#include "tests/support/tape.h"

namespace ktrain {
namespace {

using test::random_leaf;
using test::tape_error;

constexpr double kTolerance = 5e-3;  // see tape_error

TEST(NormOps, FrozenNormIsAScaleAndAShift) {
  const ContextPtr c = make_cpu_context();
  const Tensor mean = random_leaf(c, {4}, 8).detached();
  const Tensor var = random_leaf(c, {4}, 9, 0.5f, 2).detached();
  const auto op = [&](const std::vector<Tensor>& t) {
    const FoldedNorm norm = fold_norms({{t[2], t[3], mean, var}}, 1e-5).front();
    return conv2d(t[0], t[1], {.scale = norm.scale, .shift = norm.shift}, {.pad = 1});
  };
  EXPECT_LT(tape_error(op, {random_leaf(c, {1, 4, 3, 2}, 1), random_leaf(c, {4, 3, 3, 2}, 2),
                            random_leaf(c, {4}, 3), random_leaf(c, {4}, 4)}),
            kTolerance);
}

TEST(NormOps, BatchNormGradientsAndRunningStatistics) {
  const ContextPtr c = make_cpu_context();
  const Tensor mean = filled(c, {3}, 0), var = filled(c, {3}, 1);
  const auto op = [&](const std::vector<Tensor>& t) {
    return batch_norm(t[0], {t[1], t[2], mean, var}, 1e-3, 0.1);
  };
  EXPECT_LT(tape_error(op, {random_leaf(c, {2, 3, 4, 3}, 1), random_leaf(c, {3}, 2),
                            random_leaf(c, {3}, 3)}),
            kTolerance);
  EXPECT_NE(mean.to_vector<float>()[0], 0.0f) << "the running mean did not move";
}

TEST(MapOps, PoolUpsampleConcatRelu) {
  const ContextPtr c = make_cpu_context();
  EXPECT_LT(tape_error([](const auto& t) { return max_pool(t[0], {}); },
                       {random_leaf(c, {1, 7, 6, 2}, 5)}, 1e-3f),
            0.02);  // a smaller step, so that no maximum changes hands: more rounding
  EXPECT_LT(tape_error(
                [](const auto& t) {
                  return max_pool(t[0], {1, 2, 0});
                },
                {random_leaf(c, {1, 7, 6, 2}, 1)}),
            kTolerance);
  EXPECT_LT(tape_error([](const auto& t) { return upsample_add(t[0], t[1]); },
                       {random_leaf(c, {2, 2, 3, 2}, 1), random_leaf(c, {2, 5, 6, 2}, 2)}),
            kTolerance);
  EXPECT_LT(tape_error([](const auto& t) { return concat(t[0], t[1]); },
                       {random_leaf(c, {2, 2, 3, 2}, 1), random_leaf(c, {2, 2, 3, 5}, 2)}),
            kTolerance);
  EXPECT_LT(
      tape_error([](const auto& t) { return relu(t[0]); }, {random_leaf(c, {40}, 1, 0.1f, 1)}),
      kTolerance);
}

TEST(RoiAlignOp, GradientsReachTheLevelThatWasRead) {
  const ContextPtr c = make_cpu_context();
  const Tensor rois =
      Tensor::from<float>(c, {3, 4}, std::vector<float>{3, 4, 30, 41, 0, 0, 200, 180, 5, 5, 9, 9});
  const Tensor image = Tensor::from<std::int32_t>(c, {3}, std::vector<std::int32_t>{1, 0, -1});
  const auto op = [&](const std::vector<Tensor>& t) {
    return roi_align({t[0], t[1], t[2], t[3]}, rois, image, 2);
  };
  std::vector<Tensor> levels = {random_leaf(c, {2, 16, 16, 2}, 1), random_leaf(c, {2, 8, 8, 2}, 2),
                                random_leaf(c, {2, 4, 4, 2}, 3), random_leaf(c, {2, 2, 2, 2}, 4)};
  EXPECT_LT(tape_error(op, levels), kTolerance);
  const std::vector<float> out = op(levels).to_vector<float>();
  for (std::size_t i = 16; i < 24; ++i) EXPECT_EQ(out[i], 0.0f) << "a padded row";
}

TEST(CrossEntropyOp, GradientUnderARandomCotangent) {
  const ContextPtr c = make_cpu_context();
  const Tensor labels = Tensor::from<std::int32_t>(c, {4}, std::vector<std::int32_t>{0, 2, -1, 1});
  const Tensor avg = filled(c, {1}, 3);
  EXPECT_LT(tape_error([&](const auto& t) { return cross_entropy(t[0], labels, avg); },
                       {random_leaf(c, {4, 3}, 1)}),
            kTolerance);
}

}  // namespace
}  // namespace ktrain
