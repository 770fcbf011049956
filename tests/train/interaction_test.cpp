// The hypothesis that a loss costs more on poor images: four runs whose detections are written by
// hand, on built-in scenes.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_run.h"
#include "train/data_set.h"
#include "train/metrics/results.h"
#include "train/recovery/hypothesis.h"
#include "train/validation.h"

namespace ktrain::test {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;

constexpr int kImages = 12;

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

struct Arm {
  int missed = 0;         // images, the first ones, of which nothing is found
  int epochs = 3;         // validations
  double weight = 0.05;   // of the loss, as applied
  std::string more = {};  // further lines of the plan
  std::string fingerprint = {};
};

class Interaction : public testing::Test {
 protected:
  Interaction() {
    recovery_.metric = "map";
    h_.name = "quality";
    h_.measure = "interaction";
    h_.poor = {"poor_with", "poor_without"};
    h_.good = {"good_with", "good_without"};
    h_.loss = "macl";
    h_.factor = "loss.macl";
    arms_["poor_without"].weight = arms_["good_without"].weight = 0;
  }

  // The status; the whole record is in record_.
  std::string status() {
    std::map<std::string, Subject> subjects;
    LoadedPlans plans;
    for (const char* const name : {"poor_with", "poor_without", "good_with", "good_without"}) {
      if (left_out_ == name) continue;
      write_run(name, plans[name]);
      subjects[name] = {.name = name, .folder = folder_of(name), .state = "done"};
      if (failed_ == name) subjects[name].failure = "KT-NUM-001: step 3: macl is nan";
    }
    record_ = test_hypothesis(recovery_, h_, plans, subjects);
    return record_["status"];
  }
  [[nodiscard]] std::string why() const { return record_["why"]; }
  [[nodiscard]] std::vector<std::string> details() const { return record_["details"]; }

  std::map<std::string, Arm> arms_;
  RecoveryHypothesis h_;
  std::string left_out_, failed_;
  int good_seed_ = 5;  // of the scenes; those of poor images have 5

 private:
  std::string folder_of(const std::string& name) const { return temp_ / ("runs/" + name); }

  void write_run(const std::string& name, LoadedPlan& plan) {
    const Arm& arm = arms_[name];
    const bool good = name.starts_with("good");
    const std::string folder = folder_of(name);
    std::string text =
        tiny_plan_text(temp_ / ((good ? "good" : "poor") + std::to_string(good_seed_)));
    text = replaced(text, "val_pairs = 3", "val_pairs = " + std::to_string(kImages));
    if (good) text = replaced(text, "seed = 5", "seed = " + std::to_string(good_seed_));
    text =
        replaced(text, "seed = ", "quality = " + std::string(good ? "0.9" : "0.3") + ", seed = ");
    if (name.ends_with("_with")) text += "[loss.macl]\nweight = 0.05\n";
    fs::create_directories(folder);
    write_text(folder + "/run.cfg", text + arm.more);
    plan.resolved = load_plan(folder + "/run.cfg");
    const DataSet data = open_data_set(plan.resolved.plan.data, 1, [](const std::string&) {});
    const std::string fingerprint =
        arm.fingerprint.empty() ? score_fingerprint(data.val) : arm.fingerprint;
    std::string lines =
        R"({"kind":"train","step":1,"epoch":1,"weight_macl":)" + std::to_string(arm.weight) + "}\n";
    for (int epoch = 1; epoch <= arm.epochs; ++epoch) {
      const nlohmann::json line = {{"kind", "validation"},
                                   {"epoch", epoch},
                                   {"step", 4 * epoch},
                                   {"gts", 1},
                                   {"dets", 1},
                                   {"fingerprint", fingerprint},
                                   {"map", 0.5}};
      lines += line.dump() + "\n";
      const std::string at = folder + "/val/epoch_0" + std::to_string(epoch);
      fs::create_directories(at);
      metrics::write_kaist_results(at + "/detections.txt", found_in(data, arm.missed));
    }
    write_text(folder + "/scalars.jsonl", lines);
  }

