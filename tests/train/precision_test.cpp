// Training in bf16 and tf32 against training in float, on the CPU.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/kaist_tree.h"
#include "tests/support/tiny_run.h"
#include "train/run_setup.h"
#include "train/run_state.h"

namespace ktrain::test {
namespace {

using Overrides = std::vector<std::string>;

// A run that chooses no regions, so that a small difference stays one: every anchor is proposed,
// nothing is suppressed and every proposal is trained on.
class PrecisionTest : public testing::Test {
 protected:
  PrecisionTest() { (void)write_kaist_tree(data_, 8); }

  [[nodiscard]] RunSetup setup(const std::string& precision, const Overrides& more = {}) const {
    Overrides overrides = {"data.preset=kaist",
                           "data.root=" + data_.path().string(),
                           "data.train=train",
                           "data.val=train",
                           "optimizer.kind=sgd",
                           "optimizer.lr=0.005",
                           "train.epochs=10",
                           "threads=1",
                           "model.rpn.nms_pre=2000",
                           "model.rpn.max_proposals=1100",
                           "model.rpn.nms=1.0",
                           "model.roi.samples=1200",
                           "model.roi.positive_share=1.0",
                           "train.precision=" + precision};
    overrides.insert(overrides.end(), more.begin(), more.end());
    return RunSetup(load_plan(tiny_.plan(), overrides), [](const std::string&) {});
  }

  TempFolder data_;
  TinyRun tiny_;
};

// Maps that are rounded on the longest way to a loss: the image, the stem's three, seven in each of
// eight blocks, five in the pyramid, two in fusion, three in the RoI head. Each rounding is off by
// 2^-8 of a number at most, evenly, so by 2^-8 / sqrt(3) in the mean; roundings are independent and
// normalisations keep their share of a map. Weights are rounded once a layer more: 25 of them.
constexpr double kRoundings = 1 + 3 + 8 * 7 + 5 + 2 + 3 + 25;
const double kDeviation = std::sqrt(kRoundings) / 256 / std::sqrt(3.0);

TEST_F(PrecisionTest, LossesStayWithinTheRoundingsOfFloats) {
  RunSetup exact = setup("float"), low = setup("bf16");
  double worst = 0;
  for (std::int64_t step = 0; step < 6; ++step) {
    const StepReport want = exact.train_step(step), got = low.train_step(step);
    ASSERT_EQ(got.values.terms.size(), want.values.terms.size());
    // Gradients are off by the roundings of the way there and back, and each step adds its own.
    const double limit = 3 * kDeviation * std::sqrt(1.0 + 2.0 * static_cast<double>(step));
    for (std::size_t i = 0; i < want.values.terms.size(); ++i) {
      const double off = std::abs(got.values.terms[i] - want.values.terms[i]);
      if (want.values.terms[i] > 0) worst = std::max(worst, off / want.values.terms[i]);
      EXPECT_LE(off, limit * want.values.terms[i])
          << "step " << step << ", term " << i << ": " << got.values.terms[i] << ", in float "
          << want.values.terms[i];
      if (step == 0) {
        EXPECT_NE(got.values.terms[i], want.values.terms[i]) << "nothing is rounded";
      }
    }
    EXPECT_NEAR(got.gradient_norm, want.gradient_norm, 2 * limit * want.gradient_norm);
  }
  RecordProperty("worst", fmt::format("{:.3g}", worst));
}

TEST_F(PrecisionTest, TwoRunsAreEqualToTheBit) {
  RunSetup a = setup("bf16"), b = setup("bf16");
  for (std::int64_t step = 0; step < 4; ++step) {
    const StepReport x = a.train_step(step), y = b.train_step(step);
    EXPECT_EQ(x.values.terms, y.values.terms);
    EXPECT_EQ(x.gradient_norm, y.gradient_norm);
  }
}

TEST_F(PrecisionTest, ASmallSetIsLearntAsInFloat) {
  const auto fall = [&](const std::string& precision) {
    RunSetup run = setup(precision, {"optimizer.kind=adamw", "optimizer.lr=0.002"});
    std::vector<double> totals;
    for (std::int64_t step = 0; step < 40; ++step)
      totals.push_back(run.train_step(step).values.total);
    // The last epoch's mean over the first's.
    const auto mean = [&](std::size_t from) {
      return (totals[from] + totals[from + 1] + totals[from + 2] + totals[from + 3]) / 4;
    };
    return mean(36) / mean(0);
  };
  const double in_float = fall("float"), in_bf16 = fall("bf16");
  RecordProperty("float", fmt::format("{:.3g}", in_float));
  RecordProperty("bf16", fmt::format("{:.3g}", in_bf16));
  EXPECT_LT(in_float, 0.7) << "the float run does not learn: nothing to compare with";
  EXPECT_LT(std::abs(in_bf16 - in_float), 0.1 * (1 - in_float));
}

TEST_F(PrecisionTest, Tf32IsFloatOnTheCpu) {
  RunSetup a = setup("tf32"), b = setup("float");
  for (std::int64_t step = 0; step < 2; ++step) {
    const StepReport x = a.train_step(step), y = b.train_step(step);
    EXPECT_EQ(x.values.terms, y.values.terms);
    EXPECT_EQ(x.gradient_norm, y.gradient_norm);
  }
}

// Weights are float: a checkpoint of each precision starts a run of every other, in a chain that
// has all six pairs.
TEST(PrecisionRun, CheckpointsOfAllPrecisionsStartEachOther) {
  TinyRun tiny;
  std::string before;
  int number = 0;
  for (const char* const precision : {"float", "tf32", "bf16", "tf32", "float", "bf16", "float"}) {
    const std::string name = "run" + std::to_string(++number);
    tiny.write(name + ".cfg", tiny_plan_text(tiny.data()));
    Overrides overrides = {"train.epochs=1", "threads=1",
                           std::string("train.precision=") + precision};
    if (!before.empty()) overrides.push_back("init.checkpoint=" + before);
    RunCommand command = tiny.command(overrides);
    command.plan = std::filesystem::path(tiny.plan()).parent_path() / (name + ".cfg");
    ASSERT_EQ(tiny.run(command), 0) << precision;
    if (!before.empty()) {
      EXPECT_THAT(tiny.output(), testing::HasSubstr(" 0 missing, 0 unexpected, 0 of another shape"))
          << precision;
    }
    const char* const said =
        "precision \"tf32\" is float here: the CPU rounds no operand of a product";
    EXPECT_EQ(tiny.output().find(said) != std::string::npos, precision == std::string("tf32"));
    before = tiny.run_folder(name) + "/weights/best.safetensors";
  }
}

// Batch normalisation, gates, one stream, a shared branch, frozen statistics.
TEST_F(PrecisionTest, EveryShapeOfTheModelTrainsInBf16) {
  for (const Overrides& more :
       {Overrides{"model.fusion=gated", "model.msp=true"}, Overrides{"model.fusion=add"},
        Overrides{"model.shared=true"}, Overrides{"model.streams=thermal"},
        Overrides{"model.norm=frozen"}, Overrides{"model.depth=50"}}) {
    RunSetup run = setup("bf16", more), exact = setup("float", more);
    const StepReport got = run.train_step(0), want = exact.train_step(0);
    EXPECT_NEAR(got.values.total, want.values.total, 4 * kDeviation * want.values.total) << more[0];
    EXPECT_GT(got.gradient_norm, 0) << more[0];
  }
}

}  // namespace
}  // namespace ktrain::test
