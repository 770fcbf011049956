// The terms dhn and domain in a training step, and the switches that show what a reference did.
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/ops.h"
#include "tests/support/close.h"
#include "tests/support/tiny_run.h"
#include "train/alignment_plan.h"
#include "train/run_setup.h"
#include "train/run_state.h"

namespace ktrain::test {
namespace {

using testing::Each;
using testing::HasSubstr;
using Strings = std::vector<std::string>;

const Strings kDhn = {"loss.dhn.weight=0.1", "loss.dhn.queue=64", "loss.dhn.top_k=8",
                      "loss.dhn.frame_gap=0", "threads=1"};

Strings with(Strings base, const Strings& more) {
  base.insert(base.end(), more.begin(), more.end());
  return base;
}

// A run without a folder, one step at a time.
class Steps {
 public:
  explicit Steps(const Strings& overrides)
      : setup_(load_plan(tiny_.plan(), overrides), [](const std::string&) {}) {}
  StepReport next() { return setup_.train_step(step_++); }
  TrainingStep& training() { return setup_.training(); }
  RunSetup& setup() { return setup_; }

  [[nodiscard]] Tensor state(const std::string& name) {
    for (const NamedTensor& own : training().auxiliary().state())
      if (own.name == name) return own.tensor;
    ADD_FAILURE() << "no state " << name;
    return {};
  }
  [[nodiscard]] std::vector<float> weight(const std::string& name) {
    return training().parameters().find(name)->value.to_vector<float>();
  }
  [[nodiscard]] std::int64_t filled() {
    const auto places = state("auxiliary.dhn.queue.places").to_vector<std::int32_t>();
    std::int64_t count = 0;
    for (std::size_t i = kKeyStep; i < places.size(); i += kKeyColumns) count += places[i] >= 0;
    return count;
  }

