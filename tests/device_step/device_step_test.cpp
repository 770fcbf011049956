// The whole training step on the device: the CPU's numbers, no waiting, no allocation, the same
// bits every time.
#include "train/device_step.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/device/calls.h"
#include "tests/support/message.h"
#include "tests/support/tiny_run.h"
#include "train/data_set.h"
#include "train/gpu_memory.h"
#include "train/plan_load.h"
#include "train/run_state.h"

namespace ktrain::test {
namespace {

using Overrides = std::vector<std::string>;

// A plan, its data, and steps of it on either device.
class Stage {
 public:
  explicit Stage(const TinyRun& tiny, const Overrides& overrides = {})
      : plan_(load_plan(tiny.plan(), with_threads(overrides)).plan),
        data_(open_data_set(plan_.data, 1, [](const std::string&) {})),
        loader_(data_.train.index, *data_.folder, train_loader_options(plan_)) {}

  [[nodiscard]] const Plan& plan() const { return plan_; }
  [[nodiscard]] Timeline timeline() const {
    return {plan_.train.epochs, loader_.steps_per_epoch()};
  }
  [[nodiscard]] BatchShape shape() const { return {loader_.padded_size(), loader_.max_boxes()}; }
  [[nodiscard]] std::int64_t planned_bytes() const {
    return plan_gpu_memory(plan_, timeline(), shape(), shape()).bytes;
  }
  [[nodiscard]] const PairBatch& batch(std::int64_t step) {
    loader_.seek(step);
    return loader_.next();
  }

 private:
  static Overrides with_threads(Overrides overrides) {
    overrides.insert(overrides.end(), {"threads=1", "monitor.profile=off"});
    return overrides;
  }

  Plan plan_;
  DataSet data_;
  Loader loader_;
};

// Made in the order that the memory is planned in.
struct Side {
  Side(Stage& from, ContextPtr where)
      : stage(from),
        context(std::move(where)),
        training(context, stage.plan()),
        tensors(context, stage.plan().train.batch, stage.shape().padded, stage.shape().max_boxes),
        validation(context, stage.plan().train.batch, stage.shape().padded,
                   stage.shape().max_boxes) {}

  StepReport begin(std::int64_t step) {
    tensors.fill(stage.batch(step));
    return training.run({tensors.input(), stage.timeline(), step, {"some pair"}});
  }
  StepReport run(std::int64_t step) {
    StepReport report = begin(step);
    training.finish(report);
    return report;
  }

  Stage& stage;
  ContextPtr context;
  TrainingStep training;
  BatchTensors tensors, validation;
};

ContextPtr gpu(const Stage& stage) { return make_cuda_context(stage.planned_bytes()); }

std::vector<float> floats(const NamedArray& array) {
  std::vector<float> values(array.bytes.size() / sizeof(float));
  std::memcpy(values.data(), array.bytes.data(), values.size() * sizeof(float));
  return values;
}

// |a - b| / |b|, lengths of vectors.
double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double off = 0, length = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    off += std::pow(double{a[i]} - double{b[i]}, 2);
    length += std::pow(double{b[i]}, 2);
  }
  return std::sqrt(off) / std::max(std::sqrt(length), 1e-12);
}

// Weights, statistics and the optimizer's state, which is the sum of the gradients with SGD.
void expect_close_states(const TrainingStep& got, const TrainingStep& want, double limit) {
  const std::vector<NamedArray> a = state_arrays(got), b = state_arrays(want);
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].spec.name, b[i].spec.name);
    if (a[i].spec.type != ArrayType::kF32) continue;
    EXPECT_LT(distance(floats(a[i]), floats(b[i])), limit) << a[i].spec.name;
  }
}

bool same_states(const TrainingStep& a, const TrainingStep& b) {
  const std::vector<NamedArray> x = state_arrays(a), y = state_arrays(b);
  bool same = x.size() == y.size();
  for (std::size_t i = 0; same && i < x.size(); ++i)
    same = x[i].bytes.size() == y[i].bytes.size() &&
           std::memcmp(x[i].bytes.data(), y[i].bytes.data(), x[i].bytes.size()) == 0;
  return same;
}

