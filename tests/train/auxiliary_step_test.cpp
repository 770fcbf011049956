// The training step with a term of its own: what a term gets, when it is asked, what is saved.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/elementwise.h"
#include "runtime/ops.h"
#include "tests/support/tiny_run.h"
#include "train/batch_tensors.h"
#include "train/data_set.h"
#include "train/plan_load.h"
#include "train/run_state.h"

namespace ktrain::test {
namespace {

// The sum of a linear layer on the coarsest visible level, with a count of its steps in memory.
class SumTerm : public AuxiliaryTerm {
 public:
  SumTerm(const Maker& maker, std::int64_t channels)
      : weight_(maker.weight("weight", {1, channels}, normal(0.1))),
        count_(Tensor::zeros(maker.context(), {1})) {}
  [[nodiscard]] std::string_view name() const override { return "macl"; }
  [[nodiscard]] AuxiliaryResult loss(const AuxiliaryInput& input) const override {
    const Tensor& level = input.detection.visible->back();
    const std::int64_t rows = level.size() / level.size(3);
    const Tensor sums = linear(reshape(level, {rows, level.size(3)}), weight_, {});
    const Tensor ones = filled(level.context(), {1, rows}, 1);
    const Tensor value = reshape(linear(reshape(sums, {1, rows}), ones, {}), {1});
    AuxiliaryResult result;
    result.value = value;
    result.rows = Tensor::from<std::int32_t>(level.context(), {1}, std::vector{1});
    result.side = {{"macl_double", [](const Measured& m) { return 2.0 * m.value; }}};
    return result;
  }
  void after_step(const DetectorInput&, const AuxiliaryResult&, std::int64_t) override {
    accumulate_into(count_, filled(count_.context(), {1}, 1));
  }
  [[nodiscard]] std::vector<NamedTensor> state() const override { return {{"count", count_}}; }

 private:
  Tensor weight_, count_;
};

AuxiliaryFactory sum_term(double weight) {
  return [weight](const Plan&, const DetectorOptions& detector, const Maker& maker) {
    std::vector<std::unique_ptr<AuxiliaryTerm>> terms;
    terms.push_back(std::make_unique<SumTerm>(maker / "aux" / "macl", detector.channels));
    return AuxiliarySetup{AuxiliaryLosses(std::move(terms)), {WeightSchedule{{}, {weight}}}};
  };
}

// Throws from its `from`-th pass on, counted from 0.
class ThrowingTerm : public SumTerm {
 public:
  ThrowingTerm(const Maker& maker, std::int64_t channels, int from)
      : SumTerm(maker, channels), left_(std::make_unique<int>(from)) {}
  [[nodiscard]] AuxiliaryResult loss(const AuxiliaryInput& input) const override {
    if ((*left_)-- == 0) throw std::out_of_range("the queue is empty");
    return SumTerm::loss(input);
  }

 private:
  std::unique_ptr<int> left_;
};

AuxiliarySetup no_term(const Plan&, const DetectorOptions&, const Maker&) { return {}; }

// Batches of the tiny run.
class AuxiliaryStep : public testing::Test {
 protected:
  AuxiliaryStep()
      : plan_(load_plan(tiny_.plan(), {"threads=1"}).plan),
        data_(open_data_set(plan_.data, 1, [](const std::string&) {})),
        loader_(data_.train.index, *data_.folder, train_loader_options(plan_)) {}

  std::unique_ptr<TrainingStep> step_with(const AuxiliaryFactory& make) {
    return std::make_unique<TrainingStep>(make_cpu_context(), plan_, make);
  }
  StepReport run(TrainingStep& training, std::int64_t step) {
    loader_.seek(step);
    BatchTensors tensors(training.context(), plan_.train.batch, loader_.padded_size(),
                         loader_.max_boxes());
    tensors.fill(loader_.next());
    return training.run(
        {tensors.input(), {plan_.train.epochs, loader_.steps_per_epoch()}, step, {}});
  }

