// Whole recoveries of tiny plans: in this process, and killed in one of their own.
#include <filesystem>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/child.h"
#include "tests/support/tiny_run.h"
#include "train/recovery/recover_command.h"
#include "train/recovery/recovery_walk.h"

namespace ktrain::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

// Stage 1, A and B; nothing reaches `success`, so the sweep comes, and the best of all is marked.
// Tiny detectors find nothing, so that `any` is what everything reaches.
const char* const kTree = R"([recovery]
title = "a tiny tree"
start = "stage1"
[plans]
stage1 = { file = "tiny.cfg" }
a = { file = "a.cfg" }
b = { file = "b.cfg" }
last = { file = "tiny.cfg", start = "recovered", set = ["optimizer.lr=1e-4", "train.epochs=2"] }
[levels]
success = { map = 0.99 }
any = { map = 0.0, trend = "stable" }
[nodes]
stage1 = { run = "stage1", go = "a" }
a = { run = "a", when = [ { reaches = "success", go = "mark_a" } ], go = "b" }
mark_a = { mark = { from = ["a"], as = "recovered" }, go = "last" }
b = { run = "b", when = [ { reaches = "any", go = "compare" } ], go = "end" }
compare = { compare = ["a", "b"], go = "sweep" }
sweep = { sweep = { of = "stage1", on = "a", first = 1, last = 2 }, go = "mark" }
mark = { mark = { from = ["sweep", "a", "b"], as = "recovered" }, go = "last" }
last = { run = "last", go = "end" }
end = { end = "over" }
[hypotheses]
conflict = { text = "it conflicts", measure = "conflict", runs = ["b"], loss = "macl" }
scarce = { text = "too few", measure = "positives", runs = ["a"], least = 100.0 }
mismatch = { text = "it mismatches", measure = "interaction", poor = ["b", "a"], good = ["b", "a"], loss = "macl", factor = "loss" }
)";

class Tree {
 public:
  Tree() {
    std::string stage1 = tiny_plan_text(tiny.data());
    const std::string at = "[train]\n";
    tiny.write("tiny.cfg", stage1.insert(stage1.find(at) + at.size(), "keep_epochs = [1, 2]\n"));
    for (const char* const name : {"a", "b"})
      tiny.write(std::string(name) + ".cfg",
                 std::string("include = [\"tiny.cfg\"]\ninit = { plan = \"tiny.cfg\" }\n") +
                     (name[0] == 'a' ? "optimizer.lr = 5e-4\n" : "optimizer.lr = 7e-4\n"));
    tiny.write("tree.cfg", kTree);
  }

  [[nodiscard]] std::string file() const {
    return fs::path(tiny.plan()).parent_path() / "tree.cfg";
  }
  [[nodiscard]] std::string folder(const std::string& runs = "",
                                   const std::string& name = "tree") const {
    return (runs.empty() ? tiny.runs() : runs) + "/" + name;
  }
  int run(RecoverCommand command = {}, const std::string& name = "tree") {
    command.file = fs::path(tiny.plan()).parent_path() / (name + ".cfg");
    if (command.runs == "runs") command.runs = tiny.runs();
    std::ostringstream out;
    const int code = run_recover(command, out);
    output = out.str();
    return code;
  }
  std::string fault(const RecoverCommand& command = {}) {
    try {
      run(command);
    } catch (const Fault& fault) {
      return fault.what();
    }
    return "no fault";
  }
  [[nodiscard]] std::vector<OrderedJson> decisions(const std::string& runs = "",
                                                   const std::string& name = "tree") const {
    std::vector<OrderedJson> out;
    std::istringstream lines(read_text(folder(runs, name) + "/decisions.jsonl"));
    for (std::string line; std::getline(lines, line);) out.push_back(OrderedJson::parse(line));
    return out;
  }

  TinyRun tiny;
  std::string output;
};

