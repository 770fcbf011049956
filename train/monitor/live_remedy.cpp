#include "train/monitor/live_remedy.h"

#include <algorithm>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "kernels/elementwise.h"
#include "runtime/fault.h"
#include "train/tensor_arrays.h"

namespace ktrain {
namespace {

const std::string kPrefix = "monitor.reference.";

}  // namespace

void check_remedy_groups(const RemedyPlan& plan, const LayerGroups& groups) {
  if (plan.kind == "none") return;
  std::vector<std::string> names;
  for (const LayerGroups::Group& group : groups.all())
    if (!group.share) names.push_back(group.name);
  for (const std::string& wanted : plan.groups)
    if (std::none_of(names.begin(), names.end(), [&](const std::string& name) {
          return name == wanted || name.starts_with(wanted + ".");
        }))
      throw_fault("KT-CFG-008",
                  "remedy.groups: found '{}', wanted layer groups of this model: {}; what stands "
                  "before a dot names all behind it",
                  printable(wanted), fmt::join(names, ", "));
}

RemedyOptions remedy_options(const RemedyPlan& plan, std::uint64_t seed) {
  RemedyOptions options;
  options.kind = find_remedy(plan.kind).value();
  options.preconditioned = plan.metric == "preconditioned";
  options.seed = seed;
  options.cut_groups = plan.groups;
  options.cut_scale = plan.scale;
  options.gate_beta = plan.gate_beta;
  options.gate_hard = plan.gate_hard;
  options.always = plan.always;
  options.cagrad_c = plan.cagrad_c;
  options.cagrad_rescale = plan.cagrad_rescale;
  options.gradnorm_alpha = plan.gradnorm_alpha;
  options.gradnorm_rate = plan.gradnorm_rate;
  return options;
}

LiveRemedy::LiveRemedy(const RemedyPlan& plan, std::uint64_t seed, const ParameterSet& parameters)
    : plan_(plan), remedy_(remedy_options(plan, seed)), parameters_(parameters) {
  if (plan.kind != "pc_asym" || !live()) return;
  const MemoryUseScope use(MemoryUse::kOptimizer);
  for (const Parameter& parameter : parameters.all())
    references_.push_back(parameter.trainable
                              ? Tensor::zeros(parameter.value.context(), parameter.value.shape())
                              : Tensor());
}

Tensor LiveRemedy::reference(std::size_t parameter) const {
  return started_ && keeps_reference() ? references_[parameter] : Tensor();
}

void LiveRemedy::move_reference(std::size_t parameter, const Tensor& detection) {
  Tensor& reference = references_[parameter];
  KT_RUN_AS(reference.queue(), "move_reference", move_toward, detection.span<float>(),
            reference.mutable_span<float>(), started_ ? plan_.beta : 0.0);
}

std::string LiveRemedy::line(const ProbeRecord& record,
                             const std::vector<GroupWeights>& answers) const {
  nlohmann::ordered_json json = {{"kind", "remedy"},         {"step", record.step},
                                 {"epoch", record.epoch},    {"remedy", plan_.kind},
                                 {"mode", plan_.mode},       {"losses", record.losses},
                                 {"weights", record.weights}};
  json["groups"] = nlohmann::ordered_json::object();
  for (const GroupWeights& answer : answers) {
    nlohmann::ordered_json& group = json["groups"][answer.group];
    group = {{"weights", answer.weights}, {"changed", answer.changed}};
    if (answer.reference != 0) group["reference"] = answer.reference;
    if (!answer.reason.empty()) group["reason"] = answer.reason;
  }
  return json.dump();
}

std::vector<NamedArray> LiveRemedy::state() const {
  std::vector<NamedArray> arrays;
  for (std::size_t i = 0; i < references_.size(); ++i)
    if (references_[i].defined())
      arrays.push_back(named_array(kPrefix + parameters_.all()[i].name, references_[i]));
  return arrays;
}

std::string LiveRemedy::state_text() const {
  return nlohmann::json{{"started", started_}, {"remedy", remedy_.state()}}.dump();
}

void LiveRemedy::restore(const LoadedCheckpoint& from, const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("started") || !json.contains("remedy"))
    throw_fault("KT-CKPT-003", "{}: no state of the remedy '{}'; the run cannot go on as it was",
                from.path(), plan_.kind);
  for (std::size_t i = 0; i < references_.size(); ++i)
    if (references_[i].defined())
      load_tensor(from, kPrefix + parameters_.all()[i].name, references_[i]);
  remedy_.restore(json["remedy"].get<std::string>());
  started_ = json["started"].get<bool>();
}

}  // namespace ktrain
