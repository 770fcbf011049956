#include "kernels/step_numbers.h"

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"

namespace ktrain {
namespace {

struct Outcome {
  std::vector<float> numbers;
  std::int32_t stopped;
  float factor;
};

Outcome outcome(float loss, float other, std::int32_t rows, std::int32_t stopped_before) {
  NumberSources sources;
  sources.floats[0] = &loss;
  sources.floats[1] = &other;
  sources.integers[2] = &rows;
  sources.count = 3;
  Outcome got{std::vector<float>(3), stopped_before, 0.25f};
  cpu::step_numbers(sources, 1, {got.numbers.data(), 3}, {&got.stopped, 1}, {&got.factor, 1});
  return got;
}

constexpr float kInf = std::numeric_limits<float>::infinity();

TEST(StepNumbers, GathersAndLeavesAFiniteStepAlone) {
  const Outcome got = outcome(1.5f, kInf, 7, 0);
  EXPECT_THAT(got.numbers, testing::ElementsAre(1.5f, kInf, 7.0f));
  EXPECT_EQ(got.stopped, 0);
  EXPECT_EQ(got.factor, 0.25f) << "what is not guarded stops nothing";
}

TEST(StepNumbers, AGuardedNumberThatIsNotFiniteStops) {
  for (const float bad : {kInf, -kInf, std::numeric_limits<float>::quiet_NaN()}) {
    const Outcome got = outcome(bad, 1, 0, 0);
    EXPECT_EQ(got.stopped, 1);
    EXPECT_TRUE(std::isnan(got.factor));
  }
}

TEST(StepNumbers, StoppedOnceIsStoppedForGood) {
  const Outcome got = outcome(1, 1, 0, 1);
  EXPECT_EQ(got.stopped, 1);
  EXPECT_TRUE(std::isnan(got.factor));
}

TEST(StepNumbers, SizesMustAgree) {
  const NumberSources none;
  std::int32_t stopped = 0;
  float one = 1;
  EXPECT_THROW(cpu::step_numbers(none, 0, {&one, 1}, {&stopped, 1}, {&one, 1}), Error);
}

}  // namespace
}  // namespace ktrain
