// Whole runs of a small plan, inside this process.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/tiny_run.h"
#include "train/checkpoint.h"
#include "train/initial_weights.h"
#include "train/run_setup.h"

namespace ktrain::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

std::vector<nlohmann::json> records(const std::string& text) {
  std::vector<nlohmann::json> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) out.push_back(nlohmann::json::parse(line));
  return out;
}

std::string fault_of(TinyRun& tiny, const RunCommand& command) {
  try {
    tiny.run(command);
  } catch (const Fault& fault) {
    return fault.what();
  }
  return "no fault";
}

TEST(Run, TrainsValidatesAndLeavesEverythingInItsFolder) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train(), 0);
  EXPECT_THAT(tiny.output(), HasSubstr("made the built-in data set"));
  EXPECT_THAT(tiny.output(), HasSubstr("tiny: done after 3 of 3 epochs"));
  EXPECT_THAT(tiny.output(), HasSubstr("| person |"));
  EXPECT_THAT(tiny.output(), HasSubstr("All/Day/Night"));
  for (const char* const name :
       {"run.cfg", "env.txt", "train.log", "scalars.jsonl", "results.csv", "STATUS", "report.txt",
        "weights/best.safetensors", "weights/step_00000012.safetensors",
        "val/epoch_01/voc_table.txt", "val/epoch_03/detections.txt", "val/epoch_03/scores.json"})
    EXPECT_TRUE(fs::is_regular_file(tiny.run_folder() + "/" + name)) << name;

  const auto scalars = records(tiny.read("scalars.jsonl"));
  ASSERT_EQ(scalars.size(), 6u + 3u);  // twelve steps, two to a line, and three validations
  for (const auto& record : scalars) {
    if (record["kind"] == "validation") continue;
    double total = 0;
    for (const char* const term : {"rpn_cls", "rpn_bbox", "roi_cls", "roi_bbox"})
      total += record[term].get<double>() * record[std::string("weight_") + term].get<double>();
    EXPECT_NEAR(record["loss"].get<double>(), total, 1e-5 * total);  // float sums of four terms
  }
  const auto status = nlohmann::json::parse(tiny.read("STATUS"));
  EXPECT_EQ(status["state"], "done");
  EXPECT_EQ(status["step"], 12);
  EXPECT_EQ(status["lost_log_lines"], 0);
}

TEST(Run, ACompleteRunIsNotRepeated) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train(), 0);
  const std::string log = tiny.read("train.log"), weights = tiny.state_hash(tiny.run_folder(), 12);
  ASSERT_EQ(tiny.train(), 0);
  EXPECT_THAT(tiny.output(), HasSubstr("This run is complete (done)"));
  EXPECT_THAT(tiny.output(), HasSubstr("| person |"));
  EXPECT_EQ(tiny.state_hash(tiny.run_folder(), 12), weights);
  EXPECT_EQ(nlohmann::json::parse(tiny.read("STATUS"))["state"], "done");
}

TEST(Run, TwoRunsAgreeToTheBitWhateverTheLoaderDoes) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train({"data.workers=0"}), 0);
  RunCommand other = tiny.command({"data.workers=2", "data.cache_mb=0"});
  other.runs = tiny.runs() + "2";
  ASSERT_EQ(tiny.run(other), 0);
  EXPECT_EQ(TinyRun::state_hash(tiny.run_folder(), 12),
            TinyRun::state_hash(other.runs + "/tiny", 12));
  EXPECT_EQ(read_text(tiny.run_folder() + "/val/epoch_03/detections.txt"),
            read_text(other.runs + "/tiny/val/epoch_03/detections.txt"));
}

std::string start_of(const TinyRun& tiny, const std::string& run) {
  const std::string log = read_text(tiny.run_folder(run) + "/train.log");
  const std::size_t at = log.find("init      ");
  return at == std::string::npos ? "" : log.substr(at, log.find('\n', at) - at);
}