void expect_close(const StepReport& got, const StepReport& want, double limit) {
  ASSERT_EQ(got.values.terms.size(), want.values.terms.size());
  for (std::size_t i = 0; i < got.values.terms.size(); ++i)
    EXPECT_NEAR(got.values.terms[i], want.values.terms[i],
                limit * std::abs(want.values.terms[i]) + 1e-7)
        << "term " << i;
  EXPECT_EQ(got.values.weights, want.values.weights);
  EXPECT_NEAR(got.values.total, want.values.total, limit * std::abs(want.values.total));
  EXPECT_NEAR(got.gradient_norm, want.gradient_norm, limit * want.gradient_norm);
  EXPECT_EQ(got.learning_rate, want.learning_rate);
}

class DeviceStepTest : public testing::Test {
 protected:
  // Steps 0 to `steps` on both devices.
  void compare(const Overrides& overrides, std::int64_t steps, double limit) {
    Stage stage(tiny_, overrides);
    Side cpu(stage, make_cpu_context()), device(stage, gpu(stage));
    for (std::int64_t step = 0; step < steps; ++step) {
      SCOPED_TRACE(fmt::format("step {}", step));
      const StepReport want = cpu.run(step), got = device.run(step);
      expect_close(got, want, limit);
      expect_close_states(device.training, cpu.training, limit);
    }
  }

  TinyRun tiny_;
};

TEST_F(DeviceStepTest, LossesGradientsAndWeightsAreTheCpus) {
  compare({"optimizer.kind=sgd", "optimizer.lr=0.01"}, 5, 1e-4);
}

TEST_F(DeviceStepTest, AdamwAndFrozenStatisticsFollowTheCpu) {
  // AdamW divides by the size of the gradient: where that is all rounding, so is the direction.
  compare({"model.norm=frozen", "optimizer.weight_decay=0.05"}, 3, 2e-2);
}

TEST_F(DeviceStepTest, OneStreamAndTheGatedFusionFollowTheCpu) {
  compare({"model.streams=visible", "optimizer.kind=sgd", "optimizer.lr=0.01"}, 2, 1e-4);
  compare({"model.fusion=gated", "model.msp=true", "optimizer.kind=sgd", "optimizer.lr=0.01"}, 2,
          1e-4);
}

// Both round the same maps. Where their float sums differ in the last bits a map's number may be
// rounded to its other neighbour, 2^-7 of it away, which is what a map may be off in the end; the
// optimizer adds up gradients of such maps.
TEST_F(DeviceStepTest, InBf16LossesGradientsAndWeightsAreTheCpus) {
  compare({"train.precision=bf16", "optimizer.kind=sgd", "optimizer.lr=0.01"}, 3, 0x1p-7);
  compare({"train.precision=bf16", "model.fusion=gated", "model.msp=true", "model.norm=frozen",
           "optimizer.kind=sgd", "optimizer.lr=0.01"},
          2, 0x1p-7);
}

TEST_F(DeviceStepTest, InBf16TwoRunsAreEqualAndTheMemoryIsThePlans) {
  Stage stage(tiny_, {"train.precision=bf16"});
  const std::int64_t planned = stage.planned_bytes();
  EXPECT_LT(planned, Stage(tiny_).planned_bytes());
  Side a(stage, make_cuda_context(planned)), b(stage, gpu(stage));
  b.context->poison = true;
  for (std::int64_t step = 0; step < 2 + Replay::kWarmUps + 1; ++step) {
    const StepReport x = a.run(step), y = b.run(step);
    EXPECT_EQ(x.values.terms, y.values.terms) << step;
    EXPECT_EQ(x.gradient_norm, y.gradient_norm) << step;
  }
  EXPECT_TRUE(same_states(a.training, b.training));
  EXPECT_EQ(a.training.device_step()->replay().graphs(), 1);
  a.validation.fill(stage.batch(0));
  (void)a.training.detector().predict(a.validation.input());
  EXPECT_EQ(a.context->memory.usage().high_water_bytes, planned);
}

