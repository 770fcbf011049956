#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "runtime/fault.h"
#include "train/bench_step_command.h"

namespace ktrain {
namespace {

BenchStepOptions tiny() {
  BenchStepOptions options;
  options.size = "96x64";
  options.depth = 18;
  options.width = 0.125;
  options.channels = 16;
  options.proposals = 50;
  options.rois = 16;
  options.fc_channels = 32;
  options.threads = 2;
  options.steps = 2;
  return options;
}

nlohmann::json measured(BenchStepOptions options) {
  options.json = true;
  std::ostringstream out;
  EXPECT_EQ(run_bench_step(options, out), 0);
  return nlohmann::json::parse(out.str());
}

// Measured once for all tests that look at it.
const nlohmann::json& tiny_result() {
  static const nlohmann::json result = measured(tiny());
  return result;
}

TEST(BenchStep, EveryPartIsTimedForwardAndBackward) {
  const nlohmann::json& result = tiny_result();
  for (const char* part : {"visible backbone", "thermal backbone", "visible neck", "thermal neck",
                           "fusion", "rpn", "roi align", "roi head"}) {
    EXPECT_GT(result["parts"].value(part, nlohmann::json::object()).value("ms", 0.0), 0) << part;
    EXPECT_TRUE(result["parts"].contains(std::string(part) + ", backward")) << part;
  }
  EXPECT_GT(result["parts"]["clip and AdamW"]["ms"], 0);
  EXPECT_GT(result["step_ms_min"], 0);
  EXPECT_GE(result["step_ms_median"], result["step_ms_min"]);
  EXPECT_GT(result["share_of_fma_peak"], 0);
  EXPECT_GT(result["peak_rss_mib"], result["planned_mib"]);
}

TEST(BenchStep, WorkIsWhatArithmeticSaysItIs) {
  const nlohmann::json& result = tiny_result();
  // Two images of 16 regions: 49 * 16 to 32, 32 to 32, 32 to 2 and 4; forward and two gradients.
  EXPECT_NEAR(result["parts"]["roi head"]["gflop"], 32e-9 * 2 * (784 * 32 + 32 * 32 + 32 * 6),
              1e-9);
  EXPECT_NEAR(result["parts"]["roi head, backward"]["gflop"],
              2 * static_cast<double>(result["parts"]["roi head"]["gflop"]), 1e-9);
  // Frozen: stem and first stage are not walked back.
  EXPECT_LT(result["parts"]["visible backbone, backward"]["gflop"],
            2 * static_cast<double>(result["parts"]["visible backbone"]["gflop"]));
}

TEST(BenchStep, StepsTakeTheMemoryThatWasPlannedAndNoMore) {
  const nlohmann::json& result = tiny_result();
  EXPECT_EQ(result["arena_growths"], 0);
  EXPECT_LE(result["arena_mib"], 1.05 * static_cast<double>(result["planned_with_gaps_mib"]));
}

TEST(BenchStep, OneStreamHasNeitherTheOtherNorFusion) {
  BenchStepOptions options = tiny();
  options.streams = "thermal";
  const nlohmann::json result = measured(options);
  EXPECT_TRUE(result["parts"].contains("thermal backbone"));
  EXPECT_FALSE(result["parts"].contains("visible backbone"));
}

TEST(BenchStep, OptionsThatMakeNoStepAreRefused) {
  const auto message = [](const BenchStepOptions& options) -> std::string {
    std::ostringstream out;
    try {
      run_bench_step(options, out);
    } catch (const Fault& fault) {
      return fault.what();
    }
    return "nothing";
  };
  BenchStepOptions options = tiny();
  for (const char* size : {"640", "640x500", "x", "0x32", "64x64x64"}) {
    options.size = size;
    EXPECT_THAT(message(options), testing::HasSubstr("KT-CLI-001: bench-step: --size")) << size;
  }
  options = tiny();
  options.depth = 20;
  EXPECT_THAT(message(options), testing::HasSubstr("--depth is '20', wanted 18, 34, 50 or 101"));
  options = tiny();
  options.steps = 0;
  EXPECT_THAT(message(options), testing::HasSubstr("--steps is '0', wanted 1 or more"));
}

}  // namespace
}  // namespace ktrain
