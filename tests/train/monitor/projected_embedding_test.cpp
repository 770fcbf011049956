// Embeddings in the monitor's records: those of the projection heads that the losses train.
#include <cmath>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/tiny_run.h"
#include "train/drift_command.h"
#include "train/monitor/drift.h"
#include "train/monitor/drift_monitor.h"

namespace ktrain::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using testing::HasSubstr;
using Strings = std::vector<std::string>;

const Strings kMacl = {"loss.macl.weight=0.05", "loss.macl.rows=4", "loss.macl.hidden=16",
                       "loss.macl.channels=8",  "threads=1",        "monitor.drift=on",
                       "output.log_every=1",    "train.keep=9"};
const Strings kDhn = {"loss.dhn.weight=0.1", "loss.dhn.queue=64", "loss.dhn.top_k=8",
                      "loss.dhn.frame_gap=0"};

Strings with(Strings base, const Strings& more) {
  base.insert(base.end(), more.begin(), more.end());
  return base;
}

std::vector<Json> records(const std::string& text, const std::string& kind) {
  std::vector<Json> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    Json json = Json::parse(line);
    if (json["kind"] == kind) out.push_back(std::move(json));
  }
  return out;
}

std::vector<Json> embeddings(const TinyRun& tiny) {
  return records(tiny.read("monitor.jsonl"), "embedding");
}

// Heads whose last layer is its bias alone, the same for every row, on maps of noise: three boxes
// in two images and one that is padding.
class Heads {
 public:
  explicit Heads(PairLevel level, bool shared = false) {
    detector_.channels = 4;
    PairEmbeddingOptions options;
    options.level = level;
    options.pool = 2;
    options.hidden = 5;
    options.channels = 3;
    options.shared = shared;
    heads_.emplace(Maker(context_, parameters_, 3) / "aux" / "macl", detector_, options);
    batch_.batch = batch_.count = 2;
    batch_.height = batch_.width = 64;
    batch_.sizes = {{64, 64}, {64, 64}};
    batch_.box_counts = {2, 1};
    batch_.indices = {10, 11};
    input_.sizes = Tensor::from<std::int32_t>(context_, {2, 2}, std::vector{64, 64, 64, 64});
    input_.identity = Tensor::zeros(context_, {2, 3}, DType::kI32);
    input_.targets.boxes.boxes = Tensor::from<float>(
        context_, {2, 2, 4},
        std::vector<float>{4, 4, 20, 40, 30, 8, 44, 50, 10, 10, 30, 60, 0, 0, 0, 0});
    input_.targets.boxes.counts = Tensor::from<std::int32_t>(context_, {2}, std::vector{2, 1});
  }
  // The last layer's weights to 0 and its bias to `bias`.
  void set(const std::string& stream, const std::vector<float>& bias) {
    const std::string at = "aux.macl." + stream + ".fc1.";
    Tensor weight = parameters_.find(at + "weight")->value;
    weight.copy_from<float>(std::vector<float>(static_cast<std::size_t>(weight.size())));
    Tensor value = parameters_.find(at + "bias")->value;
    value.copy_from<float>(bias);
  }
  void move_second_box() {
    input_.targets.boxes.boxes.copy_from<float>(
        std::vector<float>{4, 4, 20, 40, 2, 30, 60, 62, 10, 10, 30, 60, 0, 0, 0, 0});
  }
  BoxFeatures rows() {
    ActivationRecorder recorder(Depth::kEverything, &*heads_);
    recorder.begin(batch_, input_);
    const NoGradScope no_grad;
    for (const char* const stream : {"visible", "thermal"}) {
      std::vector<Tensor> levels;
      for (std::int64_t side = 16; side >= 1; side /= 2)
        levels.push_back(initial_tensor(context_, {2, side, side, 4}, normal(1), 7, stream));
      recorder.stream(stream);
      recorder.pyramid(levels);
    }
    return std::move(recorder).take().boxes;
  }