// Saved after every step, but kept where the plan says so: the ends of epochs 1 and 2.
TEST(Run, ChosenEpochsStayAndAnotherRunStartsFromOneOfThem) {
  TinyRun tiny;
  tiny.write("tiny.cfg", [&] {
    std::string text = tiny_plan_text(tiny.data());
    const std::string at = "[train]\n";
    return text.insert(text.find(at) + at.size(), "checkpoint_every = 1\nkeep_epochs = [1, 2]\n");
  }());
  ASSERT_EQ(tiny.train(), 0);
  for (const std::int64_t step : {4, 8, 11, 12})
    EXPECT_TRUE(fs::exists(tiny.run_folder() + "/weights/" + TinyRun::step_name(step))) << step;
  for (const std::int64_t step : {3, 5, 7, 9, 10})
    EXPECT_FALSE(fs::exists(tiny.run_folder() + "/weights/" + TinyRun::step_name(step))) << step;

  tiny.write("back.cfg",
             "include = [\"tiny.cfg\"]\ninit = { plan = \"tiny.cfg\", take = \"epoch_2\" }\n");
  RunCommand command = tiny.command();
  command.plan = fs::path(tiny.plan()).parent_path() / "back.cfg";
  ASSERT_EQ(tiny.run(command), 0);
  EXPECT_THAT(start_of(tiny, "back"), HasSubstr(TinyRun::step_name(8)));
}

// A file from the middle of epoch 3 says that two epochs are complete, and is not the end of one.
TEST(Run, TheMiddleOfAnEpochIsNotTheEndOfTheOneBefore) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train({"train.checkpoint_every=1", "train.keep=0"}), 0);
  const std::string weights = tiny.run_folder() + "/weights";
  EXPECT_EQ(take_checkpoint(real_file_system(), weights, "epoch_2")->step(), 8);
  fs::remove(weights + "/" + TinyRun::step_name(8));
  ASSERT_TRUE(fs::exists(weights + "/" + TinyRun::step_name(9)));
  EXPECT_FALSE(take_checkpoint(real_file_system(), weights, "epoch_2").has_value());
  EXPECT_EQ(take_checkpoint(real_file_system(), weights, "epoch_3")->step(), 12);
}

TEST(Run, AnotherPlanInTheSameFolderIsRefusedWithTheDifference) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train(), 0);
  const std::string fault = fault_of(tiny, tiny.command({"optimizer.lr=0.002"}));
  EXPECT_THAT(fault, HasSubstr("KT-CKPT-002"));
  EXPECT_THAT(fault, HasSubstr("plan.optimizer.lr: '0.001' there, '0.002' here"));
}

TEST(Run, FreshKeepsTheOlderRunUnderAnotherName) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train(), 0);
  const std::string before = TinyRun::state_hash(tiny.run_folder(), 12);
  RunCommand fresh = tiny.command({"seed=2"});
  fresh.fresh = true;
  ASSERT_EQ(tiny.run(fresh), 0);
  EXPECT_EQ(TinyRun::state_hash(tiny.run_folder() + ".1", 12), before);
  EXPECT_NE(TinyRun::state_hash(tiny.run_folder(), 12), before);
}

TEST(Run, ResumeNeedsARun) {
  TinyRun tiny;
  RunCommand resume = tiny.command();
  resume.resume = true;
  EXPECT_THAT(fault_of(tiny, resume), HasSubstr("KT-CKPT-005"));
  resume.fresh = true;
  EXPECT_THAT(fault_of(tiny, resume), HasSubstr("KT-CLI-001"));
}

TEST(Run, ARunThatWasCutGoesOnToTheSameBits) {
  TinyRun whole, cut;
  ASSERT_EQ(whole.train({"train.average=0.01", "train.checkpoint_every=1", "train.keep=20"}), 0);
  const std::vector<std::string> overrides = {"train.average=0.01", "train.checkpoint_every=1",
                                              "train.keep=20"};
  ASSERT_EQ(cut.train(overrides), 0);
  // Back to step 5, in the middle of epoch 2: what came later is gone.
  for (std::int64_t step = 6; step <= 12; ++step)
    fs::remove(cut.run_folder() + "/weights/" + TinyRun::step_name(step));
  ASSERT_EQ(cut.train(overrides), 0);
  EXPECT_THAT(cut.output(), HasSubstr("resume    step 5 of 12"));
  EXPECT_EQ(TinyRun::state_hash(cut.run_folder(), 12), TinyRun::state_hash(whole.run_folder(), 12));
  // Records that the second part repeats stand there once.
  const auto scalars = records(cut.read("scalars.jsonl"));
  std::vector<std::int64_t> validated;
  for (const auto& record : scalars)
    if (record["kind"] == "validation") validated.push_back(record["step"]);
  EXPECT_EQ(validated, (std::vector<std::int64_t>{4, 8, 12}));
}