// The first step looks at the weights and waits for them, the next two are given as they are, then
// there is the graph.
constexpr std::int64_t kWarm = 1 + Replay::kWarmUps + 1;

TEST_F(DeviceStepTest, AfterWarmUpNothingIsAllocatedAndTheHostNeverWaitsForTheStream) {
  Stage stage(tiny_, {"train.epochs=3"});
  Side device(stage, gpu(stage));
  ASSERT_GE(stage.timeline().steps_per_epoch, 4);
  std::vector<StepReport> unread;
  for (std::int64_t step = 0; step < kWarm - 1; ++step) (void)device.run(step);
  const std::int64_t growths = device.context->memory.usage().growths;
  // The audit of the weights at an epoch's beginning is the one thing that waits; a step later.
  for (std::int64_t step = kWarm - 1; step < kWarm + 1; ++step) {
    const std::int64_t at = step < stage.timeline().steps_per_epoch ? step : step + 1;
    const DeviceCalls before = device_calls();
    StepReport report = device.begin(at);
    const DeviceCalls calls = device_calls() - before;
    EXPECT_EQ(calls[DeviceCall::kSynchronize], 0);
    EXPECT_EQ(calls[DeviceCall::kAllocate], 0);
    EXPECT_EQ(calls[DeviceCall::kAllocateHost], 0);
    EXPECT_EQ(calls[DeviceCall::kFree], 0);
    EXPECT_EQ(calls[DeviceCall::kGraphLaunch], 1) << "the step is one call";
    EXPECT_EQ(calls[DeviceCall::kCopyToHost], 1) << "of its numbers, later";
    // Of the copies of the step before the last one, once for the batch, once for the rates.
    EXPECT_EQ(calls[DeviceCall::kWaitEvent], 2);
    if (step == kWarm - 1) {
      EXPECT_EQ(calls[DeviceCall::kCapture], 1);
    } else {
      EXPECT_EQ(calls[DeviceCall::kCapture], 0);
      EXPECT_EQ(calls[DeviceCall::kLaunch], 0) << "all kernels are in the graph";
      EXPECT_EQ(calls[DeviceCall::kFill], 0);
      EXPECT_EQ(calls[DeviceCall::kCopyOnDevice], 0);
    }
    unread.push_back(std::move(report));
  }
  EXPECT_EQ(device.context->memory.usage().growths, growths) << "planned is planned";
  EXPECT_EQ(device.training.device_step()->replay().graphs(), 1);
  EXPECT_GT(device.training.device_step()->replay().nodes(), 300);
  for (StepReport& report : unread) {
    const DeviceCalls before = device_calls();
    device.training.finish(report);
    EXPECT_EQ((device_calls() - before)[DeviceCall::kSynchronize], 0);
    EXPECT_GT(report.values.total, 0);
    EXPECT_GT(report.gradient_norm, 0);
  }
}

TEST_F(DeviceStepTest, TwoRunsAndARunWithoutGraphsAreEqualToTheBit) {
  Stage stage(tiny_);
  Side a(stage, gpu(stage)), b(stage, gpu(stage));
  ::setenv("KT_GRAPH", "0", 1);
  Side plain(stage, gpu(stage));
  ::unsetenv("KT_GRAPH");
  // Memory that nobody wrote may not matter.
  b.context->poison = true;
  for (std::int64_t step = 0; step < kWarm + 3; ++step) {
    const StepReport x = a.run(step), y = b.run(step), z = plain.run(step);
    EXPECT_EQ(x.values.terms, y.values.terms) << step;
    EXPECT_EQ(x.values.terms, z.values.terms) << step;
    EXPECT_EQ(x.gradient_norm, z.gradient_norm) << step;
  }
  EXPECT_EQ(plain.training.device_step()->replay().graphs(), 0);
  EXPECT_GT(a.training.device_step()->replay().graphs(), 0);
  EXPECT_TRUE(same_states(a.training, b.training));
  EXPECT_TRUE(same_states(a.training, plain.training));
}

