// What the monitor takes of a run's memory, by the plan that is made before training.
#include <gtest/gtest.h>

#include "tests/support/tiny_run.h"
#include "train/plan_load.h"
#include "train/run_setup.h"

namespace ktrain {
namespace {

// The detector of configs/plan_a.cfg with MACL, on pictures of its size.
TEST(MonitorMemory, WatchTakesAtMostFivePercentOfTheSmallDetector) {
  const test::TinyRun run;
  const std::string street = std::filesystem::path(run.plan()).parent_path() / "street.cfg";
  run.write("base.cfg", test::read_text(KT_SOURCE_DIR "/configs/base/street.cfg"));
  run.write("street.cfg", "include = [\"base.cfg\"]\n" + std::string("[data]\nroot = \"") +
                              run.data() +
                              "\"\nsynth = { train_pairs = 8, val_pairs = 8, size = [192, 160], "
                              "night = 0.5, empty = 0.2 }\n"
                              "[loss]\nmacl = { weight = 0.05 }\n");
  const auto peak = [&](const char* profile) {
    const auto plan =
        load_plan(street, {std::string("monitor.profile=") + profile, "monitor.drift=off"});
    const RunSetup setup(plan, [](const std::string&) {});
    const MemoryPlan& most = setup.probe_memory() ? *setup.probe_memory() : setup.memory();
    EXPECT_EQ(setup.probe_memory().has_value(), std::string(profile) != "off");
    return static_cast<double>(most.usage.peak_bytes);
  };
  const double off = peak("off"), watch = peak("watch");
  EXPECT_GT(off, 100 << 20) << "megabytes: the detector that is meant";
  EXPECT_LE(watch, 1.05 * off);
  EXPECT_GT(peak("deep"), watch);
}

}  // namespace
}  // namespace ktrain
