#include "train/bench_step_command.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <ostream>
#include <vector>

#include "kernels/device/calls.h"
#include "kernels/fma_peak.h"
#include "kernels/parallel.h"
#include "kernels/profile.h"
#include "models/detector.h"
#include "runtime/device.h"
#include "runtime/fault.h"
#include "train/bench_step_report.h"
#include "train/device_step.h"
#include "train/gpu_support.h"
#include "train/memory_plan.h"
#include "train/model_options.h"
#include "train/objective.h"
#include "train/optimizer.h"

namespace ktrain {
namespace {

constexpr std::uint64_t kSeed = 1;
constexpr RandomKey kImages{kSeed, 1000}, kBoxes{kSeed, 1001};  // streams of this command alone
constexpr std::int64_t kBatches = 2;                            // that the steps take in turn
constexpr double kRate = 5e-5, kClip = 3.0;
constexpr int kPeakRounds = 20;

[[noreturn]] void refuse(std::string_view option, std::string_view found, std::string_view wanted) {
  throw_fault("KT-CLI-001", "bench-step: {} is '{}', wanted {}", option, printable(found), wanted);
}

std::int64_t side(std::string_view text, const std::string& size) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 32 || value > 8192 ||
      value % 32 != 0)
    refuse("--size", size, "WIDTHxHEIGHT, both multiples of 32 from 32 to 8192");
  return value;
}

PlanSize parse_size(const std::string& size) {
  const auto cross = size.find('x');
  if (cross == std::string::npos) refuse("--size", size, "WIDTHxHEIGHT, for example 640x512");
  const std::string_view text = size;
  return {side(text.substr(0, cross), size), side(text.substr(cross + 1), size)};
}

DetectorOptions detector_options(const BenchStepOptions& options) {
  DetectorOptions detector;
  detector.streams = options.streams == "both"      ? Streams::kBoth
                     : options.streams == "visible" ? Streams::kVisible
                                                    : Streams::kThermal;
  detector.backbone.depth = options.depth;
  detector.backbone.width = options.width;
  detector.backbone.norm = options.norm == "batch" ? Norm::kBatch : Norm::kFrozen;
  detector.channels = options.channels;
  set_precision(options.precision, detector);
  detector.rpn.max_proposals = options.proposals;
  detector.roi.samples = options.rois;
  detector.roi.fc_channels = options.fc_channels;
  return detector;
}

OptimizerPlan optimizer_plan() {
  OptimizerPlan plan;
  plan.kind = "adamw";
  plan.lr = kRate;
  plan.clip = kClip;
  return plan;
}

// Bytes of noise, in vector order of (stream, batch).
Tensor noise(const ContextPtr& context, std::int64_t batch, const PlanSize& size,
             std::uint32_t sample) {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(batch * size.height * size.width * 3));
  if (!context->queue.planning)
    for (std::size_t i = 0; i < bytes.size(); i += 16) {
      const RandomWords words = random_words(kImages, sample, static_cast<std::uint32_t>(i / 16));
      for (std::size_t j = i; j < std::min(i + 16, bytes.size()); ++j)
        bytes[j] = static_cast<std::uint8_t>(words.word[(j - i) / 4] >> (8 * (j % 4)));
    }
  return Tensor::from<std::uint8_t>(context, {batch, size.height, size.width, 3}, bytes);
}

// Upright boxes of 2 to 8 % of the image's width and 8 to 25 % of its height.
TargetTensors random_targets(const ContextPtr& context, std::int64_t batch, std::int64_t boxes,
                             const PlanSize& size, std::uint32_t sample) {
  std::vector<float> corners;
  const auto width = static_cast<float>(size.width), height = static_cast<float>(size.height);
  for (std::int64_t i = 0; i < batch * boxes; ++i) {
    const RandomWords words = random_words(kBoxes, sample, static_cast<std::uint32_t>(i));
    const auto even = [&](int word) {
      return static_cast<float>(words.word[word] >> 8) * 0x1p-24F;
    };
    const float x = 0.8F * width * even(0), y = 0.7F * height * even(1);
    const float w = (0.02F + 0.06F * even(2)) * width, h = (0.08F + 0.17F * even(3)) * height;
    for (const float value : {x, y, x + w, y + h}) corners.push_back(value);
  }
  const std::vector<std::int32_t> counts(static_cast<std::size_t>(batch),
                                         static_cast<std::int32_t>(boxes));
  return {.boxes = {Tensor::from<float>(context, {batch, boxes, 4}, corners),
                    Tensor::from<std::int32_t>(context, {batch}, counts)},
          .classes = Tensor::from<std::int32_t>(
              context, {batch, boxes},
              std::vector<std::int32_t>(static_cast<std::size_t>(batch * boxes), 0)),
          .ignored = {}};
}

