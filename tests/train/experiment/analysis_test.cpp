// The analysis on experiments with known effects: it finds what is there, stays silent where there
// is nothing, at the rates that it promises.
#include "train/experiment/analysis.h"

#include <algorithm>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/experiment.h"
#include "train/experiment/planned_power.h"
#include "train/experiment/report.h"

namespace ktrain::experiment {
namespace {

using test::TrueEffects;

Design trial(std::int64_t seeds) {
  return parse_design(test::experiment_text(seeds), "configs/trial.cfg");
}

const TrueEffects kConflict = {.cosine_poor = -0.15,
                               .cosine_good = -0.03,
                               .tax = 0.09,
                               .held_out = 5e-4,
                               .change_poor = -0.015,
                               .change_good = -0.003};

TEST(Analysis, ConfirmsAConflictThatIsThere) {
  const Design design = trial(8);
  int confirmed = 0;
  for (std::uint32_t i = 0; i < 50; ++i)
    confirmed +=
        analyse(design, test::draw_runs(design, kConflict, i)).verdict == Verdict::kConfirmed;
  EXPECT_GE(confirmed, 45);
}

TEST(Analysis, RefutesWhereEverythingIsWithinTheMargins) {
  const Design design = trial(8);
  const TrueEffects nothing = {.cosine_sd = 0.004, .ap_sd = 0.0015};
  int refuted = 0;
  for (std::uint32_t i = 0; i < 50; ++i)
    refuted += analyse(design, test::draw_runs(design, nothing, i)).verdict == Verdict::kRefuted;
  EXPECT_GE(refuted, 45);
}

TEST(Analysis, AConflictThatCostsNothingIsImmaterial) {
  const Design design = trial(8);
  TrueEffects effects = {.cosine_poor = -0.15, .cosine_good = -0.15};
  int immaterial = 0;
  for (std::uint32_t i = 0; i < 50; ++i) {
    const Verdict verdict = analyse(design, test::draw_runs(design, effects, i)).verdict;
    immaterial += verdict == Verdict::kImmaterial;
    EXPECT_NE(verdict, Verdict::kConfirmed);
  }
  EXPECT_GE(immaterial, 42);  // H2's difference, held-out loss and AP are null: some 5 % in all err
}

TEST(Analysis, TooMuchNoiseIsInconclusiveAndSaysHowManySeedsItWouldTake) {
  const Design design = trial(4);
  const TrueEffects noisy = {.cosine_sd = 0.1, .ap_sd = 0.02};
  int inconclusive = 0;
  for (std::uint32_t i = 0; i < 20; ++i) {
    const Analysis analysis = analyse(design, test::draw_runs(design, noisy, i));
    inconclusive += analysis.verdict == Verdict::kInconclusive;
    if (analysis.verdict == Verdict::kInconclusive) {
      EXPECT_THAT(analysis.reason, testing::HasSubstr("need n = "));
    }
  }
  EXPECT_GE(inconclusive, 18);
}

TEST(Analysis, SaysWhenNoCosineCouldBeMeasured) {
  const Design design = trial(4);
  auto runs = test::draw_runs(design, kConflict, 1);
  for (MeasuredRun& run : runs) {
    for (const auto& [group, value] : run.measure.xcos) run.measure.below_noise[group] = 2;
    run.measure.xcos.clear();
  }
  const Analysis analysis = analyse(design, runs);
  EXPECT_EQ(analysis.verdict, Verdict::kInconclusive);
  EXPECT_FALSE(analysis.hypotheses[0].supported);
  // Of the treatment under the poor quality: two windows of each seed in every group.
  EXPECT_THAT(analysis.reason,
              testing::HasSubstr(fmt::format("in {} windows", 4 * 2 * design.groups.size())));
  EXPECT_THAT(report_markdown(design, runs, analysis, "nowhere"),
              testing::HasSubstr("of the cosines too few could be measured to say"));
}

// The cosine exactly at the bound, everything else null: no hypothesis may be supported in more
// than alpha of experiments, whichever of them.
TEST(Analysis, ErrsInNoMoreThanAlphaOfExperiments) {
  const Design design = trial(6);
  const TrueEffects null = {
      .cosine_poor = -0.02, .cosine_good = -0.02, .tax = 0.05, .recovered = 1};
  constexpr int kTrials = 2000;
  int any = 0, first = 0;
  for (std::uint32_t i = 0; i < kTrials; ++i) {
    const auto h = analyse(design, test::draw_runs(design, null, i)).hypotheses;
    any += std::any_of(h.begin(), h.end(), [](auto& x) { return x.supported; });
    first += h[0].supported;
  }
  // Three standard errors of 5 % in 2000: 1.5 %.
  EXPECT_LE(any, kTrials * 0.065);
  EXPECT_GE(any, kTrials * 0.01);  // a rule that can never speak would pass the line above
  EXPECT_LE(first, kTrials * 0.05);
}

// Bonferroni over the groups holds the whole set of intervals at 95 %.
TEST(Analysis, GroupIntervalsCoverTogether) {
  const Design design = trial(6);
  const TrueEffects effects = {.cosine_poor = -0.07};
  constexpr int kTrials = 2000;
  int missed = 0;
  for (std::uint32_t i = 0; i < kTrials; ++i) {
    bool all = true;
    for (const GroupSummary& group : analyse(design, test::draw_runs(design, effects, i)).groups) {
      const double truth = group.visible ? -0.07 : 0;
      all = all && group.poor->lo <= truth && truth <= group.poor->hi;
    }
    missed += !all;
  }
  EXPECT_LE(missed, kTrials * 0.065);
  EXPECT_GE(missed, kTrials * 0.02);
}

TEST(Analysis, EveryRunCounts) {
  const Design design = trial(4);
  auto runs = test::draw_runs(design, kConflict, 1);
  runs.back().state = CellState::kMissing;
  Analysis analysis = analyse(design, runs);
  EXPECT_EQ(analysis.verdict, Verdict::kIncomplete);
  EXPECT_THAT(analysis.reason, testing::HasSubstr("1 of 48 runs are missing"));
  // A run that failed by its own numbers is a result: it is counted, told, and has no AP.
  runs.back().state = CellState::kFailed;
  runs.back().failure = "KT-NUM-001: loss is nan";
  analysis = analyse(design, runs);
  EXPECT_NE(analysis.verdict, Verdict::kIncomplete);
  EXPECT_EQ(analysis.arms.back().failed, 1);
  EXPECT_EQ(analysis.arms.back().map->n, 3);
  EXPECT_THAT(report_markdown(design, runs, analysis, "nowhere"),
              testing::AllOf(testing::HasSubstr("## Failed runs"),
                             testing::HasSubstr("seed 4, q3, copy: KT-NUM-001: loss is nan")));
}

TEST(Analysis, AnArmThatIsComparedAndDivergedLeavesNoVerdict) {
  const Design design = trial(10);
  auto runs = test::draw_runs(design, kConflict, 3);
  ASSERT_EQ(analyse(design, runs).verdict, Verdict::kConfirmed);
  for (MeasuredRun& run : runs)
    if (run.cell.quality == design.roles.poor && run.cell.arm == design.roles.treatment &&
        run.cell.seed == 2)
      run.state = CellState::kFailed;
  const Analysis analysis = analyse(design, runs);
  EXPECT_EQ(analysis.verdict, Verdict::kInconclusive);
  EXPECT_THAT(analysis.reason, testing::HasSubstr("1 runs of the arms that are compared failed"));
}

TEST(Analysis, ADesignTellsWhatItCanFind) {
  // (t_{.95,3} + t_{.8,3}) / 2 = (2.35336 + .97847) / 2; one of ten groups: t_{.995,3} = 5.84091.
  Design design = trial(4);
  design.groups.resize(10, "visible.layer1");
  EXPECT_THAT(planned_text(design), testing::HasSubstr("a mean 1.67 standard deviations"));
  EXPECT_THAT(planned_text(design), testing::HasSubstr("one of 10 groups 3.41;"));
}

TEST(Analysis, ReportsControlsAsTheyAre) {
  const Design design = trial(4);
  auto runs = test::draw_runs(design, kConflict, 2);
  const auto text = [&] { return report_markdown(design, runs, analyse(design, runs), "nowhere"); };
  EXPECT_THAT(text(), testing::HasSubstr("| q3 | negative | alarm | 4 of 4 | yes |"));
  EXPECT_THAT(text(), testing::HasSubstr("| q3 | copy | be silent | 0 of 4 | yes |"));
  for (MeasuredRun& run : runs)
    if (run.cell.arm == "copy" && run.cell.seed == 3) run.measure.warnings = 1;
  EXPECT_THAT(text(), testing::HasSubstr("| q3 | copy | be silent | 0 of 4 | yes |"));
  for (MeasuredRun& run : runs)
    if (run.cell.arm == "copy" && run.cell.seed == 3) run.measure.alarms = 1;
  EXPECT_THAT(text(), testing::HasSubstr("| q3 | copy | be silent | 1 of 4 | **no** |"));
}

TEST(Analysis, TheDoseSlopeIsTheOneThatWasPlanted) {
  const Design design = trial(5);
  auto runs = test::draw_runs(design, {.ap_sd = 0, .seed_sd = 0.05}, 3);
  for (MeasuredRun& run : runs)
    if (!run.cell.warm())
      if (const auto dose = design.arm_named(run.cell.arm).dose)
        *run.measure.map -= 0.01 * *dose + 1e-4 * static_cast<double>(run.cell.seed) * *dose;
  const Analysis analysis = analyse(design, runs);
  ASSERT_TRUE(analysis.doses[0].on_dose);
  EXPECT_NEAR(analysis.doses[0].on_dose->mean, -0.0103, 1e-9);
  EXPECT_LT(analysis.doses[0].on_dose->hi, 0);
}

}  // namespace
}  // namespace ktrain::experiment
