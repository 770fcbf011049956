#include "train/monitor/drift_monitor.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "kernels/profile.h"
#include "runtime/fault.h"
#include "train/load_weights.h"
#include "train/monitor/anchors.h"

namespace ktrain {
namespace {

constexpr std::size_t kDetectionLosses = 4;

bool is_there(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

}  // namespace

bool drift_wanted(const Plan& plan, const TrainingStep& training) {
  if (plan.drift.when == "auto")
    return plan.monitor.profile != "off" && training.loss_names().size() > kDetectionLosses;
  return plan.drift.when == "on";
}

DriftMonitor::DriftMonitor(RunSetup& setup, FileSystem& files, std::string folder)
    : setup_(setup), files_(files), folder_(std::move(folder)) {}

std::string DriftMonitor::path() const { return folder_ + "/monitor_reference.safetensors"; }

void DriftMonitor::set_anchors(PairIndex index) {
  anchors_ = std::move(index);
  // The validation's own tensors: no memory beside what is planned.
  const DetectorInput& room = setup_.validation_tensors().input();
  LoaderOptions options = val_loader_options(setup_.plan());
  options.padded_size = {static_cast<int>(room.visible.size(1)),
                         static_cast<int>(room.visible.size(2))};
  options.max_boxes = static_cast<int>(room.targets.boxes.boxes.size(1));
  options.workers = 0;
  loader_.emplace(anchors_, *setup_.data().folder, options);
}

void DriftMonitor::start(const std::string& init) {
  const DriftPlan& plan = setup_.plan().drift;
  set_anchors(choose_anchors(setup_.data().val.index, *setup_.data().folder, plan.anchors).index);
  for (std::int64_t i = 0; i < anchors_.size(); ++i) reference_.anchors += anchors_[i].id + "\n";
  reference_.data = anchors_.manifest_hash();
  ParameterSet& parameters = setup_.training().parameters();
  std::set<std::string> without;
  std::optional<WeightsScope> held;
  reference_.source = "the weights that the run began with: " + init;
  if (!plan.reference.empty()) {
    const LoadedCheckpoint from = read_weights_file(files_, plan.reference);
    held.emplace(parameters);
    // Heads of auxiliary losses are no part of the detector.
    const LoadOptions options{{"aux."}, {"aux."}, {}, /*prefer_average=*/false};
    const LoadReport report = load_weights(from, parameters, options);
    without.insert(report.missing.begin(), report.missing.end());
    reference_.source = fmt::format("{}: {}", plan.reference, report.summary());
  }
  reference_.hash = fmt::format("#{:.8}", weights_hash(parameters, without));
  const double begin = monotonic_seconds();
  reference_.activations = measure_activations(setup_.training().detector(), *loader_,
                                               setup_.validation_tensors(), Depth::kEverything);
  seconds_ = monotonic_seconds() - begin;
  save_drift_reference(files_, path(), reference_, parameters, without);
}

bool DriftMonitor::resume(const Notice& notice) {
  const DriftPlan& plan = setup_.plan().drift;
  if (!is_there(path())) {
    if (!plan.reference.empty()) {
      start("");
      return true;
    }
    const std::string why = fmt::format(
        "monitor.drift: this run began without it, so {} is missing and the weights that it began "
        "with are gone; set monitor.reference to a checkpoint",
        path());
    if (plan.when == "on")
      throw_fault("KT-CFG-008", "{}, or monitor.drift to \"off\", or start over with --fresh", why);
    notice(why + "; drift is not measured");
    return false;
  }
  const LoadedCheckpoint from = read_weights_file(files_, path());
  reference_ = load_drift_reference(from);
  set_anchors(anchors_of(setup_.data().val.index, reference_.anchors));
  if (anchors_.manifest_hash() != reference_.data)
    throw_fault("KT-CKPT-003",
                "{}: its {} anchors were annotated otherwise than they are now; start over with "
                "--fresh",
                path(), anchors_.size());
  const bool same_file = plan.reference.empty()
                             ? reference_.source.starts_with("the weights that the run began with")
                             : reference_.source.starts_with(plan.reference + ": ");
  const std::int64_t wanted = std::min(plan.anchors, setup_.data().val.index.size());
  if (!same_file || anchors_.size() != wanted)
    notice(
        fmt::format("drift is measured as this run began it, on {} anchors against {} ({}); "
                    "monitor.reference and monitor.anchors hold for a fresh run",
                    anchors_.size(), reference_.hash, reference_.source));
  return true;
}

std::string DriftMonitor::text() const {
  const DriftPlan& plan = setup_.plan().drift;
  std::string out =
      fmt::format("drift     against {} ({}) on {} pairs of '{}', after every epoch",
                  reference_.hash, reference_.source, anchors_.size(), setup_.data().val.name);
  if (plan.every > 0) out += fmt::format(", its layers every {} steps", plan.every);
  if (seconds_ > 0) out += fmt::format("; the reference took {:.2f} s", seconds_);
  return out;
}

bool DriftMonitor::due(std::int64_t step) const {
  const std::int64_t every = setup_.plan().drift.every;
  return every > 0 && step % every == 0;
}

DriftMonitor::SideNumbers DriftMonitor::queue_numbers(const std::vector<SideNumber>& side) {
  SideNumbers numbers;
  for (const auto& [name, into] :
       {std::pair("dhn_fnr", &numbers.fnr), std::pair("dhn_age", &numbers.qage)})
    for (const SideNumber& number : side) {
      if (number.name != name) continue;
      if (const double value = number.read(); std::isfinite(value)) *into = value;
    }
  return numbers;
}

std::vector<std::string> DriftMonitor::measure(std::int64_t step, std::int64_t epoch, Depth depth,
                                               const SideNumbers& side) {
  const double begin = monotonic_seconds();
  TrainingStep& training = setup_.training();
  const NamedEmbedding heads = trained_heads(training.auxiliary(), setup_.plan().loss);
  const Activations now = measure_activations(training.detector(), *loader_,
                                              setup_.validation_tensors(), depth, heads.embedding);
  DriftRecord drift{.step = step,
                    .epoch = epoch,
                    .reference = reference_.hash,
                    .anchors = anchors_.size(),
                    .layers = layer_drifts(now, reference_.activations),
                    .groups = {},
                    .seconds = 0};
  std::optional<EmbeddingRecord> embedding;
  if (depth == Depth::kEverything) {
    drift.groups = feature_drifts(now, reference_.activations);
    const LoadedCheckpoint from = read_weights_file(files_, path());
    add_weight_drift(training.parameters(), reference_weights(from), drift.groups);
    embedding = embedding_record(now.boxes, heads.embedding != nullptr ? heads.term : "roi");
  }
  drift.seconds = monotonic_seconds() - begin;
  std::vector<std::string> lines = {drift_json(drift)};
  if (embedding) {
    embedding->step = step;
    embedding->epoch = epoch;
    embedding->fnr = side.fnr;
    embedding->qage = side.qage;
    lines.push_back(embedding_json(*embedding));
  }
  return lines;
}

}  // namespace ktrain