// Model, optimizer and one way to take a step: everything that is timed.
class TimedStep {
 public:
  TimedStep(const BenchStepOptions& options, ContextPtr context)
      : options_(options),
        size_(parse_size(options.size)),
        context_(std::move(context)),
        detector_(context_, detector_options(options), kSeed, parameters_),
        optimizer_(optimizer_plan(), parameters_) {
    if (context_->queue.device == Device::kCuda) device_.emplace(context_, optimizer_, kTerms);
  }

  [[nodiscard]] Context& context() const { return *context_; }
  [[nodiscard]] const ParameterSet& parameters() const { return parameters_; }

  // Batch number `index` of the run.
  [[nodiscard]] DetectorInput batch(std::int64_t pairs, std::int64_t index) const {
    const MemoryUseScope use(MemoryUse::kBatch);
    const auto sample = static_cast<std::uint32_t>(2 * index);
    DetectorInput input;
    if (options_.streams != "thermal") input.visible = noise(context_, pairs, size_, sample);
    if (options_.streams != "visible") input.thermal = noise(context_, pairs, size_, sample + 1);
    std::vector<std::int32_t> sizes, counters;
    for (std::int64_t n = 0; n < pairs; ++n) {
      sizes.push_back(static_cast<std::int32_t>(size_.height));
      sizes.push_back(static_cast<std::int32_t>(size_.width));
      counters.push_back(static_cast<std::int32_t>(index));
      counters.push_back(static_cast<std::int32_t>(n));
    }
    input.sizes = Tensor::from<std::int32_t>(context_, {pairs, 2}, sizes);
    input.counters = Tensor::from<std::int32_t>(context_, {pairs, 2}, counters);
    input.targets = random_targets(context_, pairs, options_.boxes, size_, sample);
    return input;
  }

  // Forward, losses, backward with a consumed tape, clip, AdamW. Returns the total loss; 0 in a
  // pass that only plans, and on a GPU, where the step runs on when this returns.
  double run(const DetectorInput& input, std::int64_t step) {
    if (device_) {
      device_->begin(kRate, std::vector<double>(kTerms, 1.0));
      // Batches are taken in turn: each has a graph of its own.
      device_->run(static_cast<std::uint64_t>(step % kBatches), [&] { give(input); });
      sent_ = device_->send();
      return 0;
    }
    const std::vector<LossTerm> terms = losses(input);
    Tensor total = [&] {
      const PartScope part("total");
      return form_total(terms);
    }();
    const std::vector<Tensor> gradients = backward(total, parameters_, Tape::kConsume);
    const PartScope part("clip and AdamW");
    optimizer_.step(gradients, kRate);
    if (context_->queue.planning) return 0;
    return read_values(terms, total, step, {"made-up images"}).total;
  }

  // The total of the last step on a GPU, when that is done.
  double wait(std::int64_t step) {
    const StepNumbers numbers = device_->read(sent_);
    check_values({numbers.total, numbers.terms, {}}, {"rpn_cls", "rpn_bbox", "roi_cls", "roi_bbox"},
                 step, {"made-up images"});
    return numbers.total;
  }
  [[nodiscard]] std::int64_t nodes() const { return device_->replay().nodes(); }

 private:
  static constexpr std::int64_t kTerms = 4;

  void give(const DetectorInput& input) {
    std::vector<LossTerm> terms = losses(input);
    for (LossTerm& term : terms) term.weights = device_->weights();
    const Tensor total = form_total(terms);
    const std::vector<Tensor> gradients = backward(total, parameters_, Tape::kConsume);
    device_->update(terms, total, {}, gradients);
  }

  // A function of its own, so that features and proposals go when the tape has what it needs.
  [[nodiscard]] std::vector<LossTerm> losses(const DetectorInput& input) const {
    const DetectorLosses losses = detector_.losses(input);
    return {{"rpn_cls", losses.rpn_cls},
            {"rpn_bbox", losses.rpn_bbox},
            {"roi_cls", losses.roi_cls},
            {"roi_bbox", losses.roi_bbox}};
  }

  BenchStepOptions options_;
  PlanSize size_;
  ContextPtr context_;
  ParameterSet parameters_;
  TwoStreamDetector detector_;
  Optimizer optimizer_;
  std::optional<DeviceStep> device_;  // on a GPU
  std::int64_t sent_ = 0;
};

MemoryPlan planned(TimedStep& step, std::int64_t batch) {
  return plan_memory(step.context(), batch,
                     [&](std::int64_t pairs) { (void)step.run(step.batch(pairs, 0), 0); });
}

// What model, batches and step need on a GPU; blocks lie where they will.
struct GpuPlan {
  MemoryPlan step;
  std::int64_t bytes = 0;
};
GpuPlan plan_on_gpu(const BenchStepOptions& options) {
  const ContextPtr context = make_planning_context(Device::kCuda);
  TimedStep step(options, context);
  GpuPlan plan{planned(step, options.batch)};
  context->memory.reset_peak();
  std::vector<DetectorInput> batches;
  for (std::int64_t i = 0; i < kBatches; ++i) batches.push_back(step.batch(options.batch, i));
  (void)step.run(batches[0], 0);
  plan.bytes = context->memory.usage().high_water_bytes;
  return plan;
}

