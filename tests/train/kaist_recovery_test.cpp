// The recovery at full size, configs/kaist/recovery.cfg: what it says that it will do, and the
// whole of it on a small tree of KAIST's layout with a tiny detector.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/layout_trees.h"
#include "tests/support/tiny_run.h"
#include "train/checkpoint.h"
#include "train/recovery/recover_command.h"
#include "train/recovery/recovery_plans.h"
#include "train/recovery/recovery_walk.h"
#include "train/run_command.h"

namespace ktrain::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const std::string kFile = std::string(KT_SOURCE_DIR) + "/configs/kaist/recovery.cfg";

// Three frames in each of KAIST's training sets, in the lists that the plans name, and LLVIP's two
// lists.
class SmallData {
 public:
  SmallData() {
    std::string list;
    for (int set = 0; set < 6; ++set)
      for (int i = 0; i < 3; ++i) {
        const std::string frame = fmt::format("I{:05}", 20 * i),
                          video = fmt::format("set{:02}/V000/", set);
        write_images(kaist_, 3 * set + i, "images/" + video + "visible/" + frame + ".jpg",
                     "images/" + video + "lwir/" + frame + ".jpg");
        kaist_.write("annotations/" + video + frame + ".txt", bbgt_text(0));
        list += video + frame + "\n";
      }
    kaist_.write("imageSets/train-all-02.txt", list);
    for (const std::string of : {"train", "test"})
      for (int i = 0; i < 8; ++i) {
        const std::string stem = fmt::format("{}{:04}", of == "train" ? 1 : 2, i);
        write_images(llvip_, i, "visible/" + of + "/" + stem + ".jpg",
                     "infrared/" + of + "/" + stem + ".jpg");
        llvip_.write("Annotations/" + stem + ".xml", voc_xml(1));
      }
  }
  [[nodiscard]] std::vector<std::string> roots() const {
    return {"data.root=" + std::string(kaist_.path()),
            "stage1:data.root=" + std::string(llvip_.path())};
  }

 private:
  TempFolder kaist_, llvip_;
};

std::string dry_run(const std::vector<std::string>& overrides, const std::string& runs) {
  RecoverCommand command;
  command.file = kFile;
  command.overrides = overrides;
  command.runs = runs;
  command.dry_run = true;
  std::ostringstream out;
  EXPECT_EQ(run_recover(command, out), 0);
  return out.str();
}

// The report's numbers, where the tree that is printed has them.
TEST(KaistRecovery, ADryRunPrintsTheTreeWithTheReportsThresholds) {
  const TemporaryFolder temp;
  const SmallData data;
  const std::string text = dry_run(data.roots(), temp / "runs");
  for (
      const char* const line :
      {// Criteria: recovery, partial, optimal; the report's mAP is the 11-point one.
       "success      map_11point at least 0.63, recall at least 0.8, stable or rising",
       "partial      map_11point at least 0.58\n",
       "optimal      map_11point at least 0.65, recall at least 0.82, no early stop\n",
       // Plan A, and its early stop.
       "    adamw lr 5e-05, backbone x0.1, weight decay 0.0005, clip 3, 5 epochs of batch 4, "
       "early stop at map_11point below 0.58, patience 2, from epoch 2\n",
       // The run that failed.
       "    adamw lr 0.0001, backbone x0.1, weight decay 0.01, clip 0, 8 epochs of batch 4",
       "0.05  in baseline\n",
       // Plan B: 0 to 0.01 over three epochs.
       "{at = [0.0, 3.0], value = [0.0, 0.01], unit = \"epoch\", shape = \"linear\"}  in b",
       // Stage 2.2.
       "    adamw lr 8e-05, backbone x0.1, weight decay 0.01, clip 0, 12 epochs of batch 4",
       "{at = [0.0, 6.0], value = [0.1, 0.3], unit = \"epoch\", shape = \"linear\"}  in stage2_2\n",
       "{at = [0.0, 6.0], value = [0.05, 0.1], unit = \"epoch\", shape = \"linear\"}  in stage2_2,",
       "{at = [0.0, 2.0], value = [0.0, 0.05], unit = \"epoch\", shape = \"linear\"}  in stage2_2,",
       // Both failed.
       "sweep: evaluate stage1 at epochs 18 to 24 on the validation data of a\n",
       "    3e-05  in a_low\n", "a_low  (", "starts from the mark stage1_best)",
       "retrain: end: not recovered: stage 1 should be trained anew\n",
       // Decisions.
       "      if a reaches success -> mark_a ", "      if a reaches partial -> b_beside ",
       "  mark_a: mark the best checkpoint of a as recovered\n      then -> stage2_2\n",
       "  mark_b: mark the best checkpoint of b as recovered\n      then -> "
       "stage2_2_progressive\n",
       "dry run   nothing was trained"})
    EXPECT_THAT(text, HasSubstr(line));
  EXPECT_FALSE(fs::exists(temp / "runs"));
}