TEST(Recovery, CarriesTheTreeOutAndWritesEveryDecision) {
  Tree tree;
  ASSERT_EQ(tree.run(), 0);
  const auto decisions = tree.decisions();
  std::vector<std::string> way;
  for (const OrderedJson& d : decisions)
    way.push_back(d["kind"] == "hypothesis" ? "?" : d["node"].get<std::string>());
  EXPECT_THAT(way, testing::ElementsAre("stage1", "a", "b", "compare", "sweep", "mark", "last",
                                        "end", "?", "?", "?"));
  // The evidence leads back to the number: file, line, epoch, checkpoint, data, protocol.
  const OrderedJson& evidence = decisions[1]["evidence"]["a"];
  const std::string log = evidence["log"];
  const std::size_t colon = log.rfind(':');
  std::istringstream lines(read_text(log.substr(0, colon)));
  std::string line;
  for (int n = std::stoi(log.substr(colon + 1)); n > 0; --n) std::getline(lines, line);
  const auto record = nlohmann::json::parse(line);
  EXPECT_EQ(record["kind"], "validation");
  EXPECT_EQ(record["epoch"], evidence["epoch"]);
  EXPECT_EQ(record["map"], evidence["metrics"]["map"]);
  EXPECT_EQ(record["fingerprint"], evidence["protocol"]);
  const LoadedCheckpoint best =
      read_checkpoint_file(real_file_system(), evidence["checkpoint"].get<std::string>());
  EXPECT_EQ(best.payload_hash(), evidence["hash"]);
  EXPECT_EQ(best.metadata("data.val"), evidence["data_val"]);
  EXPECT_EQ(decisions[1]["checks"][0]["holds"], false);
  EXPECT_EQ(decisions[1]["next"], "b");

  // The marked checkpoint is the one that was judged, and the last plan starts from it.
  const LoadedCheckpoint marked =
      read_checkpoint_file(real_file_system(), tree.folder() + "/recovered.safetensors");
  const auto provenance = nlohmann::json::parse(read_text(tree.folder() + "/recovered.json"));
  EXPECT_EQ(provenance["hash"], marked.payload_hash());
  EXPECT_EQ(provenance["from"], decisions[5]["of"]);
  EXPECT_THAT(read_text(tree.folder() + "/last/train.log"),
              HasSubstr("recovered.safetensors (#" + marked.payload_hash().substr(0, 8)));

  const std::string text = read_text(tree.folder() + "/recovery.md");
  EXPECT_THAT(text, HasSubstr("stage1 -> a -> b -> compare -> sweep -> mark -> last -> end"));
  EXPECT_THAT(text, HasSubstr("### conflict: **untested**"));
  EXPECT_THAT(text, HasSubstr("b trained without macl"));
  EXPECT_THAT(text, HasSubstr("### scarce: **supported**"));
  EXPECT_THAT(text, HasSubstr("### mismatch: **untested**"));
  EXPECT_THAT(text, Not(HasSubstr("validated")));
  EXPECT_TRUE(fs::exists(tree.folder() + "/sweep/sweep/epoch_02/detections.txt"));
  EXPECT_THAT(read_text(tree.folder() + "/compare/compare.txt"), HasSubstr("optimizer.lr"));
}

TEST(Recovery, ASecondTimeEverythingIsAsBefore) {
  Tree tree;
  ASSERT_EQ(tree.run(), 0);
  const std::string before = read_text(tree.folder() + "/decisions.jsonl");
  ASSERT_EQ(tree.run(), 0);
  EXPECT_EQ(read_text(tree.folder() + "/decisions.jsonl"), before);
  EXPECT_THAT(tree.output, HasSubstr("run       a is complete"));
  EXPECT_THAT(tree.output, HasSubstr("(as before)"));
  EXPECT_THAT(tree.output, Not(HasSubstr("epoch 1/3")));
}

TEST(Recovery, WhatWasDecidedOtherwiseIsRefused) {
  Tree tree;
  ASSERT_EQ(tree.run(), 0);
  tree.tiny.write("tree.cfg", [] {
    std::string text = kTree;
    return text.replace(text.find("map = 0.99"), 10, "map = 0.0 ");
  }());
  const std::string fault = tree.fault();
  EXPECT_THAT(fault, HasSubstr("KT-REC-001"));
  EXPECT_THAT(fault, HasSubstr("decisions.jsonl:2"));
  EXPECT_THAT(fault, HasSubstr("--fresh"));
  RecoverCommand fresh;
  fresh.fresh = true;
  ASSERT_EQ(tree.run(fresh), 0);
  EXPECT_EQ(tree.decisions()[1]["next"], "mark_a");
  EXPECT_TRUE(fs::exists(tree.folder() + ".1/decisions.jsonl"));
  EXPECT_TRUE(fs::exists(tree.tiny.runs() + "/a.1/report.txt"));
}

TEST(Recovery, ARunOfOtherSettingsIsNotTakenForAPlans) {
  Tree tree;
  ASSERT_EQ(tree.run(), 0);
  RecoverCommand other;
  other.overrides = {"a:optimizer.lr=0.25"};
  EXPECT_THAT(tree.fault(other), HasSubstr("plan.optimizer.lr: '0.0005' there, '0.25' here"));
  other.overrides = {"aa:optimizer.lr=0.25"};
  EXPECT_THAT(tree.fault(other), HasSubstr("no plan 'aa'"));
}