TEST_F(DeviceStepTest, AStepThatIsNotFiniteChangesNothingNorDoesAnyAfterIt) {
  Stage stage(tiny_);
  Side device(stage, gpu(stage));
  for (std::int64_t step = 0; step < kWarm; ++step) (void)device.run(step);
  Tensor weight = device.training.parameters().find("roi_head.bbox_head.fc_cls.weight")->value;
  std::vector<float> values = weight.to_vector<float>();
  values[0] = std::numeric_limits<float>::infinity();
  weight.copy_from<float>(values);
  const Tensor& other = device.training.parameters().find("rpn_head.rpn_conv.weight")->value;
  const std::vector<float> before = other.to_vector<float>();
  StepReport bad = device.begin(kWarm + 1), next = device.begin(kWarm + 2);
  const std::string message = message_of([&] { device.training.finish(bad); });
  EXPECT_THAT(message, testing::HasSubstr("KT-NUM-001: step 6: roi_cls is"));
  EXPECT_THAT(message, testing::HasSubstr("some pair"));
  values[0] = 0;  // later steps are finite again, and stopped all the same
  weight.copy_from<float>(values);
  StepReport last = device.begin(kWarm + 3);
  device.training.finish(last);
  EXPECT_EQ(other.to_vector<float>(), before);
}

TEST_F(DeviceStepTest, ValidationBetweenStepsSharesTheMemoryOfTheGraph) {
  Stage stage(tiny_);
  Side device(stage, gpu(stage)), undisturbed(stage, gpu(stage));
  for (std::int64_t step = 0; step < kWarm; ++step) {
    (void)device.run(step);
    (void)undisturbed.run(step);
  }
  device.validation.fill(stage.batch(0));
  EXPECT_EQ(device.training.detector().predict(device.validation.input()).boxes.counts.size(),
            stage.plan().train.batch);
  (void)device.run(kWarm + 1);
  (void)undisturbed.run(kWarm + 1);
  EXPECT_TRUE(same_states(device.training, undisturbed.training));
}

TEST_F(DeviceStepTest, TheMemoryIsWhatWasPlannedToTheByte) {
  Stage stage(tiny_);
  const std::int64_t planned = stage.planned_bytes();
  Side device(stage, make_cuda_context(planned));
  (void)device.run(0);
  device.validation.fill(stage.batch(0));
  (void)device.training.detector().predict(device.validation.input());
  EXPECT_EQ(device.context->memory.usage().high_water_bytes, planned);
  const ContextPtr less = make_cuda_context(planned - 4096);
  EXPECT_THAT(message_of([&] {
                Side side(stage, less);
                (void)side.run(0);
                side.validation.fill(stage.batch(0));
                (void)side.training.detector().predict(side.validation.input());
              }),
              testing::HasSubstr("KT-SYS-002: out of memory"));
}

TEST_F(DeviceStepTest, WhatAGpuDoesNotHaveIsSaidBeforeAnythingIsThere) {
  EXPECT_THAT(message_of([] { (void)make_cuda_context(std::int64_t{1} << 50); }),
              testing::HasSubstr("KT-SYS-002: the GPU has 7168 MiB free of 8192 MiB"));
}

TEST_F(DeviceStepTest, AHostThatWouldReadTheGpusMemoryIsStopped) {
  const ContextPtr context = make_cuda_context(1 << 20);
  Tensor x = Tensor::from<float>(context, {3}, std::vector<float>{1, 2, 3});
  EXPECT_THAT(message_of([&] { (void)x.host_span<float>(); }), testing::HasSubstr("KT-BUG-005"));
  EXPECT_THAT(message_of([&] { (void)x.mutable_host_span<float>(); }),
              testing::HasSubstr("KT-BUG-005"));
  EXPECT_EQ(x.clone().slice(1, 3).to_vector<float>(), std::vector<float>({2, 3}));
  EXPECT_EQ(Tensor::zeros(context, {2}).to_vector<float>(), std::vector<float>({0, 0}));
}

}  // namespace
}  // namespace ktrain::test
