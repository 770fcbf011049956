// T20: what is switched on but trains nothing stops the run with its name.
#include "train/connectivity.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/parallel.h"
#include "runtime/fault.h"
#include "runtime/ops.h"
#include "runtime/ops_alignment.h"
#include "runtime/ops_contrast.h"
#include "tests/support/tiny_run.h"
#include "train/batch_tensors.h"
#include "train/data_set.h"
#include "train/plan_load.h"
#include "train/training_step.h"

namespace ktrain {
namespace {

using testing::HasSubstr;

class Connectivity : public testing::Test {
 protected:
  Connectivity() { trunk_.set_requires_grad(true); }

  Tensor level() { return add(trunk_, trunk_); }
  [[nodiscard]] Tensor rows(std::int32_t count) const {
    return Tensor::from<std::int32_t>(context_, {1}, std::vector{count});
  }
  // `value` of a level and how many rows it came from; the fault after as many steps as it takes.
  std::string fault_after(std::int64_t steps, const std::function<Tensor(const Tensor&)>& value,
                          std::int32_t count, const std::string& id) {
    ConnectivityWatch watch({"macl"});
    for (std::int64_t step = 1; step <= steps; ++step) {
      const Tensor pyramid = level();
      const auto look = [&] {
        watch.look({{"macl", value(pyramid), 0.5}}, {{{}, rows(count), {}, {}}}, {pyramid}, step);
      };
      if (step < steps) {
        look();
        continue;
      }
      try {
        look();
      } catch (const Fault& fault) {
        EXPECT_EQ(fault.id(), id);
        return fault.what();
      }
    }
    return "no fault";
  }

  ContextPtr context_ = make_cpu_context();
  Tensor trunk_ = filled(context_, {1, 4}, 0.5f), head_ = leaf();
  Tensor leaf() {
    Tensor head = filled(context_, {1, 4}, 0.25f);
    head.set_requires_grad(true);
    return head;
  }
};

Tensor dot(const Tensor& x, const Tensor& w) { return reshape(linear(x, w, {}), {1}); }

TEST_F(Connectivity, OneGradientIsProofEnough) {
  ConnectivityWatch watch({"macl"});
  EXPECT_FALSE(watch.done());
  const Tensor pyramid = level();
  watch.look({{"macl", dot(pyramid, head_), 0}}, {{{}, rows(3), {}, {}}}, {pyramid}, 1);
  EXPECT_TRUE(watch.done());
}

// T20.
TEST_F(Connectivity, AStoppedGradientIsFoundWithinTwentySteps) {
  const Tensor nothing = filled(context_, {1}, 0);
  const auto stopped = [&](const Tensor& x) { return dot(scale_row_gradients(x, nothing), head_); };
  const std::string text = fault_after(20, stopped, 3, "KT-NUM-006");
  EXPECT_THAT(text, HasSubstr("loss term 'macl' is not connected"));
  const auto detached = [&](const Tensor& x) { return dot(x.detached(), head_); };
  EXPECT_THAT(fault_after(20, detached, 3, "KT-NUM-006"), HasSubstr("'macl'"));
}

TEST_F(Connectivity, AValueWithoutHistoryIsRefusedAtOnce) {
  const auto constant = [&](const Tensor& x) { return dot(x, head_).detached(); };
  EXPECT_THAT(fault_after(1, constant, 3, "KT-NUM-002"), HasSubstr("it is detached"));
}

TEST_F(Connectivity, FeaturesThatNothingTrainsAreRefusedAtOnce) {
  trunk_.set_requires_grad(false);
  EXPECT_THAT(fault_after(
                  1, [&](const Tensor& x) { return dot(x, head_); }, 3, "KT-NUM-002"),
              HasSubstr("nothing trains"));
}

TEST_F(Connectivity, NoPairInTwentyStepsStopsTheRun) {
  const auto zero = [&](const Tensor& x) { return weighted_sum({dot(x, head_)}, {0.0f}); };
  EXPECT_THAT(fault_after(20, zero, 0, "KT-NUM-004"), HasSubstr("no pair has arrived in 20 steps"));
  EXPECT_THAT(fault_after(20, zero, 2, "KT-NUM-005"), HasSubstr("'macl' has been 0"));
}

TEST_F(Connectivity, APairInTheLastStepIsInTime) {
  ConnectivityWatch watch({"macl"});
  for (std::int64_t step = 1; step <= 20; ++step) {
    const Tensor pyramid = level();
    const Tensor value = weighted_sum({dot(pyramid, head_)}, {step < 20 ? 0.0f : 1.0f});
    watch.look({{"macl", value, 1}}, {{{}, rows(step < 20 ? 0 : 2), {}, {}}}, {pyramid}, step);
  }
  EXPECT_TRUE(watch.done());
}

TEST_F(Connectivity, AGradientThatIsNotFiniteIsNamed) {
  const auto broken = [&](const Tensor& x) { return weighted_sum({dot(x, head_)}, {NAN}); };
  EXPECT_THAT(fault_after(1, broken, 3, "KT-NUM-003"), HasSubstr("'macl'"));
}

// A detector's term: two streams, a fused map, what a head makes of it, the term.
class DetectionConnectivity : public testing::Test {
 protected:
  DetectionConnectivity() {
    for (Tensor* const leaf : {&visible_, &thermal_, &head_}) leaf->set_requires_grad(true);
  }