TEST(Recovery, ADryRunShowsTheTreeAndTrainsNothing) {
  Tree tree;
  RecoverCommand dry;
  dry.dry_run = true;
  ASSERT_EQ(tree.run(dry), 0);
  for (const char* const text :
       {"if a reaches success -> mark_a", "otherwise -> b", "starts from the mark recovered",
        "evaluate stage1 at epochs 1 to 2", "map at least 0.99", "optimizer.lr", "0.0005  in a"})
    EXPECT_THAT(tree.output, HasSubstr(text));
  EXPECT_FALSE(fs::exists(tree.tiny.runs()));
}

TEST(Recovery, WhatIsWrongWithPlansIsFoundBeforeAnythingRuns) {
  Tree tree;
  RecoverCommand command;
  command.overrides = {"stage1:train.keep_epochs=[3]"};
  EXPECT_THAT(tree.fault(command), HasSubstr("sweeps epochs 1 to 2 of stage1"));
  command.overrides = {"b:stop.metric=recall"};
  EXPECT_THAT(tree.fault(command), HasSubstr("chooses its best checkpoint by recall"));
  command.overrides = {"b:data.preset=kaist", "b:data.root=/nowhere"};
  EXPECT_THAT(tree.fault(command), HasSubstr("KT-DATA-001"));
  EXPECT_FALSE(fs::exists(tree.tiny.runs()));
}

// Killed at random moments until it comes through: the decisions are those of one that never was.
TEST(Recovery, KilledAndStartedAgainItDecidesTheSame) {
  Tree tree;
  const std::string output = tree.tiny.runs() + "-output", whole = tree.tiny.runs() + "-whole";
  const auto arguments = [&](const std::string& runs) {
    return std::vector<std::string>{"recover", tree.file(), "--runs", runs, "--set", "threads=1"};
  };
  ASSERT_EQ(Child(arguments(whole), output).wait(), 0) << read_text(output);
  std::mt19937 random(3);
  std::uniform_int_distribution<int> delay_ms(30, 400);
  int kills = 0;
  for (int code = -SIGKILL; code != 0;) {
    ASSERT_LT(kills, 200);
    Child child(arguments(tree.tiny.runs()), output);
    if (kills < 12) {
      sleep_ms(delay_ms(random));
      child.signal(SIGKILL);
    }
    code = child.wait();
    kills += code != 0;
    ASSERT_TRUE(code == 0 || code == -SIGKILL) << code << '\n' << read_text(output);
  }
  EXPECT_GT(kills, 0);
  const auto expected = tree.decisions(whole), found = tree.decisions();
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    // The folders' names and the time are all that may differ.
    std::string a = expected[i].dump(), b = found[i].dump();
    for (std::size_t at = 0; (at = a.find(whole)) != std::string::npos;)
      a.replace(at, whole.size(), tree.tiny.runs());
    auto left = nlohmann::json::parse(a), right = nlohmann::json::parse(b);
    left.erase("time");
    right.erase("time");
    EXPECT_EQ(left, right) << i;
  }
  EXPECT_EQ(read_checkpoint_file(real_file_system(), tree.folder() + "/recovered.safetensors")
                .payload_hash(),
            read_checkpoint_file(real_file_system(), whole + "/tree/recovered.safetensors")
                .payload_hash());
}

// Explodes within a few steps, each of which is saved as long as it is finite.
const char* const kDiverging = R"(include = ["tiny.cfg"]
init = { plan = "tiny.cfg" }
optimizer = { kind = "sgd", lr = 100.0, clip = 0.0 }
train.checkpoint_every = 1
)";

TEST(Recovery, ARunThatDivergesIsAFailureOfItsPlanAlone) {
  Tree tree;
  tree.tiny.write("a.cfg", kDiverging);
  ASSERT_EQ(tree.run(), 0) << tree.output;
  const auto decisions = tree.decisions();
  EXPECT_EQ(decisions[1]["node"], "a");
  EXPECT_THAT(decisions[1]["did"].get<std::string>(), HasSubstr("ran a, which failed: KT-NUM-0"));
  const OrderedJson& evidence = decisions[1]["evidence"]["a"];
  EXPECT_EQ(evidence["state"], "failed");
  EXPECT_FALSE(evidence.contains("epoch"));
  EXPECT_EQ(decisions[1]["checks"][0]["holds"], false);
  EXPECT_EQ(decisions[1]["checks"][0]["criteria"][0]["name"], "finite");
  EXPECT_EQ(decisions[1]["next"], "b");
  EXPECT_EQ(decisions[3]["did"], "did not compare b with a");
  EXPECT_THAT(decisions[3]["refused"].get<std::string>(), HasSubstr("a failed: KT-NUM-0"));
  EXPECT_NE(decisions[5]["of"], "a");  // the mark is of another
  const std::string text = read_text(tree.folder() + "/recovery.md");
  EXPECT_THAT(text, HasSubstr("stage1 -> a -> b -> compare -> sweep -> mark -> last -> end"));
  EXPECT_THAT(text, HasSubstr("- not compared: a failed: KT-NUM-0"));
  EXPECT_THAT(text, HasSubstr("failed): no validation; KT-NUM-0"));

  // The failure stands in the run's STATUS beside its checkpoint: it is not repeated.
  const std::string before = read_text(tree.folder() + "/decisions.jsonl");
  ASSERT_EQ(tree.run(), 0) << tree.output;
  EXPECT_EQ(read_text(tree.folder() + "/decisions.jsonl"), before);
  EXPECT_THAT(tree.output, Not(HasSubstr("resume ")));
}

