// The whole training step on the device: the CPU's numbers, no waiting, no allocation, the same
// bits every time.
#include "train/device_step.h"

#include <cstdlib>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/device/calls.h"
#include "tests/device_step/stage.h"
#include "tests/support/message.h"

namespace ktrain::test {
namespace {

class DeviceStepTest : public DeviceStage {};

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
// rounded to its other neighbour, 2^-7 of it away, which is what a map, and a gradient of it, may
// be off in a step. (Later steps begin with weights that are off already.)
TEST_F(DeviceStepTest, InBf16LossesGradientsAndWeightsAreTheCpus) {
  compare({"train.precision=bf16", "optimizer.kind=sgd", "optimizer.lr=0.01"}, 1, 0x1p-7);
  compare({"train.precision=bf16", "model.fusion=gated", "model.msp=true", "model.norm=frozen",
           "optimizer.kind=sgd", "optimizer.lr=0.01"},
          1, 0x1p-7);
}

TEST_F(DeviceStepTest, InBf16ARunWithoutGraphsIsEqualAndTheMemoryIsThePlans) {
  Stage stage(tiny_, {"train.precision=bf16"});
  const std::int64_t planned = stage.planned_bytes();
  EXPECT_LT(planned, Stage(tiny_).planned_bytes());
  Side a(stage, make_cuda_context(planned));
  ::setenv("KT_GRAPH", "0", 1);
  Side b(stage, gpu(stage));
  ::unsetenv("KT_GRAPH");
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

// The CPU's products are float: an operand is off by 2^-11 of it at most, evenly, so by 2^-11 /
// sqrt(3) in the mean, independently of the others. The longest way to a loss has 25 products (the
// stem, 16 convolutions of blocks and 4 beside them, 1 of a pyramid, 1 of fusion, 2 of a head), of
// two operands each. A step's gradients go there and back, and each step adds its own. No region is
// chosen, so that a small difference stays one.
TEST_F(DeviceStepTest, InTf32LossesAreTheCpusWithinItsRoundingAndRunsAreEqual) {
  Overrides overrides = {"optimizer.kind=sgd",          "optimizer.lr=0.005",
                         "model.rpn.nms_pre=2000",      "model.rpn.max_proposals=1100",
                         "model.rpn.nms=1.0",           "model.roi.samples=1200",
                         "model.roi.positive_share=1.0"};
  Stage in_float(tiny_, overrides);
  overrides.emplace_back("train.precision=tf32");
  Stage stage(tiny_, overrides);
  Side cpu(stage, make_cpu_context()), a(stage, gpu(stage)), exact(in_float, gpu(in_float));
  ::setenv("KT_GRAPH", "0", 1);
  Side b(stage, gpu(stage));
  ::unsetenv("KT_GRAPH");
  b.context->poison = true;
  const double deviation = std::sqrt(2 * 25.0) / 2048 / std::sqrt(3.0);
  for (std::int64_t step = 0; step < 2 + Replay::kWarmUps + 1; ++step) {
    SCOPED_TRACE(fmt::format("step {}", step));
    const StepReport got = a.run(step), again = b.run(step), want = cpu.run(step);
    EXPECT_EQ(got.values.terms, again.values.terms);
    EXPECT_EQ(got.gradient_norm, again.gradient_norm);
    expect_close(got, want, 3 * deviation * std::sqrt(1.0 + 2.0 * static_cast<double>(step)));
    if (step > 0) continue;
    const StepReport of_float = exact.run(0);
    EXPECT_GT(std::abs(got.values.total - want.values.total),
              4 * std::abs(of_float.values.total - want.values.total))
        << "nothing is rounded";
  }
  EXPECT_TRUE(same_states(a.training, b.training));
  EXPECT_EQ(a.training.device_step()->replay().graphs(), 1);
}

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
    const std::int64_t forks_before = device.context->forks;
    StepReport report = device.begin(at);
    const DeviceCalls calls = device_calls() - before;
    const std::int64_t forks = device.context->forks - forks_before;
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
      // Each fork of the side stream with its join: of the RPN's losses, forward and backward, and
      // of each convolution's gradients.
      EXPECT_GT(forks, 20);
      EXPECT_EQ(calls[DeviceCall::kHold], 2 * forks);
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