void check(const BenchStepOptions& options) {
  const auto at_least = [](std::string_view option, std::int64_t value, std::int64_t least) {
    if (value < least) refuse(option, std::to_string(value), fmt::format("{} or more", least));
  };
  at_least("--batch", options.batch, 1);
  at_least("--boxes", options.boxes, 1);
  at_least("--steps", options.steps, 1);
  at_least("--warmup", options.warmup, 0);
  if (options.device != "auto" && options.device != "cpu" && options.device != "cuda")
    refuse("--device", options.device, "auto, cpu or cuda");
  at_least("--channels", options.channels, 1);
  at_least("--proposals", options.proposals, 1);
  at_least("--rois", options.rois, 1);
  at_least("--fc", options.fc_channels, 1);
  if (options.depth != 18 && options.depth != 34 && options.depth != 50 && options.depth != 101)
    refuse("--depth", std::to_string(options.depth), "18, 34, 50 or 101");
  if (!(options.width > 0 && options.width <= 16) || std::lround(64 * options.width) < 1)
    refuse("--width", fmt::format("{}", options.width), "1/64 to 16");
}

}  // namespace

namespace {

void time_on_gpu(const BenchStepOptions& options, BenchStepReport& report) {
  const GpuPlan plan = plan_on_gpu(options);
  report.memory = plan.step;
  check_fits(report.memory);
  TimedStep step(options, make_cuda_context(plan.bytes));
  report.parameters = step.parameters().count();
  std::vector<DetectorInput> batches;
  for (std::int64_t i = 0; i < kBatches; ++i) batches.push_back(step.batch(options.batch, i));
  std::int64_t taken = 0;
  const auto take = [&](std::int64_t count) {
    for (const std::int64_t end = taken + count; taken < end; ++taken)
      (void)step.run(batches[static_cast<std::size_t>(taken % kBatches)], taken);
    report.loss = step.wait(taken - 1);
  };
  // Every batch comes to its graph before the clock starts.
  take(std::max<std::int64_t>(options.warmup, kBatches * (Replay::kWarmUps + 1)));
  const std::int64_t growths = step.context().memory.usage().growths;
  const DeviceCalls before = device_calls();
  const double begin = monotonic_seconds();
  take(options.steps);
  const double seconds = monotonic_seconds() - begin;
  report.calls = device_calls() - before;
  report.nodes = step.nodes() / kBatches;
  report.seconds.assign(static_cast<std::size_t>(options.steps), seconds / options.steps);
  report.growths = step.context().memory.usage().growths - growths;
  report.high_water_bytes = plan.bytes;
  report.peak_rss_bytes = peak_rss_bytes();
}

void time_on_cpu(const BenchStepOptions& options, BenchStepReport& report) {
  TimedStep step(options, make_cpu_context());
  report.parameters = step.parameters().count();
  report.memory = planned(step, options.batch);
  check_fits(report.memory);
  std::vector<DetectorInput> batches;
  for (std::int64_t i = 0; i < kBatches; ++i) batches.push_back(step.batch(options.batch, i));
  std::int64_t taken = 0;
  const auto timed = [&] {
    const double begin = monotonic_seconds();
    report.loss = step.run(batches[static_cast<std::size_t>(taken % kBatches)], taken);
    ++taken;
    return monotonic_seconds() - begin;
  };
  for (int i = 0; i < options.warmup; ++i) (void)timed();
  const std::int64_t growths = step.context().memory.usage().growths;
  for (int i = 0; i < options.steps; ++i) report.seconds.push_back(timed());
  report.growths = step.context().memory.usage().growths - growths;
  report.high_water_bytes = step.context().memory.usage().high_water_bytes;
  report.peak_rss_bytes = peak_rss_bytes();
  if (options.parts) {
    Profile profile;
    step.context().queue.profile = &profile;
    for (int i = 0; i < options.steps; ++i) {
      profile.clear();
      const double seconds = timed();
      if (i > 0 && seconds >= report.profiled_seconds) continue;
      report.profiled_seconds = seconds;
      report.profile = profile;
    }
    step.context().queue.profile = nullptr;
  }
  report.fma_peak = measure_fma_peak(kPeakRounds);
}

}  // namespace

int run_bench_step(const BenchStepOptions& options, std::ostream& out) {
  check(options);
  set_num_threads(options.threads);
  const DeviceChoice device = choose_device(options.device);
  BenchStepReport report;
  report.options = options;
  report.note = precision_note(options.precision, device.device);
  if (device.device == Device::kCpu) {
    time_on_cpu(options, report);
  } else {
    report.gpu = device.note;
    report.options.parts = false;
    time_on_gpu(options, report);
  }
  write_report(report, out);
  return 0;
}

}  // namespace ktrain
