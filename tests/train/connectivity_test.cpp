// T20: what is switched on but trains nothing stops the run with its name.
#include "train/connectivity.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/fault.h"
#include "runtime/ops.h"
#include "runtime/ops_contrast.h"

namespace ktrain {
namespace {

using testing::HasSubstr;

class Connectivity : public testing::Test {
 protected:
  Connectivity() { trunk_.set_requires_grad(true); }

  Tensor level() { return add(trunk_, trunk_); }
  [[nodiscard]] Tensor rows(std::int32_t count) const {
    return Tensor::from<std::int32_t>(context_, {1}, std::vector{count});
  }
  // `value` of a level and how many rows it came from; the fault after as many steps as it takes.
  std::string fault_after(std::int64_t steps, const std::function<Tensor(const Tensor&)>& value,
                          std::int32_t count, const std::string& id) {
    ConnectivityWatch watch({"macl"});
    for (std::int64_t step = 1; step <= steps; ++step) {
      const Tensor pyramid = level();
      const auto look = [&] {
        watch.look({{"macl", value(pyramid), 0.5}}, {{{}, rows(count), {}, {}}}, {pyramid}, step);
      };
      if (step < steps) {
        look();
        continue;
      }
      try {
        look();
      } catch (const Fault& fault) {
        EXPECT_EQ(fault.id(), id);
        return fault.what();
      }
    }
    return "no fault";
  }

  ContextPtr context_ = make_cpu_context();
  Tensor trunk_ = filled(context_, {1, 4}, 0.5f), head_ = leaf();
  Tensor leaf() {
    Tensor head = filled(context_, {1, 4}, 0.25f);
    head.set_requires_grad(true);
    return head;
  }
};

Tensor dot(const Tensor& x, const Tensor& w) { return reshape(linear(x, w, {}), {1}); }

TEST_F(Connectivity, OneGradientIsProofEnough) {
  ConnectivityWatch watch({"macl"});
  EXPECT_FALSE(watch.done());
  const Tensor pyramid = level();
  watch.look({{"macl", dot(pyramid, head_), 0}}, {{{}, rows(3), {}, {}}}, {pyramid}, 1);
  EXPECT_TRUE(watch.done());
}

// T20.
TEST_F(Connectivity, AStoppedGradientIsFoundWithinTwentySteps) {
  const Tensor nothing = filled(context_, {1}, 0);
  const auto stopped = [&](const Tensor& x) { return dot(scale_row_gradients(x, nothing), head_); };
  const std::string text = fault_after(20, stopped, 3, "KT-NUM-006");
  EXPECT_THAT(text, HasSubstr("loss term 'macl' is not connected"));
  const auto detached = [&](const Tensor& x) { return dot(x.detached(), head_); };
  EXPECT_THAT(fault_after(20, detached, 3, "KT-NUM-006"), HasSubstr("'macl'"));
}

TEST_F(Connectivity, AValueWithoutHistoryIsRefusedAtOnce) {
  const auto constant = [&](const Tensor& x) { return dot(x, head_).detached(); };
  EXPECT_THAT(fault_after(1, constant, 3, "KT-NUM-002"), HasSubstr("it is detached"));
}

TEST_F(Connectivity, FeaturesThatNothingTrainsAreRefusedAtOnce) {
  trunk_.set_requires_grad(false);
  EXPECT_THAT(fault_after(
                  1, [&](const Tensor& x) { return dot(x, head_); }, 3, "KT-NUM-002"),
              HasSubstr("nothing trains"));
}

TEST_F(Connectivity, NoPairInTwentyStepsStopsTheRun) {
  const auto zero = [&](const Tensor& x) { return weighted_sum({dot(x, head_)}, {0.0f}); };
  EXPECT_THAT(fault_after(20, zero, 0, "KT-NUM-004"), HasSubstr("no pair has arrived in 20 steps"));
  EXPECT_THAT(fault_after(20, zero, 2, "KT-NUM-005"), HasSubstr("'macl' has been 0"));
}

TEST_F(Connectivity, APairInTheLastStepIsInTime) {
  ConnectivityWatch watch({"macl"});
  for (std::int64_t step = 1; step <= 20; ++step) {
    const Tensor pyramid = level();
    const Tensor value = weighted_sum({dot(pyramid, head_)}, {step < 20 ? 0.0f : 1.0f});
    watch.look({{"macl", value, 1}}, {{{}, rows(step < 20 ? 0 : 2), {}, {}}}, {pyramid}, step);
  }
  EXPECT_TRUE(watch.done());
}

TEST_F(Connectivity, AGradientThatIsNotFiniteIsNamed) {
  const auto broken = [&](const Tensor& x) { return weighted_sum({dot(x, head_)}, {NAN}); };
  EXPECT_THAT(fault_after(1, broken, 3, "KT-NUM-003"), HasSubstr("'macl'"));
}

}  // namespace
}  // namespace ktrain