TEST(KaistRecovery, EachPlanReadsItsPartOfTheData) {
  const SmallData data;
  Recovery recovery = load_recovery(kFile);
  LoadedPlans plans = load_plans(recovery, data.roots(), "runs");
  read_data(plans, [](const std::string&) {});
  EXPECT_EQ(plans.at("stage1").train_pairs, 8);
  EXPECT_EQ(plans.at("a").train_pairs, 15) << "all sets but 05, which validates";
  for (const char* const name : {"day_a", "night_b"}) EXPECT_EQ(plans.at(name).train_pairs, 3);
  EXPECT_EQ(plans.at("a").val_hash, plans.at("night_a").val_hash) << "both are set 05";
  EXPECT_NE(plans.at("day_a").val_hash, plans.at("night_a").val_hash);
  EXPECT_EQ(plans.at("day_a").train_hash, plans.at("day_b").train_hash);
}

// The tree carried out, once for all tests of it. The detector is far too small to reach anything.
class Rollback : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    data_ = std::make_unique<SmallData>();
    runs_ = std::make_unique<TemporaryFolder>();
    RecoverCommand command;
    command.file = kFile;
    command.runs = runs();
    command.overrides = overrides();
    std::ostringstream out;
    code_ = run_recover(command, out);
    output_ = out.str();
  }
  static void TearDownTestSuite() {
    data_.reset();
    runs_.reset();
  }

  static std::vector<std::string> overrides() {
    std::vector<std::string> keys = data_->roots();
    for (const char* const key :
         {"stage1:init.checkpoint=", "stage1:init.allow_missing=[]", "model.depth=18",
          "model.width=0.0625", "model.fpn_channels=16", "model.anchor_scale=2.0",
          "model.rpn.nms_pre=50", "model.rpn.nms_pre_test=50", "model.rpn.max_proposals=30",
          "model.rpn.samples=32", "model.roi.samples=16", "model.roi.fc_channels=16",
          "model.roi.pool=3", "data.size=[64,64]", "data.workers=0", "threads=1"})
      keys.emplace_back(key);
    return keys;
  }
  static std::string runs() { return *runs_ / "runs"; }
  static std::string folder() { return runs() + "/kaist/recovery"; }
  static std::vector<nlohmann::json> decisions() {
    std::vector<nlohmann::json> out;
    std::istringstream lines(read_text(folder() + "/decisions.jsonl"));
    for (std::string line; std::getline(lines, line);) out.push_back(nlohmann::json::parse(line));
    return out;
  }
  static std::string hash_of_epoch(int epoch) {
    return take_checkpoint(real_file_system(), runs() + "/llvip/stage1/weights",
                           fmt::format("epoch_{}", epoch))
        ->payload_hash();
  }

  static inline std::unique_ptr<SmallData> data_;
  static inline std::unique_ptr<TemporaryFolder> runs_;
  static inline int code_ = -1;
  static inline std::string output_;
};

