// Runs with MACL: measured, warmed up, resumed, started from a run without it; and the ways in
// which it must not go on.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/tiny_run.h"
#include "train/run_setup.h"

namespace ktrain::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

const std::vector<std::string> kMacl = {
    "loss.macl.weight={at=[0,3],value=[0.0,0.01],unit=\"epoch\"}",
    "loss.macl.rows=4",
    "loss.macl.hidden=16",
    "loss.macl.channels=8",
    "loss.macl.temperature=learned",
    "model.roi.positive_share=0.5"};

std::vector<std::string> with(std::vector<std::string> overrides,
                              const std::vector<std::string>& more) {
  overrides.insert(overrides.end(), more.begin(), more.end());
  return overrides;
}

std::string fault_of(TinyRun& tiny, const std::vector<std::string>& overrides) {
  try {
    tiny.train(overrides);
  } catch (const Fault& fault) {
    return fault.what();
  }
  return "no fault";
}

std::vector<nlohmann::json> records(const std::string& text) {
  std::vector<nlohmann::json> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) out.push_back(nlohmann::json::parse(line));
  return out;
}

// T21: halfway of a warm-up over 3 epochs the weight is exactly half, and a run that is cut there
// goes on to the same bits.
TEST(MaclRun, WarmsUpExactlyAndGoesOnToTheSameBits) {
  TinyRun tiny;
  const auto plan =
      with(kMacl, {"train.checkpoint_every=1", "train.keep=20", "output.log_every=1"});
  ASSERT_EQ(tiny.train(plan), 0);
  const std::string whole = TinyRun::state_hash(tiny.run_folder(), 12);
  const auto scalars = records(tiny.read("scalars.jsonl"));
  for (const auto& record : scalars) {
    if (record["kind"] != "train") continue;
    const auto at = static_cast<double>(record["step"].get<int>() - 1) / 4;
    EXPECT_EQ(record["weight_macl"].get<double>(),
              static_cast<double>(static_cast<float>(0.01 * (at / 3))));
    EXPECT_TRUE(record.contains("macl_rel") && record.contains("macl_anchors"));
    if (at == 1.5) {
      EXPECT_EQ(record["weight_macl"].get<double>(), static_cast<double>(0.005f));
    }
  }
  const auto audits = records(tiny.read("monitor.jsonl"));
  std::vector<int> steps;
  for (const auto& record : audits)
    if (record["kind"] == "audit") {
      steps.push_back(record["step"]);
      EXPECT_NEAR(record["applied"]["macl"].get<double>(),
                  record["configured"]["macl"].get<double>(), 1e-4);
    }
  EXPECT_EQ(steps, (std::vector<int>{1, 5, 9}));
  for (std::int64_t step = 7; step <= 12; ++step)
    fs::remove(tiny.run_folder() + "/weights/" + TinyRun::step_name(step));
  ASSERT_EQ(tiny.train(plan), 0);
  EXPECT_THAT(tiny.output(), HasSubstr("resume    step 6 of 12"));
  EXPECT_EQ(TinyRun::state_hash(tiny.run_folder(), 12), whole);
  EXPECT_EQ(records(tiny.read("monitor.jsonl")).size(), audits.size());
}

TEST(MaclRun, ImageLevelWithQualityAndTheStopOnTheBetterTrains) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train({"loss.macl.weight=0.05", "loss.macl.level=image", "train.epochs=1",
                        "loss.macl.hidden=16", "loss.macl.quality_weighting=true",
                        "loss.macl.stop_better=true"}),
            0);
  for (const auto& record : records(tiny.read("scalars.jsonl")))
    if (record["kind"] == "train") {
      EXPECT_EQ(record["macl_anchors"], 2);
      EXPECT_GT(record["macl_quality"].get<double>(), 0);
    }
}

TEST(MaclRun, ARunStartsFromOneWithoutTheTermAndIsDetectedWith) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train({"train.epochs=1"}), 0);
  tiny.write("next.cfg", tiny_plan_text(tiny.data()));
  RunCommand next =
      tiny.command(with(kMacl, {"train.epochs=1", "init.checkpoint=" + tiny.run_folder() +
                                                      "/weights/best.safetensors"}));
  next.plan = fs::path(tiny.plan()).parent_path() / "next.cfg";
  ASSERT_EQ(tiny.run(next), 0);
  EXPECT_THAT(tiny.output(),
              HasSubstr("; 9 of the missing are of auxiliary losses and start from the seed"));
  EXPECT_THAT(tiny.output(), HasSubstr("aux.macl"));
  // And back again.
  tiny.write("last.cfg", tiny_plan_text(tiny.data()));
  RunCommand last = tiny.command({"train.epochs=1", "init.checkpoint=" + tiny.run_folder("next") +
                                                        "/weights/best.safetensors"});
  last.plan = fs::path(tiny.plan()).parent_path() / "last.cfg";
  ASSERT_EQ(tiny.run(last), 0);
  EXPECT_THAT(tiny.output(), HasSubstr("; 9 of the unexpected are of auxiliary losses"));
}

