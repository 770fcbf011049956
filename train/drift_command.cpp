#include "train/drift_command.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>

#include "kernels/parallel.h"
#include "kernels/profile.h"
#include "runtime/fault.h"
#include "train/auxiliary_terms.h"
#include "train/checkpoint.h"
#include "train/load_weights.h"
#include "train/model_options.h"
#include "train/monitor/anchors.h"
#include "train/monitor/drift_reference.h"
#include "train/plan_load.h"

namespace ktrain {
namespace {

namespace fs = std::filesystem;

// RUN, or RUN/weights/step_00000100.safetensors.
fs::path run_folder(const std::string& subject) {
  std::error_code error;
  if (fs::is_directory(subject, error)) return subject;
  const fs::path folder = fs::path(subject).parent_path() / "..";
  if (!fs::exists(folder / "run.cfg", error))
    throw_fault("KT-CLI-001",
                "{}: wanted a run folder, or a checkpoint in the weights/ of one: its run.cfg says "
                "which model and which pairs",
                printable(subject, 300));
  return folder.lexically_normal();
}

LoadedCheckpoint subject_weights(const DriftOptions& options) {
  std::error_code error;
  if (!fs::is_directory(options.subject, error))
    return read_weights_file(real_file_system(), options.subject);
  const std::string folder = options.subject + "/weights";
  auto from = take_checkpoint(real_file_system(), folder, options.take, print_notice);
  if (!from)
    throw_fault("KT-CKPT-005",
                "{}: no checkpoint '{}'; wanted best, last or epoch_N of a run that got so far",
                folder, printable(options.take));
  return std::move(*from);
}

// The plain weights into the detector, and into the heads of auxiliary losses those that the file
// has. `text` gets what they are, for people. Returns the names of what it lacks.
std::set<std::string> load(const char* what, const LoadedCheckpoint& from, ParameterSet& parameters,
                           std::string& text) {
  const LoadOptions options{{"aux."}, {"aux."}, {}, /*prefer_average=*/false};
  const LoadReport report = load_weights(from, parameters, options);
  std::set<std::string> without(report.missing.begin(), report.missing.end());
  text += fmt::format("{:<9} {} (weights #{:.8}): {}\n", what, from.path(),
                      weights_hash(parameters, without), report.summary());
  return without;
}

std::int64_t number_of(const LoadedCheckpoint& from, const std::string& key) {
  const auto found = from.metadata().find(key);
  return found == from.metadata().end() ? 0 : std::atoll(found->second.c_str());
}

}  // namespace

int run_drift(const DriftOptions& options, std::ostream& out) {
  const std::string run = run_folder(options.subject).string();
  const ResolvedPlan resolved = load_plan(run + "/run.cfg", options.overrides);
  const Plan& plan = resolved.plan;
  const LoadedCheckpoint subject = subject_weights(options),
                         reference = read_weights_file(real_file_system(), options.reference);
  set_num_threads(static_cast<int>(plan.threads));
  const ContextPtr context = make_cpu_context();
  ParameterSet parameters;
  const auto seed = static_cast<std::uint64_t>(plan.seed);
  const DetectorOptions model = detector_options(plan);
  const TwoStreamDetector detector(context, model, seed, parameters);
  const AuxiliarySetup auxiliary = make_auxiliary(plan, model, Maker(context, parameters, seed));
  std::string text;
  const std::set<std::string> without = load("reference", reference, parameters, text);
  const std::string reference_hash = fmt::format("#{:.8}", weights_hash(parameters, without));
  std::map<std::string, std::vector<float>> weights;
  for (const Parameter& parameter : parameters.all())
    if (!without.contains(parameter.name))
      weights[parameter.name] = parameter.value.to_vector<float>();

  const DataSet data = open_data_set(plan.data, plan.threads, print_notice);
  const Anchors anchors = choose_anchors(data.val.index, *data.folder, plan.drift.anchors);
  LoaderOptions loading = val_loader_options(plan);
  loading.workers = 0;
  Loader loader(anchors.index, *data.folder, loading);
  BatchTensors tensors(context, plan.train.batch, loader.padded_size(), loader.max_boxes());
  const double begin = monotonic_seconds();
  const auto measure = [&](const PairEmbedding* heads) {
    return measure_activations(detector, loader, tensors, Depth::kEverything, heads);
  };
  DriftRecord drift;
  drift.reference = reference_hash;
  drift.anchors = anchors.index.size();
  const Activations before = measure(nullptr);
  // Heads that the file lacks would be those that a run begins with, or the reference's.
  const bool lacks_heads = !load("subject", subject, parameters, text).empty();
  const NamedEmbedding heads =
      lacks_heads ? NamedEmbedding{} : trained_heads(auxiliary.losses, plan.loss);
  const Activations now = measure(heads.embedding);
  drift.step = number_of(subject, "step");
  drift.epoch = number_of(subject, "epoch");
  drift.layers = layer_drifts(now, before);
  drift.groups = feature_drifts(now, before);
  add_weight_drift(
      parameters,
      [&](const Parameter& parameter) {
        const auto found = weights.find(parameter.name);
        return found == weights.end() ? std::vector<float>{} : found->second;
      },
      drift.groups);
  auto embedding = embedding_record(now.boxes, heads.embedding != nullptr ? heads.term : "roi");
  drift.seconds = monotonic_seconds() - begin;
  if (embedding) {
    embedding->step = drift.step;
    embedding->epoch = drift.epoch;
  }
  if (options.json) {
    out << drift_json(drift) << '\n';
    if (embedding) out << embedding_json(*embedding) << '\n';
    return 0;
  }
  out << text
      << fmt::format("anchors   {} pairs of '{}', visible brightness {:.3f} to {:.3f}\n",
                     anchors.index.size(), data.val.name,
                     *std::min_element(anchors.brightness.begin(), anchors.brightness.end()),
                     *std::max_element(anchors.brightness.begin(), anchors.brightness.end()))
      << drift_table(drift);
  if (embedding) out << embedding_table(*embedding);
  return 0;
}

}  // namespace ktrain