// Sums of some kernels depend on the number of threads, so a run that goes on keeps its number.
TEST(Run, WithoutStepFilesItGoesOnFromTheBest) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train(), 0);
  const std::string expected = TinyRun::state_hash(tiny.run_folder(), 12);
  for (const auto& entry : fs::directory_iterator(tiny.run_folder() + "/weights"))
    if (entry.path().filename().string().starts_with("step_")) fs::remove(entry.path());
  ASSERT_EQ(tiny.train(), 0);
  EXPECT_THAT(tiny.output(), HasSubstr("best.safetensors"));
  EXPECT_EQ(TinyRun::state_hash(tiny.run_folder(), 12), expected);
}

TEST(Run, RecordsOfARunThatNeverSavedAreTakenOut) {
  TinyRun tiny;
  fs::create_directories(tiny.run_folder());
  write_text(tiny.run_folder() + "/scalars.jsonl",
             "{\"kind\":\"train\",\"step\":2}\n{\"kind\":\"tr");
  ASSERT_EQ(tiny.train(), 0);
  EXPECT_THAT(tiny.output(), HasSubstr("2 records without a checkpoint taken out"));
  EXPECT_EQ(records(tiny.read("scalars.jsonl")).size(), 9u);
}

TEST(Run, FreshLosesNothingWhenTheNewRunCannotStart) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train(), 0);
  RunCommand fresh = tiny.command({"data.preset=kaist", "data.root=/nowhere"});
  fresh.fresh = true;
  EXPECT_THAT(fault_of(tiny, fresh), HasSubstr("KT-DATA-001"));
  EXPECT_TRUE(fs::exists(tiny.run_folder() + "/report.txt"));
  EXPECT_FALSE(fs::exists(tiny.run_folder() + ".1"));
}

TEST(Run, DataOfALaterPlanIsLookedAtBeforeAnEarlierOneTrains) {
  TinyRun tiny;
  tiny.write("second.cfg", "include = [\"tiny.cfg\"]\n[init]\nplan = \"tiny.cfg\"\n");
  RunCommand command = tiny.command({"data.preset=kaist", "data.root=/nowhere"});
  command.plan = fs::path(tiny.plan()).parent_path() / "second.cfg";
  EXPECT_THAT(fault_of(tiny, command), HasSubstr("KT-DATA-001"));
  EXPECT_FALSE(fs::exists(tiny.run_folder()));
  command.overrides.clear();
  command.resume = true;
  EXPECT_THAT(fault_of(tiny, command), HasSubstr("KT-CKPT-005"));
  EXPECT_FALSE(fs::exists(tiny.run_folder()));
}

TEST(Run, ATruncatedImageIsFoundBeforeTheFirstStep) {
  TinyRun tiny;
  RunCommand dry = tiny.command();
  dry.dry_run = true;
  ASSERT_EQ(tiny.run(dry), 0);
  std::string image;
  for (const auto& entry : fs::recursive_directory_iterator(tiny.data() + "/images"))
    if (entry.is_regular_file()) image = entry.path().string();
  const std::string bytes = read_text(image);
  write_text(image, bytes.substr(0, bytes.size() - 20));
  // The built-in set would find out by itself, so it is read as any other KAIST tree.
  dry.overrides = {"data.preset=kaist", "data.train=train", "data.val=val"};
  EXPECT_THAT(fault_of(tiny, dry), HasSubstr("KT-DATA-002"));
}

TEST(Run, ARunFolderIsNamedByThePlacesBelowConfigs) {
  ResolvedPlan plan;
  plan.name = "stage1";
  for (const auto& [file, name] :
       {std::pair("stage1.cfg", "stage1"), std::pair("mine/stage1.cfg", "stage1"),
        std::pair("configs/stage1.cfg", "stage1"),
        std::pair("configs/kaist/../llvip/stage1.cfg", "llvip/stage1"),
        std::pair("/home/x/configs/llvip/stage1.cfg", "llvip/stage1")}) {
    plan.file = file;
    EXPECT_EQ(run_name(plan), name) << file;
  }
}

TEST(Run, ARunThatGoesOnKeepsItsThreads) {
  TinyRun whole, cut;
  ASSERT_EQ(whole.train({"threads=1", "train.keep=9"}), 0);
  ASSERT_EQ(cut.train({"threads=1", "train.keep=9"}), 0);
  for (const std::int64_t step : {8, 12})
    fs::remove(cut.run_folder() + "/weights/" + TinyRun::step_name(step));
  ASSERT_EQ(cut.train({"train.keep=9"}), 0);
  EXPECT_THAT(cut.output(), HasSubstr("machine   1 threads"));
  EXPECT_EQ(TinyRun::state_hash(cut.run_folder(), 12), TinyRun::state_hash(whole.run_folder(), 12));
}

