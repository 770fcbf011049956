// Ops that take a list of tensors: how many kernels are started, and lanes that use the results.
#include <gtest/gtest.h>

#include "kernels/device/calls.h"
#include "runtime/fork.h"
#include "runtime/ops.h"
#include "runtime/weight_casts.h"
#include "tests/support/tape.h"

namespace ktrain::test {
namespace {

constexpr int kNorms = 61;  // one more than a launch takes

struct Norms {
  explicit Norms(const ContextPtr& c) : context(c) {
    const Shape channels = {5};
    for (unsigned k = 0; k < kNorms; ++k) {
      all.push_back({random_leaf(c, channels, 4 * k + 1), random_leaf(c, channels, 4 * k + 2),
                     random_leaf(c, channels, 4 * k + 3).detached(),
                     random_leaf(c, channels, 4 * k + 4, 0.5f, 2).detached()});
      leaves.insert(leaves.end(), {all.back().gamma, all.back().beta});
    }
  }

  // Of each norm and the next one, the first half in one lane, the rest in another: in the middle
  // both use the same scale.
  [[nodiscard]] std::vector<Tensor> in_two_lanes() const {
    const std::vector<FoldedNorm> folded = fold_norms(all, 1e-5);
    std::vector<Tensor> sums;
    Fork fork(context);
    for (std::size_t k = 0; k + 1 < folded.size(); ++k) {
      fork.enter(k < folded.size() / 2 ? 1 : 2);
      sums.push_back(add(add(relu(folded[k].scale), folded[k + 1].shift), folded[k + 1].scale));
    }
    fork.join();
    return sums;
  }

  ContextPtr context;
  std::vector<FrozenNorm> all;
  std::vector<Tensor> leaves;
};

std::vector<std::vector<float>> lane_gradients(const ContextPtr& context) {
  const Norms norms(context);
  const std::vector<Tensor> sums = norms.in_two_lanes();
  CotangentSet set;
  for (const Tensor& sum : sums)
    set.push_back(
        random_leaf(context, sum.shape(), 900 + static_cast<unsigned>(set.size())).detached());
  std::vector<std::vector<float>> found;
  for (const Tensor& gradient : gradients(sums, set, norms.leaves, Tape::kConsume))
    found.push_back(gradient.defined() ? gradient.to_vector<float>() : std::vector<float>{});
  return found;
}

TEST(DeviceLists, NormsAreFoldedInALaunchPerList) {
  const ContextPtr context = make_cuda_context(1 << 20);
  const Norms norms(context);
  const DeviceCalls before = device_calls();
  const std::vector<FoldedNorm> folded = fold_norms(norms.all, 1e-5);
  EXPECT_EQ((device_calls() - before)[DeviceCall::kLaunch], 2);
  std::vector<Tensor> outputs;
  CotangentSet set;
  for (const FoldedNorm& norm : folded) {
    outputs.insert(outputs.end(), {norm.scale, norm.shift});
    set.insert(set.end(), {norm.shift.detached(), norm.scale.detached()});
  }
  const DeviceCalls halfway = device_calls();
  (void)gradients(outputs, set, norms.leaves);
  EXPECT_EQ((device_calls() - halfway)[DeviceCall::kLaunch], 2);
}

// The op is recorded before the fork and its backward runs after the join, to the CPU's bits.
TEST(DeviceLists, ResultsMayBeUsedInTwoLanes) {
  const auto want = lane_gradients(make_cpu_context());
  EXPECT_EQ(lane_gradients(make_cuda_context(1 << 20)), want);
}

TEST(DeviceLists, WeightsAreConvertedInALaunchPerListAndFoundAgain) {
  const ContextPtr context = make_cuda_context(1 << 20);
  std::vector<Tensor> weights;
  for (unsigned k = 0; k < 121; ++k) weights.push_back(random_leaf(context, {3, 7}, k));
  const DeviceCalls before = device_calls();
  const WeightCastScope scope(weights, DType::kBf16);
  EXPECT_EQ((device_calls() - before)[DeviceCall::kLaunch], 2);
  for (const Tensor& weight : weights) (void)weight_as(weight, DType::kBf16);
  EXPECT_EQ((device_calls() - before)[DeviceCall::kLaunch], 2);
}

}  // namespace
}  // namespace ktrain::test