 private:
  TinyRun tiny_;
  RunSetup setup_;
  std::int64_t step_ = 0;
};

double side(const StepReport& report, const std::string& name) {
  for (const SideNumber& number : report.side)
    if (number.name == name) return number.read();
  ADD_FAILURE() << "no side number " << name;
  return NAN;
}

std::size_t place_of(Steps& run, const std::string& term) {
  const auto& names = run.training().loss_names();
  return static_cast<std::size_t>(std::find(names.begin(), names.end(), term) - names.begin());
}

std::string fault_of(const Strings& overrides) {
  const TinyRun tiny;
  try {
    (void)load_plan(tiny.plan(), overrides);
  } catch (const Fault& fault) {
    return fault.what();
  }
  return "";
}

TEST(Dhn, AnEmptyQueueIsWorthNothingAndFillsAfterTheStep) {
  Steps run(kDhn);
  const std::size_t dhn = place_of(run, "dhn");
  ASSERT_EQ(dhn, 4u);
  EXPECT_EQ(run.filled(), 0) << "planning the memory fills nothing";
  const StepReport first = run.next();
  EXPECT_EQ(first.values.terms[dhn], 0);
  EXPECT_EQ(side(first, "dhn_filled"), 0);
  for (const char* const of_nothing : {"dhn_rel", "dhn_fnr", "dhn_age"})
    EXPECT_TRUE(std::isnan(side(first, of_nothing))) << of_nothing;
  const std::int64_t filled = run.filled();
  EXPECT_GT(filled, 0);
  EXPECT_THAT(run.state("auxiliary.dhn.queue.cursor").to_vector<std::int32_t>(),
              Each(static_cast<std::int32_t>(filled % 64)));
  const StepReport second = run.next();
  EXPECT_GT(second.values.terms[dhn], 0);
  EXPECT_EQ(side(second, "dhn_fnr"), 0);
  EXPECT_EQ(side(second, "dhn_filled"), static_cast<double>(filled) / 64);
  EXPECT_EQ(side(second, "dhn_age"), 1);
  EXPECT_GT(side(second, "dhn_rel"), 0);
  // Keys are unit vectors.
  const auto keys = run.state("auxiliary.dhn.queue.keys").to_vector<float>();
  const std::size_t channels = keys.size() / 64;
  double squares = 0;
  for (std::size_t c = 0; c < channels; ++c) squares += double{keys[c]} * keys[c];
  EXPECT_NEAR(squares, 1, 1e-5);
}

TEST(Dhn, TheMomentumEncoderMovesByTheFormulaAndTheOptimizerNeverKnowsIt) {
  Steps run(with(kDhn, {"loss.dhn.momentum=0.75"}));
  const std::string name = "thermal.backbone.layer2.0.conv1.weight";
  const std::string head = "aux.dhn.shared.fc0.weight";
  const auto copy = [&](const std::string& of) {
    return run.state("auxiliary.dhn.momentum." + of).to_vector<float>();
  };
  (void)run.next();
  EXPECT_EQ(copy(name), run.weight(name)) << "equal after the first step";
  for (int step = 1; step < 4; ++step) {
    const auto before = copy(name), before_head = copy(head);
    (void)run.next();
    for (const auto& [old, of] : {std::pair(before, name), std::pair(before_head, head)}) {
      const auto now = run.weight(of);
      std::vector<double> want;
      for (std::size_t i = 0; i < old.size(); ++i)
        want.push_back(0.75 * double{old[i]} + 0.25 * double{now[i]});
      // Two roundings of numbers below 1.
      EXPECT_TRUE(all_close(copy(of), want, 2e-7, 2e-7));
      EXPECT_NE(copy(of), now);
    }
  }
  for (const NamedArray& array : run.training().optimizer().state())
    EXPECT_THAT(array.spec.name, testing::Not(HasSubstr("momentum.thermal")));
  for (const Parameter& parameter : run.training().parameters().all())
    EXPECT_THAT(parameter.name, testing::Not(HasSubstr("momentum")));
}

TEST(Dhn, TrainsTheVisibleBranchThroughItsQueries) {
  // Only the queue moves anything: every other weight is 0 in effect, and the optimizer has no
  // decay.
  Steps run(
      with(kDhn, {"loss.rpn_cls.weight=1e-30", "loss.rpn_bbox.weight=0", "loss.roi_cls.weight=0",
                  "loss.roi_bbox.weight=0", "optimizer.kind=sgd", "optimizer.weight_decay=0"}));
  const std::string visible = "visible.neck.fpn_convs.0.conv.weight";
  const std::string head = "aux.dhn.shared.fc1.weight",
                    other = "thermal.neck.fpn_convs.0.conv.weight";
  (void)run.next();
  const auto before = run.weight(visible), before_head = run.weight(head),
             before_other = run.weight(other);
  (void)run.next();
  EXPECT_NE(run.weight(visible), before);
  EXPECT_NE(run.weight(head), before_head);
  EXPECT_EQ(run.weight(other), before_other) << "nothing flows through keys";
}

// Control of exactness: what --resume must give.
TEST(Alignment, ARunThatWasCutInTheMiddleOfTheQueueGoesOnToTheSameBits) {
  for (const Strings& terms :
       {Strings{"loss.dhn.weight=0.1", "loss.dhn.queue=40", "loss.dhn.top_k=8",
                "loss.domain.weight=0.1", "loss.domain.kind=grl"},
        Strings{"loss.dhn.weight=0.1", "loss.dhn.queue=40", "loss.dhn.top_k=8",
                "compat.polluted_queue=true", "loss.domain.weight=0.1",
                "loss.domain.features=embedding"}}) {
    const Strings overrides = with(terms, {"train.checkpoint_every=1", "train.keep=20"});
    TinyRun whole, cut;
    ASSERT_EQ(whole.train(overrides), 0) << whole.output();
    ASSERT_EQ(cut.train(overrides), 0);
    for (std::int64_t step = 3; step <= 12; ++step)
      std::filesystem::remove(cut.run_folder() + "/weights/" + TinyRun::step_name(step));
    ASSERT_EQ(cut.train(overrides), 0);
    EXPECT_THAT(cut.output(), HasSubstr("resume    step 2 of 12"));
    // The hash covers weights, optimizer, queue and encoder.
    EXPECT_EQ(TinyRun::state_hash(cut.run_folder(), 12),
              TinyRun::state_hash(whole.run_folder(), 12));
  }
}

// T18: lambda(.5) = .98661, lambda(1) = .99991.
TEST(Domain, TheReversalFollowsItsRamp) {
  EXPECT_EQ(reversal_ramp(0), 0);
  EXPECT_NEAR(reversal_ramp(0.5), 0.98661, 5e-6);
  EXPECT_NEAR(reversal_ramp(1), 0.99991, 5e-6);
  EXPECT_EQ(reversal_ramp(7), reversal_ramp(1));
  // Three epochs of four steps: step 6 is halfway.
  Steps run({"loss.domain.weight=0.1", "loss.domain.kind=grl", "loss.domain.reversal=0.5"});
  for (int step = 0; step < 6; ++step)
    EXPECT_NEAR(side(run.next(), "domain_lambda"), 0.5 * reversal_ramp(step / 12.0), 1e-7);
  const StepReport halfway = run.next();
  EXPECT_NEAR(side(halfway, "domain_lambda"), 0.5 * 0.98661, 5e-6);
  const double accuracy = side(halfway, "domain_accuracy");
  EXPECT_GE(accuracy, 0);
  EXPECT_LE(accuracy, 1);
}

TEST(Domain, WithoutReversalTheClassifierTrainsAloneAndWithItTheStreamsAreMoved) {
  const Strings only = {"loss.rpn_cls.weight=1e-30", "loss.rpn_bbox.weight=0",
                        "loss.roi_cls.weight=0",     "loss.roi_bbox.weight=0",
                        "optimizer.kind=sgd",        "optimizer.weight_decay=0",
                        "loss.domain.weight=1",      "loss.domain.kind=grl"};
  const std::string neck = "thermal.neck.fpn_convs.0.conv.weight", fc = "aux.domain.fc1.weight";
  Steps still(with(only, {"loss.domain.reversal=0"})), moved(only);
  for (Steps* run : {&still, &moved}) {
    const auto before = run->weight(neck), before_fc = run->weight(fc);
    (void)run->next(), (void)run->next();
    EXPECT_NE(run->weight(fc), before_fc);
    EXPECT_EQ(run->weight(neck) == before, run == &still);
  }
}

TEST(Domain, EveryKindTakesEveryKindOfRows) {
  for (const std::string kind : {"mmd", "grl"})
    for (const std::string features : {"image", "region", "embedding"}) {
      Steps run(with(kDhn, {"loss.domain.weight=0.1", "loss.domain.kind=" + kind,
                            "loss.domain.features=" + features, "loss.domain.reversal=1"}));
      StepReport report;
      for (int step = 0; step < 3; ++step) report = run.next();
      EXPECT_TRUE(std::isfinite(report.values.terms[place_of(run, "domain")])) << kind << features;
      EXPECT_NE(report.values.terms[place_of(run, "domain")], 0) << kind << features;
    }
}

// T16: f > 0 with the filter off.
TEST(Compat, APollutedQueueMinesItsOwnPositivesFromTheFirstStepOn) {
  Steps dirty(with(kDhn, {"compat.polluted_queue=true"}));
  // Random keys of unit length, as if they had been seen.
  const auto keys = dirty.state("auxiliary.dhn.queue.keys").to_vector<float>();
  EXPECT_THAT(keys, testing::Not(testing::Contains(0.0f)));
  const StepReport first = dirty.next();
  EXPECT_GT(first.values.terms[place_of(dirty, "dhn")], 0);
  EXPECT_GT(side(first, "dhn_fnr"), 0);
  EXPECT_EQ(side(first, "dhn_negatives"), 8);
  for (const NamedTensor& own : dirty.training().auxiliary().state())
    EXPECT_THAT(own.name, testing::Not(HasSubstr("momentum"))) << "there is no encoder";
}

TEST(Compat, WeightsIgnoredAndDoubledAreWhatReallyTrainsAndAreSaid) {
  const Strings base = {"loss.domain.weight=0.05", "threads=1"};
  const auto weights = [&](const std::string& how, std::string& heading) {
    Steps run(with(base, {"compat.weights=" + how}));
    const StepReport report = run.next();
    double total = 0;
    for (std::size_t i = 0; i < report.values.terms.size(); ++i)
      total += report.values.weights[i] * report.values.terms[i];
    EXPECT_NEAR(report.values.total, total, 1e-5 * std::abs(total)) << how;
    heading = run.setup().heading();
    return report.values.weights;
  };
  std::string heading;
  EXPECT_THAT(weights("applied", heading), testing::ElementsAre(1, 1, 1, 1, 0.05f));
  EXPECT_THAT(heading, testing::Not(HasSubstr("compat")));
  EXPECT_THAT(weights("ignored", heading), testing::ElementsAre(1, 1, 1, 1, 2));
  EXPECT_THAT(heading, HasSubstr("weights   compat.weights = ignored: auxiliary terms enter with"));
  EXPECT_THAT(weights("doubled", heading), testing::ElementsAre(1, 1, 2, 2, 0.05f));
  EXPECT_THAT(heading, HasSubstr("the RoI head's terms count twice"));
}

TEST(Dhn, SharesTheHeadsOfMaclWhereBothAreOn) {
  Steps run(with(
      kDhn, {"loss.macl.weight=0.1", "loss.domain.weight=0.1", "loss.domain.features=embedding"}));
  EXPECT_THAT(
      run.training().loss_names(),
      testing::ElementsAre("rpn_cls", "rpn_bbox", "roi_cls", "roi_bbox", "macl", "dhn", "domain"));
  for (const Parameter& parameter : run.training().parameters().all())
    EXPECT_FALSE(parameter.name.starts_with("aux.dhn.")) << parameter.name;
  (void)run.next();
  EXPECT_EQ(run.state("auxiliary.dhn.momentum.aux.macl.thermal.fc0.weight").to_vector<float>(),
            run.weight("aux.macl.thermal.fc0.weight"));
  EXPECT_GT(run.next().values.terms[place_of(run, "dhn")], 0);
}

TEST(Compat, FixedBandwidthsAreOneTwoFour) {
  const Strings base = with(kDhn, {"loss.domain.weight=0.1", "loss.domain.features=embedding"});
  Steps fixed(with(base, {"compat.fixed_bandwidths=true"})), median(base);
  const std::size_t domain = place_of(fixed, "domain");
  const double flat = fixed.next().values.terms[domain], sharp = median.next().values.terms[domain];
  EXPECT_NE(flat, sharp);
  EXPECT_THAT(domain_options(fixed.setup().plan()).sigma, testing::ElementsAre(1, 2, 4));
  EXPECT_TRUE(domain_options(median.setup().plan()).sigma.empty());
}

TEST(AlignmentPlan, RefusesWhatMakesNoSense) {
  EXPECT_EQ(fault_of({"loss.dhn.weight=0.1", "loss.domain.weight=0.1"}), "");
  EXPECT_THAT(fault_of({"model.streams=visible", "loss.dhn.weight=0.1"}),
              HasSubstr("dhn compares both modalities"));
  EXPECT_THAT(fault_of({"model.streams=thermal", "loss.domain.weight=0.1"}),
              HasSubstr("domain compares both modalities"));
  EXPECT_THAT(fault_of({"loss.dhn.weight=0.1", "loss.dhn.top_k=65", "loss.dhn.queue=64"}),
              HasSubstr("65 negatives out of a queue of loss.dhn.queue = 64"));
  EXPECT_THAT(fault_of({"loss.domain.weight=0.1", "train.batch=1"}),
              HasSubstr("two pairs in a batch"));
  EXPECT_THAT(fault_of({"loss.domain.weight=0.1", "loss.domain.features=embedding"}),
              HasSubstr("no contrastive term makes embeddings"));
  EXPECT_THAT(fault_of({"compat.one_directional=true"}), HasSubstr("there is no direction"));
  EXPECT_THAT(fault_of({"compat.unbounded_temperature=true", "loss.macl.weight=1"}),
              HasSubstr("no temperature is learned"));
  EXPECT_THAT(fault_of({"compat.polluted_queue=true"}), HasSubstr("there is no queue"));
  EXPECT_THAT(fault_of({"compat.weights=ignored"}), HasSubstr("no auxiliary term"));
  EXPECT_THAT(
      fault_of({"compat.fixed_bandwidths=true", "loss.domain.weight=1", "loss.domain.kind=grl"}),
      HasSubstr("no discrepancy"));
  EXPECT_THAT(fault_of({"compat.fixed_bandwidths=true", "loss.domain.weight=1"}),
              HasSubstr("unit vectors only"));
}

}  // namespace
}  // namespace ktrain::test