TEST(MaclRun, FastCheckAndDryRunKnowTheTerm) {
  TinyRun tiny;
  RunCommand check = tiny.command(kMacl);
  check.fast_check = true;
  EXPECT_EQ(tiny.run(check), 0);
  EXPECT_THAT(tiny.output(), HasSubstr("equal to the bit"));
  RunCommand dry = tiny.command(kMacl);
  dry.dry_run = true;
  EXPECT_EQ(tiny.run(dry), 0);
  EXPECT_THAT(tiny.output(), HasSubstr("weight of macl\n"));
}

// Planted: a limit that no batch can meet.
TEST(MaclRun, WhereNoPairArrivesTheRunStopsWithTheTermsName) {
  TinyRun tiny;
  const auto plan = with(kMacl, {"loss.macl.min_negatives=9999", "train.epochs=8"});
  const std::string text = fault_of(tiny, plan);
  EXPECT_THAT(text, HasSubstr("KT-NUM-004: step 20: loss term 'macl': no pair has arrived"));
  EXPECT_EQ(nlohmann::json::parse(tiny.read("STATUS"))["state"], "failed");
  const auto scalars = records(tiny.read("scalars.jsonl"));
  EXPECT_EQ(scalars[0]["macl"], 0);
  EXPECT_EQ(scalars[0]["macl_empty_steps"], 2);
}

TEST(MaclRun, PlansThatCannotMeanItAreRefused) {
  TinyRun tiny;
  EXPECT_THAT(fault_of(tiny, {"loss.mcal.weight=0.05"}),
              testing::AllOf(HasSubstr("KT-CFG-001"), HasSubstr("macl")));
  EXPECT_THAT(fault_of(tiny, {"loss.macl.wieght=0.05"}),
              testing::AllOf(HasSubstr("KT-CFG-001"), HasSubstr("weight")));
  EXPECT_THAT(fault_of(tiny, {"loss.macl.weight=0.05", "model.streams=visible"}),
              testing::AllOf(HasSubstr("KT-CFG-008"), HasSubstr("loss.macl.weight")));
  EXPECT_THAT(fault_of(tiny, {"loss.macl.measure=true", "model.streams=thermal"}),
              testing::AllOf(HasSubstr("KT-CFG-008"), HasSubstr("loss.macl.measure")));
  EXPECT_THAT(fault_of(tiny, {"loss.macl.weight=1", "loss.macl.level=image", "train.batch=1"}),
              testing::AllOf(HasSubstr("KT-CFG-008"), HasSubstr("loss.macl.level")));
}

// Planted in the one place where totals are formed: the run must not take a step.
TEST(MaclRun, AWeightThatIsIgnoredOrCountedTwiceStopsTheStep) {
  TinyRun tiny;
  const Plan plan =
      load_plan(tiny.plan(), with(kMacl, {"threads=1", "loss.macl.weight=0.05"})).plan;
  const DataSet data = open_data_set(plan.data, 1, [](const std::string&) {});
  Loader loader(data.train.index, *data.folder, train_loader_options(plan));
  const TotalFunction ignored = [](const std::vector<LossTerm>& terms) {
    std::vector<LossTerm> list = terms;
    for (LossTerm& term : list) term.weight = 1;
    return form_total(list);
  };
  const TotalFunction twice = [](const std::vector<LossTerm>& terms) {
    std::vector<LossTerm> list = terms;
    list.push_back(terms.back());
    return form_total(list);
  };
  for (const TotalFunction& wrong : {ignored, twice}) {
    TrainingStep training(make_cpu_context(), plan, make_auxiliary, wrong);
    BatchTensors tensors(training.context(), plan.train.batch, loader.padded_size(),
                         loader.max_boxes());
    loader.seek(0);
    tensors.fill(loader.next());
    const auto before = training.parameters().all()[5].value.to_vector<float>();
    try {
      (void)training.run({tensors.input(), {3, 4}, 0, {}});
      FAIL() << "no fault";
    } catch (const Fault& fault) {
      EXPECT_EQ(fault.id(), "KT-NUM-007");
      EXPECT_EQ(fault.exit(), Exit::kNonFinite);
      EXPECT_THAT(fault.what(), HasSubstr("weight not applied: loss term 'macl'"));
    }
    EXPECT_EQ(training.parameters().all()[5].value.to_vector<float>(), before);
  }
}

}  // namespace
}  // namespace ktrain::test
