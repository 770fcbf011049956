// The monitor in real training steps: what it must not change, and what it must find.
#include <cmath>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/monitored_steps.h"

namespace ktrain::test {
namespace {

TEST(MonitorRun, TrainingIsUnchangedToTheBitByMonitoring) {
  const TinyRun tiny;
  for (const bool shared : {false, true}) {
    const auto base = with(kEveryStep, {"loss.planted.kind=random_sign",
                                        shared ? "model.shared=true" : "model.shared=false"});
    std::vector<std::vector<std::byte>> off, weights;
    const Steps plain = train(tiny, with(base, {"monitor.profile=off"}), 12, &off);
    EXPECT_TRUE(plain.probes.empty());
    for (const char* profile : {"watch", "deep", "surgery"}) {
      weights.clear();
      const Steps probed =
          train(tiny,
                with(base, {std::string("monitor.profile=") + profile, "monitor.real_every=1",
                            "monitor.half_every=1", "monitor.loo_every=1"}),
                12, &weights);
      EXPECT_EQ(probed.probes.size(), 12u);
      EXPECT_EQ(probed.losses, plain.losses) << profile;
      EXPECT_EQ(weights, off) << profile;
    }
  }
}

TEST(MonitorRun, WithoutAnAuxiliaryLossWatchMeasuresNothingAndSaysSo) {
  const TinyRun tiny;
  RunSetup setup(load_plan(tiny.plan(), {"threads=1"}), [](const std::string&) {});
  EXPECT_FALSE(setup.training().monitor().active());
  EXPECT_NE(setup.heading().find("nothing to compare"), std::string::npos);
  EXPECT_TRUE(take(setup, 0, 2).probes.empty());
  EXPECT_TRUE(setup.training().monitor().state().empty());
}

TEST(MonitorRun, PlantedConflictAndPlantedCopyAreFoundInEveryGroup) {
  const TinyRun tiny;
  for (const bool copy : {false, true}) {
    const Steps steps = train(
        tiny,
        with(kEveryStep, {copy ? "loss.planted.kind=copy_det" : "loss.planted.kind=negative_det"}),
        4);
    ASSERT_EQ(steps.probes.size(), 4u);
    for (const ProbeRecord& probe : steps.probes) {
      EXPECT_EQ(probe.losses, (std::vector<std::string>{"det", "planted"}));
      EXPECT_NEAR(probe.values[1], probe.values[0] * (copy ? 1 : -0.1), 1e-5);
      EXPECT_EQ(probe.groups.size(), 13u);
      EXPECT_EQ(probe.features.size(), 10u);
      for (const GroupGram& group : probe.groups) {
        EXPECT_NEAR(cosine(group.raw), copy ? 1 : -1, 1e-5) << group.group;
        if (probe.step > 1) {
          EXPECT_NEAR(cosine(group.preconditioned), copy ? 1 : -1, 1e-5) << group.group;
        }
      }
    }
  }
}

TEST(MonitorRun, RandomSignsHaveNoDirection) {
  const TinyRun tiny;
  const Steps steps = train(tiny, with(kEveryStep, {"loss.planted.kind=random_sign"}), 12);
  double sum = 0;
  int count = 0;
  for (const ProbeRecord& probe : steps.probes) {
    double norm = 0;
    for (const FeatureGram& feature : probe.features) norm += feature.raw(1, 1);
    // p5 holds what p6 passes back, too.
    EXPECT_GT(norm, 0.99);
    EXPECT_LT(norm, 1.2);
    for (const GroupGram& group : probe.groups) {
      if (group.group == "rpn" || group.group == "roi" || group.group == "fusion") {
        EXPECT_EQ(group.raw(1, 1), 0) << group.group;
        continue;
      }
      sum += cosine(group.raw);
      ++count;
    }
  }
  EXPECT_EQ(count, 120);
  EXPECT_LT(std::abs(sum / count), 0.15);
}

TEST(MonitorRun, PredictedChangeIsCloseToTheRealOneForASmallStep) {
  const TinyRun tiny;
  const Steps steps =
      train(tiny,
            with(kEveryStep,
                 {"loss.planted.kind=random_sign", "monitor.real_every=1", "optimizer.kind=sgd",
                  "optimizer.lr=1e-4", "model.norm=frozen", "optimizer.weight_decay=0"}),
            3);
  for (const ProbeRecord& probe : steps.probes) {
    ASSERT_EQ(probe.real.size(), 2u);
    // The same regions before and after: what is left is the loss' curvature, and floats.
    EXPECT_NEAR(probe.real[0], probe.predicted[0],
                0.1 * std::abs(probe.predicted[0]) + 4e-7 * probe.values[0]);
    EXPECT_LT(probe.predicted[0], 0);
  }
}

TEST(MonitorRun, LeavingALossOutShowsWhetherItHurtsDetectionOnOtherImages) {
  const TinyRun tiny;
  // -0.1 times 20: with it the step climbs detection's loss, without it descends.
  for (const bool copy : {false, true}) {
    const Steps steps = train(
        tiny,
        with(kEveryStep, {copy ? "loss.planted.kind=copy_det" : "loss.planted.kind=negative_det",
                          copy ? "loss.planted.weight=2" : "loss.planted.weight=20",
                          "optimizer.kind=sgd", "optimizer.lr=0.01", "monitor.loo_every=1"}),
        4);
    std::string last;
    for (const std::string& line : steps.windows)
      if (line.find("\"kind\":\"loo\"") != std::string::npos) last = line;
    const auto json = nlohmann::json::parse(last);
    EXPECT_EQ(json["loss"], "planted");
    EXPECT_EQ(json["delta_det"].size(), 4u);
    EXPECT_EQ(json["mean"].get<double>() < 0, copy) << last;
  }
}

TEST(MonitorRun, SharedWeightsAreAttributedToTheirStreams) {
  const TinyRun tiny;
  const Steps steps =
      train(tiny, with(kEveryStep, {"loss.planted.kind=random_sign", "model.shared=true"}), 2);
  const ProbeRecord& probe = steps.probes.at(0);
  const auto group = [&](const std::string& name) -> const GroupGram& {
    for (const GroupGram& g : probe.groups)
      if (g.group == name) return g;
    throw Error("no group " + name);
  };
  EXPECT_TRUE(group("visible.layer1").share);
  EXPECT_FALSE(group("shared.layer1").share);
  // |v + t|^2 lies between (|v| - |t|)^2 and (|v| + |t|)^2.
  for (const std::size_t k : {0u, 1u}) {
    const double v = std::sqrt(group("visible.layer1").raw(k, k));
    const double t = std::sqrt(group("thermal.layer1").raw(k, k));
    const double both = std::sqrt(group("shared.layer1").raw(k, k));
    EXPECT_GT(v, 0);
    EXPECT_GT(t, 0);
    EXPECT_LE(both, (v + t) * 1.0001);
    EXPECT_GE(both, std::abs(v - t) * 0.9999);
  }
}

// T22.
TEST(MonitorRun, ARunThatGoesOnSaysTheSame) {
  const TinyRun tiny;
  const auto overrides =
      with(kEveryStep, {"loss.planted.kind=negative_det", "loss.planted.weight=2",
                        "data.synth.train_pairs=80", "train.epochs=1", "monitor.half_every=4"});
  const ResolvedPlan resolved = load_plan(tiny.plan(), overrides);
  const Notice quiet = [](const std::string&) {};
  RunSetup whole(resolved, quiet);
  const Steps before = take(whole, 0, 13);
  const TemporaryFolder folder;
  const std::string path = folder / "step.safetensors";
  save_state(whole, path);
  const Steps want = take(whole, 13, 36);
  EXPECT_FALSE(want.windows.empty());

  RunSetup again(resolved, quiet);
  restore_state(again, path, 13);
  const Steps got = take(again, 13, 36);
  EXPECT_EQ(got.probes, want.probes);
  EXPECT_EQ(got.windows, want.windows);
  bool alarm = false;
  for (const std::string& line : want.of_kind("alarm"))
    alarm = alarm || nlohmann::json::parse(line)["level"] == "alarm";
  EXPECT_TRUE(alarm) << "a planted conflict is reported at the highest level";
  // And in the next probe where in the layer it is.
  int channels = 0;
  for (const std::string& line : want.windows) {
    if (line.find("\"kind\":\"channels\"") == std::string::npos) continue;
    ++channels;
    const auto json = nlohmann::json::parse(line);
    ASSERT_GT(json["channels"].size(), 0u) << line;
    EXPECT_LE(json["channels"].size(), 8u);
    EXPECT_LT(json["channels"][0]["dot"].get<double>(), 0);
    EXPECT_GT(json["channels"][0]["share"].get<double>(), 0);
    EXPECT_LE(json["channels"][0]["share"].get<double>(), 1);
  }
  EXPECT_GT(channels, 0);
}

TEST(LiveRemedy, ShadowChangesNothingAndSaysWhatItWouldDo) {
  const TinyRun tiny;
  const auto base = with(kEveryStep, {"loss.planted.kind=negative_det"});
  std::vector<std::vector<std::byte>> plain, shadow;
  (void)train(tiny, base, 6, &plain);
  const Steps steps = train(tiny, with(base, {"remedy.kind=pcgrad"}), 6, &shadow);
  EXPECT_EQ(shadow, plain);
  int remedies = 0;
  for (const std::string& line : steps.windows)
    if (line.find("\"kind\":\"remedy\"") != std::string::npos) {
      ++remedies;
      EXPECT_NE(line.find("\"changed\":true"), std::string::npos);
    }
  EXPECT_EQ(remedies, 6);
}

TEST(LiveRemedy, WithoutAConflictItTrainsOnThePlainSumToTheBit) {
  const TinyRun tiny;
  const auto base = with(kEveryStep, {"loss.planted.kind=copy_det"});
  std::vector<std::vector<std::byte>> plain, live;
  (void)train(tiny, base, 6, &plain);
  (void)train(tiny, with(base, {"remedy.kind=pcgrad", "remedy.mode=live"}), 6, &live);
  EXPECT_EQ(live, plain);
}

TEST(LiveRemedy, ProjectionTakesAPlantedConflictOut) {
  // aux = -0.1 det: without its component along detection nothing of it is left, and the step is
  // that of detection alone (but for rounding, which a first AdamW step would turn into signs).
  const TinyRun tiny;
  const auto base = with(kEveryStep, {"loss.planted.kind=negative_det", "optimizer.kind=sgd",
                                      "optimizer.lr=0.01", "loss.planted.weight=3"});
  for (const char* kind : {"pc_asym", "cut"}) {
    const auto remedy = with(base, {std::string("remedy.kind=") + kind, "remedy.mode=live",
                                    "remedy.groups=[\"visible\", \"thermal\", \"fusion\", \"rpn\", "
                                    "\"roi\"]"});
    const Steps live = train(tiny, remedy, 1);
    const Steps alone = train(tiny, with(base, {"loss.planted.weight=0"}), 1);
    const Steps plain = train(tiny, base, 1);
    ASSERT_EQ(live.probes.size(), 1u);
    EXPECT_NEAR(live.probes[0].gradient_norm, alone.probes[0].gradient_norm,
                1e-4 * alone.probes[0].gradient_norm)
        << kind;
    EXPECT_NEAR(plain.probes[0].gradient_norm, 0.7 * alone.probes[0].gradient_norm,
                1e-4 * alone.probes[0].gradient_norm);
    EXPECT_NEAR(live.probes[0].predicted[0], alone.probes[0].predicted[0],
                1e-3 * std::abs(alone.probes[0].predicted[0]));
  }
}

TEST(LiveRemedy, GoesOnToTheBit) {
  const TinyRun tiny;
  const ResolvedPlan resolved = load_plan(
      tiny.plan(), with(kEveryStep, {"loss.planted.kind=negative_det", "remedy.kind=pc_asym",
                                     "remedy.mode=live", "monitor.interval=3"}));
  const Notice quiet = [](const std::string&) {};
  RunSetup whole(resolved, quiet);
  (void)take(whole, 0, 5);
  const TemporaryFolder folder;
  const std::string path = folder / "step.safetensors";
  save_state(whole, path);
  const Steps want = take(whole, 5, 12);
  RunSetup again(resolved, quiet);
  restore_state(again, path, 5);
  const Steps got = take(again, 5, 12);
  EXPECT_EQ(got.losses, want.losses);
  EXPECT_EQ(got.windows, want.windows);
}

TEST(MonitorRun, OtherSketchesBeginAnewAndItIsSaid) {
  const TinyRun tiny;
  const auto base = with(kEveryStep, {"loss.planted.kind=copy_det"});
  RunSetup one(load_plan(tiny.plan(), base), [](const std::string&) {});
  (void)take(one, 0, 2);
  const TemporaryFolder folder;
  const std::string path = folder / "step.safetensors";
  save_state(one, path);
  RunSetup other(load_plan(tiny.plan(), with(base, {"monitor.sketch=512"})),
                 [](const std::string&) {});
  const LoadedCheckpoint from = read_checkpoint_file(real_file_system(), path);
  EXPECT_NE(other.training().monitor().restore(from).find("begin anew"), std::string::npos);
  other.seek(2);
  EXPECT_EQ(take(other, 2, 4).probes.size(), 2u) << "and it goes on measuring";
}

TEST(MonitorRun, ARunWritesItsProbes) {
  TinyRun tiny;
  ASSERT_EQ(tiny.train(with(kEveryStep, {"loss.planted.kind=copy_det", "output.log_every=1",
                                         "optimizer.clip=2.0"})),
            0)
      << tiny.output();
  const MonitorLog log = read_monitor_log(tiny.run_folder());
  ASSERT_EQ(log.probes.size(), 12u);
  EXPECT_EQ(log.probes[0].step, 1);
  EXPECT_EQ(log.probes[11].epoch, 3);
  EXPECT_EQ(log.probes[4].interval, 1);
  // The clip of every step, probed or not, stands in its own line.
  std::istringstream lines(tiny.read("scalars.jsonl"));
  int clipped = 0;
  std::size_t step = 0;
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line);
    if (json["kind"] != "train") continue;
    EXPECT_NEAR(json["clip"].get<double>(), log.probes.at(step).clip, 1e-6) << step;
    clipped += json["clip"] < 1 ? 1 : 0;
    ++step;
  }
  EXPECT_EQ(step, 12u);
  EXPECT_GT(clipped, 0);
  EXPECT_NE(tiny.read("report.txt").find("12 probes (watch)"), std::string::npos);
  EXPECT_NE(tiny.read("train.log").find("monitor   watch: det, planted"), std::string::npos);
}

}  // namespace
}  // namespace ktrain::test
