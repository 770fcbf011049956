// A detector with maps of bf16 against the same with maps of float, on the CPU.
#include <algorithm>
#include <cmath>
#include <functional>
#include <iostream>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/profile.h"
#include "models/observe.h"
#include "tests/support/toy_detector.h"

namespace ktrain {
namespace {

using test::rounding_deviation;
using test::toy_options;
using test::ToyDetector;

TEST(Precision, LossesStayWithinTheRoundingsOfFloats) {
  ToyDetector exact(make_cpu_context(), toy_options(DType::kF32)),
      low(make_cpu_context(), toy_options(DType::kBf16));
  double worst = 0;
  for (int step = 0; step < 6; ++step) {
    const auto want = exact.step(0.005f), got = low.step(0.005f);
    // Gradients are off by the roundings of the way there and back, and each step adds its own.
    const double limit = 3 * rounding_deviation() * std::sqrt(1.0 + 2.0 * step);
    for (std::size_t i = 0; i < want.terms.size(); ++i) {
      const double off = std::abs(got.terms[i] - want.terms[i]) / want.terms[i];
      worst = std::max(worst, off);
      EXPECT_LE(off, limit) << "step " << step << ", term " << i << ": " << got.terms[i]
                            << ", in float " << want.terms[i];
      EXPECT_NE(got.terms[i], want.terms[i]) << "nothing is rounded";
    }
    EXPECT_NEAR(got.gradient_norm, want.gradient_norm, 2 * limit * want.gradient_norm);
  }
  RecordProperty("worst", std::to_string(worst));
}

TEST(Precision, ParametersAndTheirGradientsAreFloatAndLeaveTheLowBitsToThemselves) {
  ToyDetector low(make_cpu_context(), toy_options(DType::kBf16));
  (void)low.step(1e-4f);
  std::size_t found = 0, fine = 0;
  for (std::size_t p = 0; p < low.gradients.size(); ++p) {
    if (!low.gradients[p].defined()) continue;
    ++found;
    EXPECT_EQ(low.gradients[p].dtype(), DType::kF32);
    EXPECT_EQ(low.parameters.all()[p].value.dtype(), DType::kF32);
    const std::vector<float> gradient = low.gradients[p].to_vector<float>();
    fine += std::any_of(gradient.begin(), gradient.end(),
                        [](float g) { return g != to_float(to_bfloat16(g)); })
                ? 1
                : 0;
  }
  EXPECT_GT(found, 60u);
  EXPECT_GT(fine, found / 2) << "gradients were rounded on their way";
}

TEST(Precision, TwoRunsAreEqualToTheBit) {
  ToyDetector a(make_cpu_context(), toy_options(DType::kBf16)),
      b(make_cpu_context(), toy_options(DType::kBf16));
  b.context->poison = true;  // memory that nobody wrote may not matter
  for (int step = 0; step < 3; ++step) {
    const auto x = a.step(0.005f), y = b.step(0.005f);
    EXPECT_EQ(x.terms, y.terms);
    EXPECT_EQ(x.gradient_norm, y.gradient_norm);
  }
  EXPECT_EQ(a.weights(), b.weights());
}

TEST(Precision, TwoImagesAreLearntAsInFloat) {
  constexpr int kSteps = 40;
  const auto fall = [](DType maps) {
    ToyDetector toy(make_cpu_context(), toy_options(maps));
    const double first = toy.step(0.02f).total;
    double last = 0;
    for (int step = 1; step < kSteps; ++step) last = toy.step(0.02f).total;
    return last / first;
  };
  const double in_float = fall(DType::kF32), in_bf16 = fall(DType::kBf16);
  std::cout << "total after " << kSteps << " steps, as a share of the first: float " << in_float
            << ", bf16 " << in_bf16 << "\n";
  EXPECT_LT(in_float, 0.7) << "the float run does not learn: nothing to compare with";
  EXPECT_LT(std::abs(in_bf16 - in_float), 0.1 * (1 - in_float));
}

TEST(Precision, EveryShapeOfTheModelTrainsInBf16) {
  const std::vector<std::function<void(DetectorOptions&)>> shapes = {
      [](DetectorOptions& o) { o.fusion = FusionKind::kGated, o.msp = true; },
      [](DetectorOptions& o) { o.fusion = FusionKind::kAdd; },
      [](DetectorOptions& o) { o.shared = true; },
      [](DetectorOptions& o) { o.streams = Streams::kThermal; },
      [](DetectorOptions& o) { o.backbone.norm = Norm::kFrozen; },
      [](DetectorOptions& o) { o.backbone.depth = 50; }};
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    DetectorOptions in_float = toy_options(DType::kF32), in_bf16 = toy_options(DType::kBf16);
    shapes[i](in_float);
    shapes[i](in_bf16);
    ToyDetector exact(make_cpu_context(), in_float), low(make_cpu_context(), in_bf16);
    const auto want = exact.step(0), got = low.step(0);
    EXPECT_NEAR(got.total, want.total, 3 * rounding_deviation() * want.total) << "shape " << i;
    EXPECT_NEAR(got.gradient_norm, want.gradient_norm,
                6 * rounding_deviation() * want.gradient_norm)
        << "shape " << i;
  }
}

// Whatever a pass multiplies is rounded when it begins, but for the two parts of each of the
// fusion's weights.
TEST(Precision, WeightsAreRoundedTogether) {
  for (const FusionKind fusion : {FusionKind::kAdd, FusionKind::kGated}) {
    DetectorOptions options = toy_options(DType::kBf16);
    options.fusion = fusion;
    options.msp = true;
    const ToyDetector low(make_cpu_context(), options);
    const std::int64_t parts = fusion == FusionKind::kAdd ? 0 : 2 * kPyramidLevels;
    for (const bool training : {true, false}) {
      Profile profile;
      low.context->queue.profile = &profile;
      if (training)
        (void)low.detector.losses(low.input);
      else
        (void)low.detector.predict(low.input);
      low.context->queue.profile = nullptr;
      const auto calls = [&](const char* kernel) {
        const auto entry = profile.entries().find(kernel);
        return entry == profile.entries().end() ? 0 : entry->second.calls;
      };
      EXPECT_EQ(calls("convert_list"), 1) << training;
      EXPECT_EQ(calls("convert"), parts) << training;
    }
  }
}

TEST(Precision, PredictionsAndWhatObserversSeeAreFloat) {
  class Watcher final : public ForwardObserver {
   public:
    void stream(std::string_view) override {}
    void convolution(const std::string&, const Tensor& y) override { see(y); }
    void stage(std::string_view, const Tensor& y) override { see(y); }
    void pyramid(std::span<const Tensor> levels) override {
      for (const Tensor& level : levels) see(level);
    }
    void see(const Tensor& y) {
      ++seen;
      EXPECT_EQ(y.dtype(), DType::kF32);
    }
    int seen = 0;
  };
  ToyDetector low(make_cpu_context(), toy_options(DType::kBf16, Norm::kFrozen));
  Watcher watcher;
  low.detector.observe(low.input, watcher);
  EXPECT_GT(watcher.seen, 40);
  EXPECT_EQ(low.detector.predict(low.input).scores.dtype(), DType::kF32);
}

// Forward and backward pass of two full streams on a GPU that need not be there, by the memory
// plan.
TEST(Precision, MapsTakeHalfTheMemory) {
  const auto planned = [](DType maps, int depth) {
    const ContextPtr context = make_planning_context(Device::kCuda);
    ParameterSet parameters;
    DetectorOptions options;
    options.maps = maps;
    options.backbone.depth = depth;
    MemoryUsage usage;
    {
      const MemoryUseScope parameters_use(MemoryUse::kParameters);
      const TwoStreamDetector detector(context, options, 1, parameters);
      const MemoryUseScope activations(MemoryUse::kActivations);
      DetectorInput input;
      input.visible = Tensor::empty(context, {2, 512, 640, 3}, DType::kU8);
      input.thermal = Tensor::empty(context, {2, 512, 640, 3}, DType::kU8);
      input.sizes = Tensor::empty(context, {2, 2}, DType::kI32);
      input.scales = Tensor::empty(context, {2, 2});
      const auto boxes = [&](std::int64_t room) {
        return BoxTensor{Tensor::empty(context, {2, room, 4}),
                         Tensor::empty(context, {2}, DType::kI32)};
      };
      input.targets.boxes = boxes(8);
      input.targets.classes = Tensor::empty(context, {2, 8}, DType::kI32);
      input.targets.ignored = boxes(8);
      input.counters = Tensor::empty(context, {2, 2}, DType::kI32);
      context->memory.reset_peak();
      const DetectorLosses losses = detector.losses(input);
      const Tensor total = weighted_sum(
          {losses.rpn_cls, losses.rpn_bbox, losses.roi_cls, losses.roi_bbox}, {1, 1, 1, 1});
      const std::vector<Tensor> gradients = backward(total, parameters);
      usage = context->memory.usage();
    }
    return usage;
  };
  for (const int depth : {18, 50}) {
    const MemoryUsage in_float = planned(DType::kF32, depth),
                      in_bf16 = planned(DType::kBf16, depth);
    const auto mib = [](std::int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
    const auto activations = static_cast<std::size_t>(MemoryUse::kActivations);
    std::cout << "R" << depth << ", 2 pairs of 640x512: peak " << mib(in_float.peak_bytes)
              << " MiB in float, " << mib(in_bf16.peak_bytes) << " in bf16; maps "
              << mib(in_float.peak_by_use[activations]) << " and "
              << mib(in_bf16.peak_by_use[activations]) << "\n";
    EXPECT_LT(in_bf16.peak_by_use[activations], in_float.peak_by_use[activations] * 6 / 10);
    EXPECT_LT(in_bf16.peak_bytes, in_float.peak_bytes);
  }
}

}  // namespace
}  // namespace ktrain