  static std::vector<metrics::Detections> found_in(const DataSet& data, int missed) {
    std::vector<metrics::Detections> found;
    for (const metrics::ImageTruth& image : truth_of(data.val.index)) {
      metrics::Detections& here = found.emplace_back();
      if (static_cast<int>(found.size()) <= missed) continue;
      for (const metrics::Target& target : image.targets)
        if (!target.ignore) here.push_back({target.box, 0.9, target.label});
    }
    EXPECT_EQ(found.size(), static_cast<std::size_t>(kImages));
    return found;
  }

  TemporaryFolder temp_;
  Recovery recovery_;
  OrderedJson record_;
};

TEST_F(Interaction, IsSupportedWhereTheLossCostsMoreOnPoorImages) {
  arms_["poor_with"].missed = kImages / 2;
  EXPECT_EQ(status(), "supported") << why();
  EXPECT_THAT(why(), HasSubstr("epoch 3 of all four"));
  EXPECT_THAT(details(), Contains(HasSubstr("poor_with minus poor_without: map -0.")));
}

TEST_F(Interaction, IsRefutedWhereItDoesNot) {
  arms_["poor_without"].missed = kImages / 2;  // the loss helps
  EXPECT_EQ(status(), "refuted") << why();
  arms_["poor_without"].missed = 0;  // and where it changes nothing, beyond a margin
  h_.margin = 0.2;
  EXPECT_EQ(status(), "refuted") << why();
}

TEST_F(Interaction, IsInconclusiveWhereTheIntervalHoldsTheBound) {
  arms_["poor_with"].missed = 1;
  EXPECT_EQ(status(), "inconclusive") << why();
  arms_["poor_with"].missed = 0;  // not worse, but no better than the bound either
  EXPECT_EQ(status(), "inconclusive") << why();
}

// The loss costs the same on both: on the same scenes the interval is a point, since what is drawn
// is the scene; on others the draws of one say nothing about those of the other.
TEST_F(Interaction, TheSameScenesAreDrawnTogether) {
  arms_["poor_with"].missed = arms_["good_with"].missed = kImages / 2;
  h_.margin = 0.05;
  EXPECT_EQ(status(), "refuted") << why();
  EXPECT_THAT(why(), HasSubstr("[+0.0000, +0.0000]"));
  EXPECT_THAT(details(), Contains(HasSubstr("are drawn together")));
  good_seed_ = 6;
  EXPECT_EQ(status(), "inconclusive") << why();
  EXPECT_THAT(details(), Contains(HasSubstr("are drawn apart")));
}

TEST_F(Interaction, IsLookedAtInTheLastEpochOfAll) {
  arms_["poor_with"].missed = kImages / 2;
  arms_["good_without"].epochs = 2;  // stopped early
  EXPECT_EQ(status(), "supported") << why();
  EXPECT_THAT(why(), HasSubstr("epoch 2 of all four"));
  arms_["good_without"].epochs = 0;
  EXPECT_EQ(status(), "untested");
  EXPECT_THAT(why(), HasSubstr("no epoch that all four runs have validated"));
}

TEST_F(Interaction, IsUntestedWithoutTheRuns) {
  left_out_ = "good_without";
  EXPECT_EQ(status(), "untested");
  EXPECT_EQ(why(), "good_without was not carried out on the way taken");
  left_out_ = "";
  failed_ = "poor_with";
  EXPECT_EQ(status(), "untested");
  EXPECT_EQ(why(), "poor_with failed: KT-NUM-001: step 3: macl is nan");
}

TEST_F(Interaction, IsUntestedWhereTheLossWasNeverApplied) {
  arms_["good_with"].weight = 0;
  EXPECT_EQ(status(), "untested");
  EXPECT_THAT(why(), HasSubstr("macl was never applied in good_with"));
}

TEST_F(Interaction, IsUntestedWhereArmsDifferInMore) {
  arms_["poor_with"].more = "[remedy]\nkind = \"pcgrad\"\nmode = \"live\"\n";
  EXPECT_EQ(status(), "untested");
  EXPECT_THAT(why(), HasSubstr("poor_with and poor_without differ in more than loss.macl: remedy"));
  arms_["poor_with"].more = "";
  arms_["good_with"].fingerprint = "another list";
  EXPECT_EQ(status(), "untested");
  EXPECT_THAT(why(), HasSubstr("good_with and good_without: the validations are of"));
}

}  // namespace
}  // namespace ktrain::test