 private:
  ContextPtr context_ = make_cpu_context();
  ParameterSet parameters_;
  DetectorOptions detector_;
  std::optional<PairEmbedding> heads_;
  PairBatch batch_;
  DetectorInput input_;
};

TEST(ProjectedEmbedding, EqualProjectionsHaveTheKnownNumbers) {
  Heads heads(PairLevel::kRoi);
  heads.set("visible", {0, 2, 0});
  heads.set("thermal", {0, 7, 0});
  const BoxFeatures same = heads.rows();
  EXPECT_EQ(same.visible.rows, 3) << "not the padding";
  EXPECT_EQ(same.visible.columns, 3) << "the heads' outputs, not the pyramid's channels";
  EXPECT_THAT(same.pair, testing::ElementsAre(10, 10, 11));
  const EmbeddingRecord one = embedding_record(same, "macl").value();
  EXPECT_EQ(one.source, "macl");
  EXPECT_EQ(one.align, 0);
  EXPECT_EQ(one.unif, 0);
  EXPECT_EQ(one.gap, 0);
  // Orthogonal projections of the two streams: ||u - v||^2 = 2, a gap of sqrt(2).
  heads.set("thermal", {0, 0, 3});
  const EmbeddingRecord apart = embedding_record(heads.rows(), "macl").value();
  EXPECT_NEAR(apart.align, 2, 1e-12);
  EXPECT_EQ(apart.unif, 0);
  EXPECT_NEAR(apart.gap, std::sqrt(2.0), 1e-12);
}

// No normalisation over the batch: what else is in it changes no bit of a row.
TEST(ProjectedEmbedding, ARowDoesNotDependOnTheOthers) {
  Heads heads(PairLevel::kRoi);
  const SampleMatrix before = heads.rows().visible;
  heads.move_second_box();
  const SampleMatrix after = heads.rows().visible;
  for (std::int64_t c = 0; c < before.columns; ++c) {
    EXPECT_EQ(after(0, c), before(0, c));
    EXPECT_EQ(after(2, c), before(2, c));
  }
  EXPECT_NE(after(1, 0), before(1, 0));
}

TEST(ProjectedEmbedding, OneHeadForBothStreamsAndWholeImages) {
  Heads shared(PairLevel::kRoi, true);
  shared.set("shared", {1, 1, 0});
  EXPECT_EQ(embedding_record(shared.rows(), "dhn")->align, 0);
  Heads images(PairLevel::kImage);
  const BoxFeatures rows = images.rows();
  EXPECT_EQ(rows.visible.rows, 2) << "one row an image";
  EXPECT_THAT(rows.pair, testing::ElementsAre(10, 11));
  EXPECT_GT(embedding_record(rows, "macl")->align, 0);
}

TEST(ProjectedEmbedding, NumbersOfTheQueueAreReadWhereThereAreAny) {
  const auto number = [](const char* name, double value) {
    return SideNumber{name, [value] { return value; }};
  };
  const auto both = DriftMonitor::queue_numbers(
      {number("macl_rel", 1), number("dhn_fnr", 0.25), number("dhn_age", 12)});
  EXPECT_EQ(both.fnr, 0.25);
  EXPECT_EQ(both.qage, 12);
  const auto nothing = DriftMonitor::queue_numbers({number("dhn_fnr", NAN), number("x", 1)});
  EXPECT_FALSE(nothing.fnr);
  EXPECT_FALSE(nothing.qage);
}

