// Each compatibility switch alone, in a run from its plan to its folder: what is written down there
// shows the old behaviour.
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/tiny_run.h"

namespace ktrain::test {
namespace {

using Strings = std::vector<std::string>;
using Json = nlohmann::json;

const Strings kTerms = {"threads=1",
                        "output.log_every=1",
                        "train.epochs=2",
                        "model.roi.positive_share=0.5",
                        "loss.macl.weight=0.05",
                        "loss.macl.rows=4",
                        "loss.macl.hidden=16",
                        "loss.macl.channels=8",
                        "loss.macl.temperature=learned",
                        "loss.dhn.weight=0.1",
                        "loss.dhn.queue=64",
                        "loss.dhn.top_k=8",
                        "loss.dhn.frame_gap=0",
                        "loss.domain.weight=0.2",
                        "loss.domain.features=embedding"};
constexpr int kSteps = 8;

struct Record {
  std::vector<Json> steps, audits;  // of scalars.jsonl and monitor.jsonl
  std::string plan, log;            // run.cfg, train.log
};

std::vector<Json> of_kind(const std::string& text, const std::string& kind) {
  std::vector<Json> found;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (Json json = Json::parse(line); json["kind"] == kind) found.push_back(std::move(json));
  return found;
}

Record run(const Strings& more) {
  TinyRun tiny;
  Strings overrides = kTerms;
  overrides.insert(overrides.end(), more.begin(), more.end());
  EXPECT_EQ(tiny.train(overrides), 0) << tiny.output();
  Record record{of_kind(tiny.read("scalars.jsonl"), "train"),
                of_kind(tiny.read("monitor.jsonl"), "audit"), tiny.read("run.cfg"),
                tiny.read("train.log")};
  EXPECT_EQ(record.steps.size(), std::size_t{kSteps});
  EXPECT_EQ(record.audits.size(), 2u) << "at the start of each epoch";
  return record;
}

// The run without a switch, once.
const Record& plain() {
  static const Record record = run({});
  return record;
}

// The terms of the first step, where the weights are still the same, that differ from the plain
// run's.
Strings changed_at_first(const Record& record) {
  Strings changed;
  for (const char* term : {"rpn_cls", "rpn_bbox", "roi_cls", "roi_bbox", "macl", "dhn", "domain"})
    if (record.steps[0][term] != plain().steps[0][term]) changed.emplace_back(term);
  return changed;
}

void expect_weights(const Record& record, const std::map<std::string, double>& configured,
                    const std::map<std::string, double>& applied) {
  for (const Json& audit : record.audits)
    for (const auto& [term, weight] : configured) {
      EXPECT_EQ(audit["configured"][term], weight) << term;
      // A float total is right to some 1e-7 of its value, of which the measured change is a
      // thousandth.
      EXPECT_NEAR(audit["applied"][term].get<double>(), applied.at(term), 2e-3 * applied.at(term))
          << term;
    }
  for (const Json& step : record.steps)
    for (const auto& [term, weight] : applied)
      EXPECT_FLOAT_EQ(step["weight_" + term].get<float>(), static_cast<float>(weight)) << term;
}

const std::map<std::string, double> kConfigured = {{"rpn_cls", 1},  {"rpn_bbox", 1}, {"roi_cls", 1},
                                                   {"roi_bbox", 1}, {"macl", 0.05},  {"dhn", 0.1},
                                                   {"domain", 0.2}};

TEST(CompatRun, WithoutASwitchWhatIsConfiguredIsApplied) {
  expect_weights(plain(), kConfigured, kConfigured);
  EXPECT_THAT(plain().log, testing::Not(testing::HasSubstr("compat.weights")));
}

TEST(CompatRun, IgnoredWeightsAreInTheAudit) {
  const Record record = run({"compat.weights=ignored"});
  auto applied = kConfigured;
  applied["macl"] = applied["dhn"] = applied["domain"] = 2;
  expect_weights(record, kConfigured, applied);
  EXPECT_THAT(record.log, testing::HasSubstr("compat.weights = ignored"));
  EXPECT_THAT(changed_at_first(record), testing::IsEmpty());
  EXPECT_NE(record.steps[kSteps - 1]["rpn_cls"], plain().steps[kSteps - 1]["rpn_cls"]);
}

TEST(CompatRun, DoubledWeightsAreInTheAudit) {
  const Record record = run({"compat.weights=doubled"});
  auto applied = kConfigured;
  applied["roi_cls"] = applied["roi_bbox"] = 2;
  expect_weights(record, kConfigured, applied);
  EXPECT_THAT(record.log, testing::HasSubstr("compat.weights = doubled"));
  EXPECT_THAT(changed_at_first(record), testing::IsEmpty());
  EXPECT_NE(record.steps[kSteps - 1]["rpn_cls"], plain().steps[kSteps - 1]["rpn_cls"]);
}

TEST(CompatRun, OneDirectionIsAnotherValueOfTheSamePairs) {
  const Record record = run({"compat.one_directional=true"});
  EXPECT_THAT(record.plan, testing::HasSubstr("one_directional = true"));
  EXPECT_THAT(changed_at_first(record), testing::ElementsAre("macl"));
  for (const char* count : {"macl_pairs", "macl_anchors", "macl_negatives_mean"})
    EXPECT_EQ(record.steps[0][count], plain().steps[0][count]) << count;
  // The other direction is what is left of twice the mean of both.
  const double one = record.steps[0]["macl"], both = plain().steps[0]["macl"];
  EXPECT_GT(2 * both - one, 0);
}

// Without MACL one head serves both streams, so that own keys are similar from the start.
TEST(CompatRun, APollutedQueueCountsItsOwnPairsFromTheFirstStepOn) {
  const Record clean = run({"loss.macl.weight=0"});
  const Record record = run({"loss.macl.weight=0", "compat.polluted_queue=true"});
  EXPECT_THAT(record.plan, testing::HasSubstr("polluted_queue = true"));
  EXPECT_EQ(record.steps[0]["rpn_cls"], clean.steps[0]["rpn_cls"]);
  EXPECT_EQ(record.steps[0]["roi_cls"], clean.steps[0]["roi_cls"]);
  EXPECT_EQ(clean.steps[0]["dhn"], 0) << "an empty queue is worth nothing";
  EXPECT_EQ(clean.steps[0]["dhn_filled"], 0);
  EXPECT_GT(record.steps[0]["dhn"].get<double>(), 0);
  EXPECT_EQ(record.steps[0]["dhn_negatives"], 8) << "random keys beside its own";
  EXPECT_GT(record.steps[0]["dhn_filled"].get<double>(), 0) << "own keys enter before the mining";
  for (std::size_t step = 0; step < kSteps; ++step) {
    EXPECT_GT(record.steps[step]["dhn_fnr"].get<double>(), 0) << step;
    if (step > 0) {
      EXPECT_EQ(clean.steps[step]["dhn_fnr"], 0) << step;
    }
  }
}

TEST(CompatRun, FixedBandwidthsGiveAnotherDiscrepancyOfTheSameRows) {
  const Record record = run({"compat.fixed_bandwidths=true"});
  EXPECT_THAT(record.plan, testing::HasSubstr("fixed_bandwidths = true"));
  EXPECT_THAT(changed_at_first(record), testing::ElementsAre("domain"));
  // Kernels of width 1, 2 and 4 on unit vectors, whose squared distances are at most 4: three terms
  // between exp(-2) and 1, so that two means of the mean kernel differ by less than 1.
  EXPECT_LT(std::abs(record.steps[0]["domain"].get<double>()), 2 * (1 - std::exp(-2.0)));
}

// The temperature is moved by up to 1 in a step: it leaves [.01, 1] where nothing holds it.
TEST(CompatRun, AnUnboundedTemperaturePassesTheClamp) {
  const Strings fast = {R"(optimizer.multipliers=[{prefix="macl.temperature",lr=1000.0,decay=0.0},)"
                        R"({prefix="macl.log_scale",lr=2000.0,decay=0.0}])"};
  const auto range = [&](bool unbounded) {
    Strings overrides = fast;
    if (unbounded) overrides.emplace_back("compat.unbounded_temperature=true");
    const Record record = run(overrides);
    std::pair<double, double> found = {INFINITY, -INFINITY};
    for (const Json& step : record.steps) {
      const double tau = step["macl_temperature"];
      found = {std::min(found.first, tau), std::max(found.second, tau)};
    }
    EXPECT_NEAR(record.steps[0]["macl_temperature"].get<double>(), 0.07, 1e-6);
    return found;
  };
  const auto held = range(false), free = range(true);
  // ln(1 / tau) is held within [0, ln 100], a float.
  EXPECT_GE(held.first, 0.01 * (1 - 1e-6));
  EXPECT_LE(held.second, 1);
  EXPECT_TRUE(held.second == 1 || held.first < 0.0100001) << "it was stopped by a limit";
  EXPECT_TRUE(free.first < 0.01 || free.second > 1) << free.first << " " << free.second;
}

}  // namespace
}  // namespace ktrain::test