  TinyRun tiny_;
  Plan plan_;
  DataSet data_;
  Loader loader_;
};

TEST_F(AuxiliaryStep, ATermIsNamedWeightedTrainedAndSaved) {
  const auto training = step_with(sum_term(0.5));
  EXPECT_THAT(training->loss_names(),
              testing::ElementsAre("rpn_cls", "rpn_bbox", "roi_cls", "roi_bbox", "macl"));
  const Parameter* const weight = training->parameters().find("aux.macl.weight");
  ASSERT_NE(weight, nullptr);
  const auto before = weight->value.to_vector<float>();
  const StepReport report = run(*training, 0);
  ASSERT_EQ(report.values.terms.size(), 5u);
  EXPECT_EQ(report.values.weights[4], 0.5);
  double total = 0;
  for (std::size_t i = 0; i < 5; ++i) total += report.values.weights[i] * report.values.terms[i];
  EXPECT_NEAR(report.values.total, total, 1e-5 * std::abs(total));
  ASSERT_EQ(report.side.size(), 1u);
  EXPECT_EQ(report.side[0].read(), 2 * report.values.terms[4]);
  EXPECT_NE(weight->value.to_vector<float>(), before);
  (void)run(*training, 1);
  EXPECT_EQ(training->auxiliary().state()[0].tensor.item(), 2) << "once a step";
  std::vector<std::string> saved;
  for (const NamedArray& array : state_arrays(*training)) saved.push_back(array.spec.name);
  EXPECT_THAT(saved, testing::Contains("auxiliary.macl.count"));
}

// Control C1: computed and logged, weight 0.
TEST_F(AuxiliaryStep, WithWeightZeroTheDetectorTrainsAsWithoutTheTermToTheBit) {
  const auto plain = step_with(no_term), measured = step_with(sum_term(0));
  for (std::int64_t step = 0; step < 3; ++step) {
    const StepReport a = run(*plain, step), b = run(*measured, step);
    EXPECT_EQ(a.values.total, b.values.total);
    EXPECT_EQ(a.gradient_norm, b.gradient_norm);
    EXPECT_NE(b.values.terms[4], 0);
  }
  for (const Parameter& parameter : plain->parameters().all())
    EXPECT_EQ(parameter.value.to_vector<float>(),
              measured->parameters().find(parameter.name)->value.to_vector<float>())
        << parameter.name;
}

// Planted: an exception in a loss. It ends the step with the term's name; nothing has been trained.
TEST_F(AuxiliaryStep, AnExceptionInATermEndsTheStepAndChangesNothing) {
  const auto training = step_with([](const Plan&, const DetectorOptions& detector,
                                     const Maker& maker) {
    std::vector<std::unique_ptr<AuxiliaryTerm>> terms;
    terms.push_back(std::make_unique<ThrowingTerm>(maker / "aux" / "macl", detector.channels, 1));
    return AuxiliarySetup{AuxiliaryLosses(std::move(terms)), {WeightSchedule{{}, {0.5}}}};
  });
  (void)run(*training, 0);
  const auto trained = [&] {
    std::vector<std::vector<float>> values;
    for (const Parameter& parameter : training->parameters().all())
      if (parameter.kind != ParameterKind::kBuffer)  // statistics move with the forward pass
        values.push_back(parameter.value.to_vector<float>());
    return values;
  };
  const auto before = trained();
  try {
    (void)run(*training, 1);
    FAIL() << "no fault";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.id(), "KT-BUG-004");
    EXPECT_EQ(fault.exit(), Exit::kBug);
    EXPECT_THAT(fault.what(),
                testing::HasSubstr("loss term 'macl' could not be computed: the queue is empty"));
  }
  EXPECT_EQ(trained(), before);
  EXPECT_EQ(training->optimizer().steps(), 1);
  EXPECT_EQ(training->auxiliary().state()[0].tensor.item(), 1);
}

TEST_F(AuxiliaryStep, APassIsPlannedAndLeavesNothingBehind) {
  const auto training = step_with(sum_term(0.5));
  const std::int64_t before = training->context()->memory.usage().live_bytes;
  training->context()->queue.planning = true;
  (void)run(*training, 0);
  training->context()->queue.planning = false;
  EXPECT_EQ(training->context()->memory.usage().live_bytes, before);
  EXPECT_EQ(training->auxiliary().state()[0].tensor.item(), 0) << "a planned step is none";
}

}  // namespace
}  // namespace ktrain::test