// What the run says is what the command makes of the same checkpoint, and is no RoI feature.
TEST(ProjectedEmbedding, OfARunAreThoseOfItsHeadsAndSayWhose) {
  TinyRun macl, dhn, none, images;
  ASSERT_EQ(macl.train(with(kMacl, kDhn)), 0) << macl.output();
  const auto found = embeddings(macl);
  ASSERT_EQ(found.size(), 3u);
  const auto scalars = records(macl.read("scalars.jsonl"), "train");
  for (const Json& record : found) {
    EXPECT_EQ(record["source"], "macl");
    EXPECT_GT(record["boxes"], 1);
    EXPECT_EQ(record["fnr"], 0) << "what is excluded is not mined";
    for (const Json& step : scalars)
      if (step["step"] == record["step"]) {
        EXPECT_EQ(record["qage"], step["dhn_age"]);
      }
    EXPECT_GE(record["qage"], 1);
  }
  DriftOptions options;
  options.subject = macl.run_folder() + "/weights/" + TinyRun::step_name(12);
  options.reference = macl.run_folder() + "/weights/" + TinyRun::step_name(4);
  options.json = true;
  std::ostringstream out;
  ASSERT_EQ(run_drift(options, out), 0);
  const auto told = records(out.str(), "embedding");
  ASSERT_EQ(told.size(), 1u);
  for (const char* const key : {"source", "boxes", "align", "unif", "gap", "step"})
    EXPECT_EQ(told[0][key], found[2][key]) << key;
  EXPECT_GT(records(out.str(), "drift")[0]["groups"]["aux.macl"]["dw"], 0);

  ASSERT_EQ(dhn.train(with(with(kMacl, kDhn), {"loss.macl.weight=0"})), 0) << dhn.output();
  EXPECT_EQ(embeddings(dhn)[2]["source"], "dhn");
  ASSERT_EQ(none.train(with(kMacl, {"loss.macl.weight=0"})), 0) << none.output();
  EXPECT_EQ(embeddings(none)[2]["source"], "roi");
  EXPECT_FALSE(embeddings(none)[2].contains("qage"));
  EXPECT_NE(embeddings(none)[0]["align"], found[0]["align"]);
  ASSERT_EQ(images.train(with(kMacl, {"loss.macl.level=image", "train.batch=4"})), 0)
      << images.output();
  EXPECT_EQ(embeddings(images).back()["boxes"], 3) << "the validation pairs";
}

// MACL's own heads would stay as they began, and DHN's keys train none: DHN has a head of its own.
TEST(ProjectedEmbedding, HeadsOfALossThatIsMeasuredAloneAreNobodys) {
  const auto measured = with(kMacl, {"loss.macl.weight=0", "loss.macl.measure=true"});
  TinyRun alone, beside;
  ASSERT_EQ(alone.train(measured), 0) << alone.output();
  ASSERT_FALSE(embeddings(alone).empty());
  for (const Json& record : embeddings(alone)) EXPECT_EQ(record["source"], "roi");
  ASSERT_EQ(beside.train(with(measured, kDhn)), 0) << beside.output();
  ASSERT_FALSE(embeddings(beside).empty());
  for (const Json& record : embeddings(beside)) EXPECT_EQ(record["source"], "dhn");
}

TEST(ProjectedEmbedding, MeasuringChangesNoBitAndARunThatWasCutSaysTheSame) {
  const Strings keys = with(with(kMacl, kDhn), {"train.checkpoint_every=1", "train.keep=20"});
  TinyRun with_it, without, cut;
  ASSERT_EQ(with_it.train(keys), 0) << with_it.output();
  ASSERT_EQ(without.train(with(keys, {"monitor.drift=off"})), 0);
  EXPECT_TRUE(embeddings(without).empty());
  EXPECT_EQ(TinyRun::state_hash(with_it.run_folder(), 12),
            TinyRun::state_hash(without.run_folder(), 12));
  ASSERT_EQ(cut.train(keys), 0);
  for (std::int64_t step = 7; step <= 12; ++step)
    fs::remove(cut.run_folder() + "/weights/" + TinyRun::step_name(step));
  ASSERT_EQ(cut.train(keys), 0);
  EXPECT_THAT(cut.output(), HasSubstr("resume    step 6 of 12"));
  EXPECT_TRUE(embeddings(cut) == embeddings(with_it));
}

}  // namespace
}  // namespace ktrain::test
