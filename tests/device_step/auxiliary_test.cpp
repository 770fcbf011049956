// Losses beside the detector's, the planted control and the average of the weights on the device:
// the CPU's numbers, one graph, the same bits every time, the memory that was planned.
#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/device/calls.h"
#include "runtime/fault.h"
#include "runtime/ops.h"
#include "runtime/ops_alignment.h"
#include "tests/device_step/stage.h"

namespace ktrain::test {
namespace {

const Overrides kSgd = {"optimizer.kind=sgd", "optimizer.lr=0.01"};
const Overrides kMacl = {"loss.macl.weight=0.1", "loss.macl.rows=4", "loss.macl.hidden=16",
                         "loss.macl.channels=8"};
const Overrides kDhn = {"loss.dhn.weight=0.1", "loss.dhn.queue=24", "loss.dhn.top_k=4",
                        "loss.dhn.frame_gap=0", "loss.dhn.momentum=0.75"};
const Overrides kGrl = {"loss.domain.weight=0.1", "loss.domain.kind=grl", "loss.domain.hidden=16",
                        "loss.domain.features=region"};

Overrides together(std::initializer_list<Overrides> parts) {
  Overrides all;
  for (const Overrides& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// Everything that one plan can have.
Overrides everything() {
  return together({kSgd,
                   kMacl,
                   kDhn,
                   {"loss.macl.temperature=learned", "loss.macl.quality_weighting=true",
                    "loss.macl.stop_better=true", "loss.domain.weight=0.1", "loss.domain.kind=grl",
                    "loss.domain.hidden=16", "loss.domain.features=embedding", "train.average=0.1",
                    "loss.planted.kind=random_sign", "loss.planted.weight=0.5"}});
}

class AuxiliaryDevice : public DeviceStage {};

// Steps 0 and 4 are looked at, 1 and 2 are given as they are, 3 and 5 come from a graph. Lambda of
// the reversal is 0 in step 0: step 1 is looked at as well, and the graph comes with step 5.
constexpr std::int64_t kSteps = 6, kReversalSteps = 7;

TEST_F(AuxiliaryDevice, MaclFollowsTheCpu) {
  compare(together({kSgd, kMacl}), kSteps, 1e-4);
  compare(together({kSgd,
                    kMacl,
                    {"loss.macl.level=image", "loss.macl.quality_weighting=true",
                     "loss.macl.control=shuffled", "loss.macl.temperature=learned"}}),
          2, 1e-4);
}

TEST_F(AuxiliaryDevice, TheQueueAndItsEncoderFollowTheCpu) {
  compare(together({kSgd, kDhn}), kSteps, 1e-4);
  compare(together({kSgd, kDhn, {"compat.polluted_queue=true"}}), 2, 1e-4);
}

TEST_F(AuxiliaryDevice, TheReversalRisesWithTheStepAlsoFromAGraph) {
  compare(together({kSgd, kGrl}), kReversalSteps, 1e-4);
  compare(together({kSgd, {"loss.domain.weight=0.1"}}), 2, 1e-4);
}

TEST_F(AuxiliaryDevice, PlantedControlsFollowTheCpuAlsoFromAGraph) {
  const Overrides moving = {"loss.planted.weight=0.5",
                            "loss.roi_cls.weight={at=[0,6],value=[1.0,2.0],unit=\"step\"}"};
  for (const char* const kind : {"random_sign", "negative_det"})
    compare(together({kSgd, moving, {fmt::format("loss.planted.kind={}", kind)}}), kSteps, 1e-4);
  // Weights that a plan's compatibility ignores are the auxiliary losses', not the control's.
  compare(together({kSgd,
                    kMacl,
                    {"compat.weights=ignored", "loss.planted.kind=copy_det",
                     "loss.planted.weight=0.5"}}),
          1, 1e-4);
}

TEST_F(AuxiliaryDevice, TheAverageFollowsTheCpuAndIsWhatIsEvaluated) {
  const Overrides plan = together({kSgd, {"train.average=0.05"}});
  compare(plan, kSteps, 1e-4);
  Stage stage(tiny_, plan);
  Side device(stage, gpu(stage));
  for (std::int64_t step = 0; step < 3; ++step) (void)device.run(step);
  const Tensor& weight = device.training.parameters().find("rpn_head.rpn_conv.weight")->value;
  const auto plain = weight.to_vector<float>();
  {
    const AverageScope scope(*device.training.average());
    EXPECT_NE(weight.to_vector<float>(), plain);
  }
  EXPECT_EQ(weight.to_vector<float>(), plain);
}

TEST_F(AuxiliaryDevice, EverythingTogetherFollowsTheCpu) {
  compare(everything(), kReversalSteps, 2e-4);
}

TEST_F(AuxiliaryDevice, EverythingTogetherIsOneCallWithoutWaitingOrAllocation) {
  Stage stage(tiny_, together({everything(), {"train.epochs=3"}}));
  Side device(stage, gpu(stage));
  for (std::int64_t step = 0; step < kSteps; ++step) (void)device.run(step);
  const std::int64_t growths = device.context->memory.usage().growths;
  const DeviceCalls before = device_calls();
  StepReport report = device.begin(kSteps);
  device.training.finish(report);
  const DeviceCalls calls = device_calls() - before;
  for (const DeviceCall none : {DeviceCall::kSynchronize, DeviceCall::kAllocate,
                                DeviceCall::kAllocateHost, DeviceCall::kFree, DeviceCall::kLaunch,
                                DeviceCall::kFill, DeviceCall::kCopyOnDevice, DeviceCall::kCapture})
    EXPECT_EQ(calls[none], 0) << static_cast<int>(none);
  EXPECT_EQ(calls[DeviceCall::kGraphLaunch], 1);
  EXPECT_EQ(calls[DeviceCall::kCopyToHost], 1) << "losses, norm, rows and side numbers together";
  EXPECT_EQ(device.context->memory.usage().growths, growths);
  ASSERT_FALSE(report.side.empty());
  const DeviceCalls read = device_calls();
  for (const SideNumber& number : report.side)
    EXPECT_FALSE(std::isinf(number.read())) << number.name;
  EXPECT_EQ((device_calls() - read)[DeviceCall::kCopyToHost], 0) << "they are there already";
}

TEST_F(AuxiliaryDevice, TwoRunsAndARunWithoutGraphsAreEqualToTheBit) {
  Stage stage(tiny_, everything());
  Side a(stage, gpu(stage)), b(stage, gpu(stage));
  ::setenv("KT_GRAPH", "0", 1);
  Side plain(stage, gpu(stage));
  ::unsetenv("KT_GRAPH");
  b.context->poison = true;
  for (std::int64_t step = 0; step < kReversalSteps; ++step) {
    const StepReport x = a.run(step), y = b.run(step), z = plain.run(step);
    EXPECT_EQ(x.values.terms, y.values.terms) << step;
    EXPECT_EQ(x.values.terms, z.values.terms) << step;
  }
  EXPECT_GT(a.training.device_step()->replay().graphs(), 0);
  EXPECT_EQ(plain.training.device_step()->replay().graphs(), 0);
  EXPECT_TRUE(same_states(a.training, b.training));
  EXPECT_TRUE(same_states(a.training, plain.training));
}

// A loss that comes later needs memory that the first step does not.
TEST_F(AuxiliaryDevice, AWeightThatRisesFromZeroIsPlannedToTheByteAndFollowsTheCpu) {
  const Overrides late = together(
      {kSgd,
       kMacl,
       kDhn,
       {"loss.macl.weight={at=[1,3],value=[0.0,0.2],unit=\"step\"}", "train.average=0.1"}});
  compare(late, kSteps, 1e-4);
  Stage stage(tiny_, late);
  const std::int64_t planned = stage.planned_bytes();
  Side device(stage, make_cuda_context(planned));
  EXPECT_THAT(device.training.unlike_steps(stage.timeline()), testing::ElementsAre(0, 1, 2));
  std::int64_t after_first = 0;
  for (std::int64_t step = 0; step < kSteps; ++step) {
    (void)device.run(step);
    if (step == 0) after_first = device.context->memory.usage().high_water_bytes;
  }
  device.validation.fill(stage.batch(0));
  const AverageScope scope(*device.training.average());
  (void)device.training.detector().predict(device.validation.input());
  EXPECT_EQ(device.context->memory.usage().high_water_bytes, planned);
  EXPECT_LT(after_first, planned) << "the first step alone would have planned too little";
}

// ---- faults that are planted into terms

using Break = std::function<Tensor(const Tensor&)>;

Tensor detached(const Tensor& x) { return x.detached(); }
Tensor stopped(const Tensor& x) { return scale_gradient(x, filled(x.context(), {1}, 0)); }
Tensor zero(const Tensor& x) { return weighted_sum({x}, {0.0f}); }

// The plan's own terms with what `broken` makes of their values.
class BrokenTerm : public AuxiliaryTerm {
 public:
  BrokenTerm(AuxiliaryLosses whole, Break broken)
      : whole_(std::move(whole)), broken_(std::move(broken)), name_(whole_.names()[0]) {}
  [[nodiscard]] std::string_view name() const override { return name_; }
  [[nodiscard]] AuxiliaryResult loss(const AuxiliaryInput& input) const override {
    AuxiliaryResult result = whole_.losses(input)[0];
    result.value = broken_(result.value);
    return result;
  }

 private:
  AuxiliaryLosses whole_;
  Break broken_;
  std::string name_;
};

class PlantedDeviceFault : public AuxiliaryDevice {
 protected:
  // "id step name" of what ends `most` steps; "" when nothing does.
  std::string end_of(const Overrides& plan, std::int64_t most, const DetectionFilter& alter,
                     const AuxiliaryFactory& make = make_auxiliary) {
    Stage stage(tiny_, together({plan, {"train.epochs=6"}}));
    // A broken term takes other memory than the plan's.
    Side device(stage, make_cuda_context(2 * stage.planned_bytes()), alter, make);
    for (std::int64_t step = 0; step < most; ++step) {
      try {
        (void)device.run(step);
      } catch (const Fault& fault) {
        const std::string text = fault.what();
        const std::size_t at = text.find('\'');
        return fmt::format("{} {} {}", fault.id(), step + 1,
                           text.substr(at + 1, text.find('\'', at + 1) - at - 1));
      }
    }
    return "";
  }
  static AuxiliaryFactory with(const Break& broken) {
    return [broken](const Plan& plan, const DetectorOptions& detector, const Maker& maker) {
      AuxiliarySetup setup = make_auxiliary(plan, detector, maker);
      std::vector<std::unique_ptr<AuxiliaryTerm>> terms;
      terms.push_back(std::make_unique<BrokenTerm>(std::move(setup.losses), broken));
      return AuxiliarySetup{AuxiliaryLosses(std::move(terms)), setup.weights};
    };
  }
};

TEST_F(PlantedDeviceFault, InADetectionTermIsNamedInTheSameStepAsOnTheCpu) {
  const auto of = [](const Break& broken) {
    return [broken](DetectorLosses& losses) { losses.roi_bbox = broken(losses.roi_bbox); };
  };
  EXPECT_EQ(end_of(kMacl, 1, of(detached)), "KT-NUM-002 1 roi_bbox");
  EXPECT_EQ(end_of(kMacl, 20, of(stopped)), "KT-NUM-006 20 roi_bbox");
  EXPECT_EQ(end_of(kMacl, 20, of(zero)), "KT-NUM-005 20 roi_bbox");
}

TEST_F(PlantedDeviceFault, InAnAuxiliaryTermIsNamedInTheSameStepAsOnTheCpu) {
  EXPECT_EQ(end_of(kMacl, 1, {}, with(detached)), "KT-NUM-002 1 macl");
  EXPECT_EQ(end_of(kMacl, 20, {}, with(stopped)), "KT-NUM-006 20 macl");
  EXPECT_EQ(end_of(kMacl, 20, {}, with(zero)), "KT-NUM-005 20 macl");
  EXPECT_EQ(end_of(kMacl, 2, {}, with([](const Tensor& x) { return x; })), "");
}

}  // namespace
}  // namespace ktrain::test
