#include "train/recovery/plan_run.h"

#include <algorithm>
#include <filesystem>

#include "runtime/fault.h"
#include "train/checkpoint.h"
#include "train/divergence.h"
#include "train/run_state.h"

namespace ktrain {
namespace {

Subject failed_subject(const LoadedPlan& plan, const std::string& metric,
                       const std::string& failure) {
  Subject out{
      .name = plan.entry->name, .folder = plan.folder, .state = "failed", .failure = failure};
  out.train_hash = plan.train_hash;
  out.val_hash = plan.val_hash;
  std::error_code missing;  // of a run that failed before its first record
  if (!std::filesystem::exists(plan.folder + "/scalars.jsonl", missing)) return out;
  out.validations = read_run_history(plan.folder).validations;
  out.best = best_index(out.validations, metric);
  return out;
}

}  // namespace

FoundRun find_run(const LoadedPlan& plan, const Notice& notice) {
  FoundRun found;
  const auto last = take_checkpoint(real_file_system(), plan.folder + "/weights", "last", notice);
  if (!last) return found;
  check_made_by(*last, plan.resolved.plan);
  check_identity(last->path(), last->metadata(),
                 {{"data.train", plan.train_hash}, {"data.val", plan.val_hash}});
  found.complete = !last->metadata("ended").empty();
  if (!found.complete) found.failure = divergence_of(plan.folder);
  found.init = last->metadata("init");
  return found;
}

void check_start(const LoadedPlan& plan, const std::string& init, const std::string& from,
                 const std::string& hash) {
  if (init.empty() || init.find(fmt::format("(#{:.8})", hash)) != std::string::npos) return;
  throw_fault("KT-CKPT-002",
              "{}: began as {}; wanted the checkpoint of {}, #{:.8}; put that back, or start over "
              "with --fresh",
              plan.folder, printable(init, 200), from, hash);
}

Subject subject_of(const LoadedPlan& plan, const std::string& metric, const std::string& failure) {
  const auto best = take_checkpoint(real_file_system(), plan.folder + "/weights", "best");
  Subject out;
  if (failure.empty()) {
    RunHistory history = read_run_history(plan.folder);
    out = {.name = plan.entry->name, .folder = plan.folder, .state = history.ended};
    out.validations = std::move(history.validations);
    out.best = best_index(out.validations, metric);
    out.train_hash = history.train_hash;
    out.val_hash = history.val_hash;
  } else {
    out = failed_subject(plan, metric, failure);
  }
  // The save after the best validation may be what has failed.
  const bool there = best && out.best >= 0 && best->step() == out.best_record().step;
  if (!failure.empty() && !there) return out;
  out.checkpoint = plan.folder + "/weights/best.safetensors";
  if (!there)
    throw_fault(
        "KT-REC-002", "{}: wanted the checkpoint of the best validation, step {}; step {} is there",
        out.checkpoint, out.best < 0 ? -1 : out.best_record().step, best ? best->step() : -1);
  out.hash = best->payload_hash();
  out.began = best->metadata("init");
  return out;
}

void check_run_folders(const LoadedPlans& plans, const Recovery& recovery, const Notice& notice) {
  std::map<std::string, std::string> hashes;  // of the best of runs that are complete
  std::map<std::string, std::string> begun;   // what runs began as
  for (const auto& [name, plan] : plans) {
    const FoundRun found = find_run(plan, notice);
    begun[name] = found.init;
    if (found.complete) hashes[name] = subject_of(plan, recovery.metric).hash;
  }
  for (const auto& [name, plan] : plans) {
    if (!plan.prerequisite || plan.resolved.plan.init.take != "best") continue;
    const std::string& before = plan.prerequisite->entry->name;
    if (begun[name].empty()) continue;
    if (!hashes.contains(before))
      throw_fault("KT-CKPT-002",
                  "{}: began as {}, but {} is not complete in {}; put that back, or start over "
                  "with --fresh",
                  plan.folder, printable(begun[name], 200), before, plan.prerequisite->folder);
    check_start(plan, begun[name], fmt::format("the best validation of {}", before),
                hashes[before]);
  }
}

}  // namespace ktrain