TEST(Recovery, WhatOthersBuildOnMustNotDiverge) {
  Tree tree;
  const std::string text = read_text(tree.tiny.plan());
  tree.tiny.write("tiny.cfg", [&] {
    std::string diverging = text;
    return diverging.replace(diverging.find("lr = 1e-3\nclip = 5.0"), 20,
                             "kind = \"sgd\"\nlr = 100.0\nclip = 0.0");
  }());
  EXPECT_THAT(tree.fault(), HasSubstr("KT-NUM-0"));
  EXPECT_THAT(read_text(tree.folder() + "/state.json"), HasSubstr("\"failed\""));
  EXPECT_FALSE(fs::exists(tree.tiny.runs() + "/a"));
}

// What the way taken leaves out is carried out at the end, for the hypotheses that ask for it.
TEST(Recovery, HypothesesCollectTheRunsThatTheyLack) {
  Tree tree;
  std::string text = kTree;
  text.replace(text.find("map = 0.99"), 10, "map = 0.0 ");
  // 16 probes make a window.
  tree.tiny.write("a.cfg",
                  "include = [\"tiny.cfg\"]\ninit = { plan = \"tiny.cfg\" }\ntrain.epochs = 4\n"
                  "monitor = { interval = 1, burst = 0, budget_pct = 10000, window = 16 }\n"
                  "model = { roi = { positive_share = 0.5 } }\n");
  tree.tiny.write("b.cfg",
                  "include = [\"a.cfg\"]\n[loss.macl]\nweight = 0.01\nrows = 4\nhidden = 16\n"
                  "channels = 8\ntemperature = \"learned\"\n");
  tree.tiny.write("tree.cfg", text);
  ASSERT_EQ(tree.run(), 0);
  EXPECT_THAT(read_text(tree.folder() + "/recovery.md"),
              HasSubstr("b was not carried out on the way taken"));
  text.insert(text.find("runs = [\"b\"]"), "collect = true, ");
  text.insert(text.find("poor = "), "collect = true, ");
  tree.tiny.write("collecting.cfg", text);
  RecoverCommand command;
  ASSERT_EQ(tree.run(command, "collecting"), 0) << tree.output;
  std::vector<std::string> way;
  for (const OrderedJson& d : tree.decisions("", "collecting"))
    way.push_back(d["kind"] == "hypothesis" ? d["status"].get<std::string>()
                                            : d["node"].get<std::string>());
  EXPECT_THAT(way,
              testing::ElementsAre("stage1", "a", "mark_a", "last", "end", "hypotheses.conflict",
                                   "inconclusive", "inconclusive", "supported"));
  const std::string found = read_text(tree.folder("", "collecting") + "/recovery.md");
  EXPECT_THAT(found, HasSubstr("Way taken: stage1 -> a -> mark_a -> last -> end\n"));
  EXPECT_THAT(found, Not(HasSubstr("untested")));
}

// Before the first node trains: b's folder holds another plan's run, and nothing else is there.
TEST(Recovery, FoldersOfAllPlansAreLookedAtBeforeAnythingTrains) {
  Tree tree;
  RunCommand other = tree.tiny.command({"optimizer.lr=0.25", "init.plan="});
  other.plan = fs::path(tree.tiny.plan()).parent_path() / "b.cfg";
  ASSERT_EQ(tree.tiny.run(other), 0);
  EXPECT_THAT(tree.fault(), HasSubstr("KT-CKPT-002"));
  EXPECT_FALSE(fs::exists(tree.tiny.runs() + "/tiny"));
}

TEST(Recovery, ARunThatBeganElsewhereIsNotTaken) {
  Tree tree;
  ASSERT_EQ(tree.run(), 0);
  fs::remove_all(tree.tiny.runs() + "/tiny");
  EXPECT_THAT(tree.fault(), HasSubstr("but stage1 is not complete in"));
  EXPECT_FALSE(fs::exists(tree.tiny.runs() + "/tiny"));
}

}  // namespace
}  // namespace ktrain::test