TEST(Run, ADamagedCheckpointIsNamedAndTheOneBeforeIsUsed) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train(), 0);
  const std::string expected = TinyRun::state_hash(tiny.run_folder(), 12);
  const std::string newest = tiny.run_folder() + "/weights/" + TinyRun::step_name(12);
  std::string bytes = read_text(newest);
  bytes[bytes.size() / 2] ^= 1;
  write_text(newest, bytes);
  ASSERT_EQ(tiny.train(), 0);
  EXPECT_THAT(tiny.read("train.log"), HasSubstr("refused"));
  EXPECT_THAT(tiny.output(), HasSubstr("refused"));
  EXPECT_THAT(tiny.output(), HasSubstr("resume    step 8 of 12"));
  EXPECT_EQ(TinyRun::state_hash(tiny.run_folder(), 12), expected);
}

TEST(Run, EarlyStopStops) {
  TinyRun tiny;
  // Nothing is learned at this rate, so that no validation reaches the threshold.
  ASSERT_EQ(tiny.train({"stop.threshold=0.99", "stop.patience=2", "optimizer.lr=1e-9"}), 0);
  const auto status = nlohmann::json::parse(tiny.read("STATUS"));
  EXPECT_EQ(status["state"], "stopped early");
  EXPECT_EQ(status["epoch"], 2);
  EXPECT_THAT(tiny.output(), HasSubstr("stopped early after 2 of 3 epochs"));
  EXPECT_TRUE(fs::exists(tiny.run_folder() + "/weights/best.safetensors"));
  EXPECT_TRUE(fs::exists(tiny.run_folder() + "/weights/" + TinyRun::step_name(8)));
  ASSERT_EQ(tiny.train({"stop.threshold=0.99", "stop.patience=2", "optimizer.lr=1e-9"}), 0);
  EXPECT_THAT(tiny.output(), HasSubstr("This run is complete (stopped early)"));
}

TEST(Run, ALossThatIsNotFiniteStopsWithTermStepAndPairs) {
  TinyRun tiny;
  const std::string fault =
      fault_of(tiny, tiny.command({"optimizer.lr=100", "optimizer.clip=0", "optimizer.kind=sgd",
                                   "optimizer.momentum=0.99"}));
  EXPECT_THAT(fault, testing::ContainsRegex("KT-NUM-0(01|21): step [0-9]+: .* is -?(nan|inf)"));
  EXPECT_THAT(fault, HasSubstr("pairs of the batch: set"));
  const auto status = nlohmann::json::parse(tiny.read("STATUS"));
  EXPECT_EQ(status["state"], "failed");
  EXPECT_THAT(status["message"].get<std::string>(), HasSubstr("KT-NUM-0"));
}

TEST(Run, TrainsThePrerequisiteFirstAndOnce) {
  TinyRun tiny;
  tiny.write("second.cfg", "include = [\"tiny.cfg\"]\n[init]\nplan = \"tiny.cfg\"\n");
  RunCommand command = tiny.command();
  command.plan = fs::path(tiny.plan()).parent_path() / "second.cfg";
  ASSERT_EQ(tiny.run(command), 0);
  EXPECT_THAT(tiny.output(), HasSubstr("second starts from best of tiny"));
  EXPECT_THAT(tiny.output(), HasSubstr("tiny: done after 3 of 3 epochs"));
  EXPECT_THAT(tiny.output(), testing::ContainsRegex(
                                 "init      .*best.safetensors .#[0-9a-f]{8}.: [0-9]+ matched, 0 "
                                 "missing, 0 unexpected, 0 of another shape"));
  EXPECT_THAT(tiny.output(), HasSubstr("second: done after 3 of 3 epochs"));
  command.fresh = true;
  ASSERT_EQ(tiny.run(command), 0);
  EXPECT_THAT(tiny.output(), Not(HasSubstr("second starts from")));
  // The seed goes through the chain: another seed is another stage 1.
  command.overrides = {"seed=7"};
  EXPECT_THAT(fault_of(tiny, command), HasSubstr("plan.seed: '1' there, '7' here"));
}

