// Intervals that hold for all cells of a heat map together, and what a report says without probes.
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/monitor_fixture.h"
#include "tests/support/tiny_run.h"
#include "train/monitor/statistics.h"
#include "train/report/conflict.h"
#include "train/report/report_command.h"

namespace ktrain::test {
namespace {

using report::Estimate;
using testing::HasSubstr;

std::string page_of_run(const TinyRun& tiny) {
  std::ostringstream said;
  const std::string out = tiny.runs() + "/r.html";
  EXPECT_EQ(run_report({.runs = {tiny.run_folder()}, .out = out}, said), 0);
  return read_text(out);
}

TEST(ReportConflict, TheCorrectedIntervalIsTheQuantileSharedAmongCells) {
  Estimate e{.value = 0.3, .lo = 0.1, .hi = 0.5, .degrees = 15};
  report::correct(e, 1);
  EXPECT_NEAR(*e.family_lo, 0.1, 1e-12);
  EXPECT_EQ(e.silent, "");
  // t tables: 2.131 at 0.975 and 3.286 at 0.9975, 15 degrees.
  report::correct(e, 10);
  EXPECT_NEAR(*e.family_lo, 0.3 - 0.2 * 3.286 / 2.131, 1e-3);
  EXPECT_NEAR(*e.family_hi, 0.3 + 0.2 * 3.286 / 2.131, 1e-3);
  EXPECT_EQ(e.silent, "alone it excludes 0, for all 10 cells together it does not");
  Estimate sequence{.value = -0.3, .lo = -0.5, .hi = -0.1, .n = 24};
  report::correct(sequence, 10);
  EXPECT_NEAR(*sequence.family_hi - *sequence.value,
              0.2 * sequence_half_width(24, 1, 0.0025) / sequence_half_width(24, 1, 0.025), 1e-12);
}

// Maps in which every true value is 0: a coloured cell in one of twenty, as the caption says.
TEST(ReportConflict, OneInTwentyMapsWithoutConflictHasAColouredCell) {
  constexpr int kMaps = 2000, kCells = 40, kBlocks = 16;
  std::mt19937_64 random(7);
  std::normal_distribution<double> normal;
  int coloured = 0, uncorrected = 0;
  for (int map = 0; map < kMaps; ++map) {
    bool any = false, alone = false;
    for (int cell = 0; cell < kCells; ++cell) {
      double blocks[kBlocks], sum = 0;
      for (double& block : blocks) sum += block = normal(random);
      std::vector<double> without;
      for (const double block : blocks) without.push_back((sum - block) / (kBlocks - 1));
      const Interval interval = jackknife_interval(sum / kBlocks, without);
      Estimate e{.value = interval.value,
                 .lo = interval.lo,
                 .hi = interval.hi,
                 .n = kBlocks,
                 .degrees = kBlocks - 1};
      alone = alone || *e.lo > 0 || *e.hi < 0;
      report::correct(e, kCells);
      any = any || e.silent.empty();
    }
    coloured += any;
    uncorrected += alone;
  }
  // 1 - (1 - 0.05 / 40)^40 = 0.0488 of 2000 maps: 97.6, deviation 9.6; four of them to each side.
  EXPECT_NEAR(coloured, 97.6, 39);
  // Without the correction 1 - 0.95^40 = 0.871.
  EXPECT_GT(uncorrected, 1650);
}

TEST(ReportConflict, TheCaptionCountsItsCells) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train({"train.epochs=1"}), 0);
  write_monitor_fixture(tiny.run_folder());
  const std::string page = page_of_run(tiny);
  // Three windows and two epochs of three groups; visible.layer1 is in conflict in all, fusion
  // agrees in both epochs, thermal.layer1 is silent, and so is fusion below the noise.
  EXPECT_THAT(page, HasSubstr("5 cells show conflict, 2 agreement, of 8 nothing can be said"));
  EXPECT_THAT(page, HasSubstr("cells of the maps: 9, 6"));
  EXPECT_THAT(page, HasSubstr("for all 9 cells ["));
}

TEST(ReportConflict, WithoutProbesItSaysWhichKeyToSet) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train({"train.epochs=1", "monitor.profile=off"}), 0);
  EXPECT_THAT(page_of_run(tiny), HasSubstr("The conflict monitor was off"));
  EXPECT_THAT(page_of_run(tiny), HasSubstr("Set <code>monitor.profile = \"watch\"</code>"));
  write_text(tiny.run_folder() + "/run.cfg", "[loss.macl]\nweight = 0.05\n");
  EXPECT_THAT(page_of_run(tiny), HasSubstr("<code>monitor.interval</code>"));
  write_text(tiny.run_folder() + "/run.cfg", "no.such.key = 1\n");
  EXPECT_THAT(page_of_run(tiny), HasSubstr("The plan cannot be read, which might say why"));
}

}  // namespace
}  // namespace ktrain::test