  struct Pass {
    Tensor value, output;
    std::vector<NamedPyramid> pyramids;
  };
  // `before` stands between the streams and the head, `after` behind the head.
  using Part = std::function<Tensor(const Tensor&)>;
  Pass pass(const Part& after, const Part& before_visible = {}, const Part& before_thermal = {}) {
    const Tensor v = add(visible_, visible_), t = add(thermal_, thermal_);
    const Tensor fused =
        add(before_visible ? before_visible(v) : v, before_thermal ? before_thermal(t) : t);
    Pass pass;
    pass.output = linear(fused, head_, {});
    pass.value = after(reshape(pass.output, {1}));
    pass.pyramids = {{"visible stream", {v}}, {"thermal stream", {t}}};
    return pass;
  }
  // As many steps as end in a fault, at most `most`; `somebody` in each batch or nobody.
  struct End {
    std::int64_t step = 0;
    std::string id, text;
  };
  End run(const std::function<Pass()>& make, bool wants_boxes, bool somebody,
          std::int64_t most = 60) {
    DetectionWatch watch({{"rpn_bbox", wants_boxes}});
    const Tensor boxes =
        Tensor::from<std::int32_t>(context_, {2}, std::vector{0, somebody ? 1 : 0});
    for (std::int64_t step = 1; step <= most && !watch.done(); ++step) {
      const Pass now = make();
      try {
        watch.look({now.value}, {now.output}, now.pyramids, boxes, step);
      } catch (const Fault& fault) {
        return {step, fault.id(), fault.what()};
      }
    }
    return {0, watch.done() ? "connected" : "open", ""};
  }
  static Tensor same(const Tensor& x) { return x; }
  static Tensor detached(const Tensor& x) { return x.detached(); }
  [[nodiscard]] Tensor stopped(const Tensor& x) const {
    return scale_gradient(x, filled(context_, {1}, 0));
  }
  static Tensor nothing(const Tensor& x) { return weighted_sum({x}, {0.0f}); }