TEST(Run, DryRunTrainsNothing) {
  TinyRun tiny;
  RunCommand dry = tiny.command();
  dry.dry_run = true;
  ASSERT_EQ(tiny.run(dry), 0);
  for (const char* const text :
       {"list 'train': 8 pairs", "rpn_head", "activations", "largest batch that fits",
        "learning rate   3 epochs of 4 steps", "nothing was trained"})
    EXPECT_THAT(tiny.output(), HasSubstr(text));
  EXPECT_FALSE(fs::exists(tiny.runs()));
}

TEST(Run, TheDeviceIsChosenByPlanAndMachineAndTheReasonIsSaidOnce) {
  TinyRun tiny;
  RunCommand dry = tiny.command();
  dry.dry_run = true;
  ASSERT_EQ(tiny.run(dry), 0);
  const std::string output = tiny.output(), said = "device    " + choose_device("auto").note + "\n";
  const std::size_t at = output.find(said);
  ASSERT_NE(at, std::string::npos) << output;
  EXPECT_EQ(output.find(said, at + 1), std::string::npos);
  dry.overrides.push_back("device='cuda'");
  EXPECT_THAT(fault_of(tiny, dry), testing::ContainsRegex("^KT-SYS-00[13]: device = .cuda."));
}

TEST(Run, FastCheckLeavesNothing) {
  TinyRun tiny;
  RunCommand check = tiny.command({"train.average=0.1"});
  check.fast_check = true;
  ASSERT_EQ(tiny.run(check), 0);
  EXPECT_THAT(tiny.output(), HasSubstr("fast check passed"));
  EXPECT_TRUE(!fs::exists(tiny.runs()) || fs::is_empty(tiny.runs()));
}

TEST(Run, JsonIsOneObjectALineAndQuietTellsTheResult) {
  TinyRun tiny;
  RunCommand json = tiny.command();
  json.json = true;
  ASSERT_EQ(tiny.run(json), 0);
  auto said = records(tiny.output());
  ASSERT_EQ(said.size(), 10u);
  EXPECT_EQ(said.back()["kind"], "end");
  EXPECT_EQ(said.back()["state"], "done");
  ASSERT_EQ(tiny.run(json), 0);  // complete already
  said = records(tiny.output());
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said.back()["state"], "done");
  json.dry_run = true;
  ASSERT_EQ(tiny.run(json), 0);
  EXPECT_EQ(records(tiny.output()).at(0)["kind"], "dry_run");
  RunCommand quiet = tiny.command();
  quiet.quiet = quiet.fresh = true;
  ASSERT_EQ(tiny.run(quiet), 0);
  EXPECT_THAT(tiny.output(), testing::StartsWith("tiny: done after"));
}

// Memory is planned: the arena does not grow after the second step, validations included.
TEST(Run, TheArenaDoesNotGrowAfterTheSecondStep) {
  TinyRun tiny;
  RunSetup setup(load_plan(tiny.plan(), {"train.average=0.1"}), [](const std::string&) {});
  Context& context = *setup.training().context();
  const std::int64_t planned = setup.memory().usage.high_water_bytes;
  for (std::int64_t step = 0; step < 2; ++step) (void)setup.train_step(step);
  (void)setup.detect();
  const MemoryUsage before = context.memory.usage();
  EXPECT_LE(
      before.high_water_bytes,
      planned + setup.memory().usage.peak_by_use[static_cast<std::size_t>(MemoryUse::kBatch)]);
  for (std::int64_t step = 2; step < 8; ++step) (void)setup.train_step(step);
  (void)setup.detect();
  const MemoryUsage after = context.memory.usage();
  EXPECT_EQ(after.growths, before.growths);
  EXPECT_EQ(after.high_water_bytes, before.high_water_bytes);
  EXPECT_EQ(after.live_bytes, before.live_bytes);
}

TEST(Run, ATrainingPairInTheValidationListIsRefused) {
  TinyRun tiny;
  (void)ensure_synth(
      tiny.data(),
      {.train_pairs = 8, .val_pairs = 3, .width = 64, .height = 64, .empty = 0, .seed = 5});
  const std::string train = read_text(tiny.data() + "/imageSets/train.txt");
  write_text(tiny.data() + "/imageSets/mine.txt", train.substr(0, train.find('\n') + 1));
  const RunCommand command =
      tiny.command({"data.preset=kaist", "data.train=train", "data.val=mine"});
  EXPECT_THAT(fault_of(tiny, command), HasSubstr("KT-DATA-032"));
}

}  // namespace
}  // namespace ktrain::test
