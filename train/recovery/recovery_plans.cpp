#include "train/recovery/recovery_plans.h"

#include <filesystem>

#include "runtime/fault.h"
#include "train/data_set.h"
#include "train/initial_weights.h"
#include "train/nearest.h"
#include "train/plan_keys.h"
#include "train/recovery/recovery_check.h"

namespace ktrain {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> overrides_of(const Recovery& recovery, const RecoveryPlan& plan,
                                      const std::vector<std::string>& given) {
  std::vector<std::string> out = plan.set;
  std::vector<std::string_view> names;
  for (const RecoveryPlan& p : recovery.plans) names.push_back(p.name);
  for (const std::string& text : given) {
    const std::size_t colon = text.substr(0, text.find('=')).find(':');
    if (colon == std::string::npos) {
      out.push_back(text);
      continue;
    }
    const std::string name = text.substr(0, colon);
    if (std::find(names.begin(), names.end(), name) == names.end())
      throw_fault("KT-CFG-010", "--set {}: no plan '{}' in {}; wanted one of {}{}", printable(text),
                  printable(name), recovery.file, fmt::join(names, ", "),
                  did_you_mean(name, names));
    if (name == plan.name) out.push_back(text.substr(colon + 1));
  }
  return out;
}

LoadedPlan load_one(const Recovery& recovery, const RecoveryPlan& entry,
                    const std::vector<std::string>& given, const std::string& runs) {
  std::vector<std::string> overrides = overrides_of(recovery, entry, given);
  const std::string own = recovery_folder(recovery, runs);
  if (!entry.start.empty()) {
    overrides.push_back("init.plan=");
    overrides.push_back(fmt::format("init.checkpoint={}/{}.safetensors", own, entry.start));
  }
  if (!entry.start.empty() || !entry.set.empty())
    overrides.push_back(fmt::format("output.dir={}/{}", own, entry.name));
  LoadedPlan out{&entry, load_plan(entry.file, overrides), "", nullptr};
  out.folder = run_folder_of(out.resolved, runs);
  const std::string& metric = out.resolved.plan.stop.metric;
  if (metric != recovery.metric)
    throw_fault("KT-CFG-008",
                "{}: plans.{} chooses its best checkpoint by {} ({}), the recovery judges by {}",
                entry.place, entry.name, metric, out.resolved.origin_of("stop.metric"),
                recovery.metric);
  return out;
}

void find_prerequisites(const Recovery& recovery, LoadedPlans& plans) {
  for (auto& [name, plan] : plans) {
    const std::string file = prerequisite_file(plan.resolved);
    if (file.empty()) continue;
    for (const auto& [other, candidate] : plans)
      if (candidate.entry->file == file && candidate.entry->start.empty() &&
          candidate.entry->set.empty())
        plan.prerequisite = &candidate;
    if (!plan.prerequisite)
      throw_fault(
          "KT-CFG-008", "{}: plans.{} starts from {} ({}), which is not one of the plans of {}",
          plan.entry->place, name, file, plan.resolved.origin_of("init.plan"), recovery.file);
  }
}

void check_folders(const LoadedPlans& plans) {
  std::map<std::string, std::string> taken;
  for (const auto& [name, plan] : plans) {
    const auto [at, added] = taken.emplace(fs::path(plan.folder).lexically_normal().string(), name);
    if (!added)
      throw_fault("KT-CFG-008", "{}: plans.{} and plans.{} both run in {}", plan.entry->place,
                  at->second, name, plan.folder);
  }
}

void check_sweeps(const Recovery& recovery, const LoadedPlans& plans) {
  for (const RecoveryNode& node : recovery.nodes) {
    if (!node.sweep) continue;
    const RecoverySweep& sweep = *node.sweep;
    const LoadedPlan& plan = plans.at(sweep.of);
    const TrainPlan& train = plan.resolved.plan.train;
    const bool kept = train.keep == 0 || sweep.first > train.epochs - train.keep ||
                      (!train.keep_epochs.empty() && train.keep_epochs.front() <= sweep.first &&
                       train.keep_epochs.back() >= sweep.last);
    if (sweep.last > train.epochs || !kept)
      throw_fault("KT-CFG-008",
                  "{}: nodes.{} sweeps epochs {} to {} of {}, which has {} and keeps {}; set "
                  "train.keep_epochs there",
                  node.place, node.name, sweep.first, sweep.last, sweep.of, train.epochs,
                  train.keep_epochs.empty() ? fmt::format("the newest {}", train.keep)
                                            : fmt::format("{} to {}", train.keep_epochs.front(),
                                                          train.keep_epochs.back()));
  }
}

}  // namespace

std::string recovery_folder(const Recovery& recovery, const std::string& runs) {
  return runs + "/" + recovery.name;
}

LoadedPlans load_plans(Recovery& recovery, const std::vector<std::string>& overrides,
                       const std::string& runs) {
  LoadedPlans plans;
  for (const RecoveryPlan& entry : recovery.plans)
    plans.emplace(entry.name, load_one(recovery, entry, overrides, runs));
  find_prerequisites(recovery, plans);
  for (RecoveryPlan& entry : recovery.plans) {
    const LoadedPlan& plan = plans.at(entry.name);
    if (plan.prerequisite) entry.after = plan.prerequisite->entry->name;
  }
  check_recovery(recovery);
  check_folders(plans);
  check_sweeps(recovery, plans);
  return plans;
}

void read_data(LoadedPlans& plans, const Notice& notice) {
  std::map<std::string, const LoadedPlan*> read;
  for (auto& [name, plan] : plans) {
    // Plans with equal data keys have the same data.
    std::string keys;
    for (const PlanKey& key : plan_keys(plan.resolved.plan))
      if (key.name.starts_with("data.")) keys += value_text(key) + '\n';
    const auto [at, fresh] = read.emplace(keys, &plan);
    if (!fresh) {
      const LoadedPlan& same = *at->second;
      plan.train_hash = same.train_hash;
      plan.val_hash = same.val_hash;
      plan.train_pairs = same.train_pairs;
      plan.train_positive = same.train_positive;
      plan.train_empty = same.train_empty;
      continue;
    }
    const DataSet data = open_data_set(plan.resolved.plan.data, plan.resolved.plan.threads, notice);
    plan.train_hash = data.train.index.manifest_hash();
    plan.val_hash = data.val.index.manifest_hash();
    plan.train_pairs = data.train.index.size();
    plan.train_positive = data.train.positive;
    plan.train_empty = data.train.empty;
  }
}

}  // namespace ktrain