  ContextPtr context_ = make_cpu_context();
  Tensor visible_ = filled(context_, {1, 4}, 0.5f), thermal_ = filled(context_, {1, 4}, 0.25f),
         head_ = filled(context_, {1, 4}, 0.75f);
};

TEST_F(DetectionConnectivity, OneGradientIsProofEnough) {
  EXPECT_EQ(run([&] { return pass(same); }, false, false).id, "connected");
  EXPECT_EQ(run([&] { return pass(same); }, true, false).id, "connected");
}

TEST_F(DetectionConnectivity, WhatIsDetachedAnywhereIsRefusedAtOnce) {
  const struct {
    Part after, visible, thermal;
    const char* from;
  } cases[] = {{detached, {}, {}, "leads from it to any trainable parameter"},
               {same, detached, detached, "the pyramid of the visible stream"},
               {same, {}, detached, "the pyramid of the thermal stream"}};
  for (const auto& c : cases) {
    const End end = run([&] { return pass(c.after, c.visible, c.thermal); }, false, true);
    EXPECT_EQ(end.step, 1);
    EXPECT_EQ(end.id, "KT-NUM-002");
    EXPECT_THAT(end.text, HasSubstr("loss term 'rpn_bbox' is detached: nothing"));
    EXPECT_THAT(end.text, HasSubstr(c.from));
  }
  // It has a history, but not one through its head.
  const End end = run(
      [&] {
        Pass other = pass(same);
        other.value =
            reshape(linear(add(thermal_, visible_), filled(context_, {1, 4}, 1), {}), {1});
        return other;
      },
      false, true);
  EXPECT_THAT(end.text, HasSubstr("nothing leads from it to the outputs of its head"));
}

TEST_F(DetectionConnectivity, FeaturesThatNothingTrainsAreNoFault) {
  visible_.set_requires_grad(false);
  thermal_.set_requires_grad(false);
  EXPECT_EQ(run([&] { return pass(same); }, false, true).id, "connected");
}

TEST_F(DetectionConnectivity, AStoppedGradientIsFoundInTwentySteps) {
  for (const bool wants_boxes : {false, true}) {
    const End end =
        run([&] { return pass([&](const Tensor& x) { return stopped(x); }); }, wants_boxes, true);
    EXPECT_EQ(end.step, 20);
    EXPECT_EQ(end.id, "KT-NUM-006");
    EXPECT_THAT(end.text, HasSubstr("'rpn_bbox' is not connected"));
  }
}

TEST_F(DetectionConnectivity, ATermThatIsAlwaysZeroIsFoundWhereItShouldNotBe) {
  const auto zero = [&] { return pass(nothing); };
  EXPECT_EQ(run(zero, true, true).step, 20);
  EXPECT_EQ(run(zero, true, true).id, "KT-NUM-005");
  EXPECT_THAT(run(zero, true, true).text, HasSubstr("whose batches hold pedestrians"));
  EXPECT_EQ(run(zero, false, false).step, 20) << "a class term has negatives";
  // Boxes are regressed where there are any.
  EXPECT_EQ(run(zero, true, false).id, "open");
}

TEST_F(DetectionConnectivity, BatchesWithNobodyAreNoEvidence) {
  std::int64_t step = 0;
  DetectionWatch watch({{"roi_bbox", true}});
  for (; step < 50; ++step) {
    const bool somebody = step % 3 == 0 && step < 45;
    const Pass now = pass(step < 45 ? Part(nothing) : Part(same));
    watch.look({now.value}, {now.output}, now.pyramids,
               Tensor::from<std::int32_t>(context_, {1}, std::vector{somebody ? 2 : 0}), step + 1);
  }
  EXPECT_TRUE(watch.done()) << "15 steps with somebody and 30 without";
}

// In training steps of the tiny plan: a fault that is planted into one of the detector's terms.
class PlantedDetectionFault : public testing::Test {
 protected:
  void TearDown() override { set_num_threads(0); }
  using Break = std::function<Tensor(const Tensor&)>;
  // "id step name" of what ends 25 steps; "" when nothing does.
  std::string end_of(std::size_t term, const Break& broken,
                     const std::vector<std::string>& keys = {}) {
    set_num_threads(1);
    const test::TinyRun tiny;
    std::vector<std::string> all = keys;
    all.emplace_back("threads=1");
    const Plan plan = load_plan(tiny.plan(), all).plan;
    const DataSet data = open_data_set(plan.data, 1, [](const std::string&) {});
    Loader loader(data.train.index, *data.folder, train_loader_options(plan));
    TrainingStep training(make_cpu_context(), plan, make_auxiliary, form_total,
                          [&](DetectorLosses& losses) {
                            Tensor* const terms[] = {&losses.rpn_cls, &losses.rpn_bbox,
                                                     &losses.roi_cls, &losses.roi_bbox};
                            if (broken) *terms[term] = broken(*terms[term]);
                          });
    BatchTensors tensors(training.context(), plan.train.batch, loader.padded_size(),
                         loader.max_boxes());
    for (std::int64_t step = 0; step < 25; ++step) {
      loader.seek(step);
      tensors.fill(loader.next());
      try {
        (void)training.run({tensors.input(), {25, loader.steps_per_epoch()}, step, {}});
      } catch (const Fault& fault) {
        const std::string text = fault.what();
        const std::size_t at = text.find('\'');
        return fmt::format("{} {} {}", fault.id(), step + 1,
                           text.substr(at + 1, text.find('\'', at + 1) - at - 1));
      }
    }
    return "";
  }
};

TEST_F(PlantedDetectionFault, StopsTheRunWithinTwentyStepsAndIsNamed) {
  const char* const names[] = {"rpn_cls", "rpn_bbox", "roi_cls", "roi_bbox"};
  EXPECT_EQ(end_of(0, {}), "") << "the detector as it is";
  for (std::size_t i = 0; i < 4; ++i) {
    const auto detached = [](const Tensor& x) { return x.detached(); };
    const auto stopped = [](const Tensor& x) {
      return scale_gradient(x, filled(x.context(), {1}, 0));
    };
    const auto zero = [](const Tensor& x) { return weighted_sum({x}, {0.0f}); };
    EXPECT_EQ(end_of(i, detached), fmt::format("KT-NUM-002 1 {}", names[i]));
    EXPECT_EQ(end_of(i, stopped), fmt::format("KT-NUM-006 20 {}", names[i]));
    EXPECT_EQ(end_of(i, zero), fmt::format("KT-NUM-005 20 {}", names[i]));
  }
}

TEST_F(PlantedDetectionFault, ScenesWithNobodyAreNone) {
  EXPECT_EQ(end_of(0, {},
                   {"data.synth.empty=0.7", "data.synth.train_pairs=16", "data.synth.val_pairs=8"}),
            "");
}

TEST_F(PlantedDetectionFault, ATermThatIsOffIsNotWatchedAndAMisspeltOneIsRefused) {
  const auto zero = [](const Tensor& x) { return weighted_sum({x}, {0.0f}); };
  EXPECT_EQ(end_of(1, zero, {"loss.rpn_bbox.weight=0"}), "");
  const test::TinyRun tiny;
  try {
    (void)load_plan(tiny.plan(), {"loss.rpn_bbx.weight=0.5"});
    FAIL() << "no fault";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.id(), "KT-CFG-001");
    EXPECT_THAT(fault.what(), HasSubstr("rpn_bbox"));
  }
}

}  // namespace
}  // namespace ktrain