TEST_F(Rollback, WhenBothPlansFailGoesBackToTheBestOfStage1sEpochs) {
  ASSERT_EQ(code_, 0) << output_;
  EXPECT_THAT(read_text(folder() + "/recovery.md"),
              HasSubstr("Way taken: stage1 -> baseline -> a -> b_instead -> sweep -> mark_start -> "
                        "retry -> retrain\n"));
  // The sweep looked at what stage 1 kept, epochs 18 to 24, on the validation list of plan A.
  std::istringstream lines(read_text(folder() + "/sweep/sweep/validations.jsonl"));
  int epoch = 18, best = 0;
  double best_map = -1;
  for (std::string line; std::getline(lines, line); ++epoch) {
    const auto record = nlohmann::json::parse(line);
    EXPECT_EQ(record["epoch"], epoch);
    if (record["map_11point"] > best_map) best_map = record["map_11point"], best = epoch;
  }
  EXPECT_EQ(epoch, 25);
  // What was marked is that epoch's checkpoint, to the bit, and the retry began with it.
  const auto mark = nlohmann::json::parse(read_text(folder() + "/stage1_best.json"));
  EXPECT_EQ(mark["epoch"], best);
  EXPECT_EQ(mark["hash"], hash_of_epoch(best));
  EXPECT_NE(mark["hash"], hash_of_epoch(best == 24 ? 23 : 24));
  EXPECT_THAT(read_text(folder() + "/a_low/train.log"),
              HasSubstr("stage1_best.safetensors (#" + hash_of_epoch(best).substr(0, 8)));
}

// Stage 1 of 24 epochs that keeps 18 to 24, as configs/llvip/stage1.cfg does.
TEST(RollbackOfAPlan, TakeEpoch21StartsFromThatEpochOfStage1) {
  TinyRun tiny;
  std::string stage1 = tiny_plan_text(tiny.data());
  const std::string epochs = "epochs = 3\n";
  stage1.replace(stage1.find(epochs), epochs.size(), "epochs = 24\nkeep_epochs = [18, 24]\n");
  tiny.write("tiny.cfg", stage1);
  const auto run = [&](const std::string& take) {
    tiny.write(take + ".cfg",
               "include = [\"tiny.cfg\"]\ntrain.epochs = 1\ntrain.keep_epochs = []\n"
               "init = { plan = \"tiny.cfg\", take = \"" +
                   take + "\" }\n");
    RunCommand command = tiny.command({"threads=1"});
    command.plan = fs::path(tiny.plan()).parent_path() / (take + ".cfg");
    return tiny.run(command);
  };
  ASSERT_EQ(run("epoch_21"), 0) << tiny.output();
  const std::string weights = tiny.run_folder() + "/weights";
  const auto from = take_checkpoint(real_file_system(), weights, "epoch_21");
  ASSERT_TRUE(from);
  EXPECT_EQ(from->step(), 21 * 4);
  EXPECT_THAT(read_text(tiny.run_folder("epoch_21") + "/train.log"),
              HasSubstr(TinyRun::step_name(84) + " (#" + from->payload_hash().substr(0, 8)));
  for (const char* const other : {"epoch_18", "epoch_24"})
    EXPECT_NE(take_checkpoint(real_file_system(), weights, other)->payload_hash(),
              from->payload_hash());
  // An epoch that was not kept is refused; nothing else is taken in its place.
  try {
    (void)run("epoch_17");
    FAIL() << "no fault";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.id(), "KT-CKPT-005");
    EXPECT_THAT(fault.what(), HasSubstr("epoch_17"));
  }
}

// Of a run itself: later checkpoints away, and the same command goes on from the one before.
TEST(RollbackOfAPlan, OfARunToItsOwnEarlierCheckpointEndsInTheSameBits) {
  TinyRun tiny;
  const std::vector<std::string> keys = {"train.keep=9", "threads=1"};
  ASSERT_EQ(tiny.train(keys), 0) << tiny.output();
  const std::string whole = TinyRun::state_hash(tiny.run_folder(), 12);
  for (const std::int64_t step : {8, 12})
    fs::remove(tiny.run_folder() + "/weights/" + TinyRun::step_name(step));
  ASSERT_EQ(tiny.train(keys), 0);
  EXPECT_THAT(tiny.output(), HasSubstr("resume    step 4 of 12"));
  EXPECT_THAT(tiny.output(), HasSubstr("records of lost steps taken out"));
  EXPECT_EQ(TinyRun::state_hash(tiny.run_folder(), 12), whole);
}

}  // namespace
}  // namespace ktrain::test
