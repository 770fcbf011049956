#include "train/data_set.h"

#include <algorithm>

#include "data/synth/synth.h"
#include "kernels/profile.h"
#include "runtime/fault.h"
#include "train/plan_data.h"

namespace ktrain {
namespace {

PairList read_list(const DataFolder& folder, const DataPlan& plan, std::string_view role) {
  const PairSource source = pair_source(plan, role);
  PairReport report = read_pairs(folder, source);
  PairList out{source.list, {}, report.positive, report.ignored, report.empty};
  out.index = require_pairs(std::move(report), folder);
  return out;
}

SynthSpec synth_spec(const SynthPlan& plan) {
  return {.train_pairs = plan.train_pairs,
          .val_pairs = plan.val_pairs,
          .width = static_cast<int>(plan.size.width),
          .height = static_cast<int>(plan.size.height),
          .quality = plan.quality,
          .night = plan.night,
          .empty = plan.empty,
          .crowding = plan.crowding,
          .shift = plan.shift,
          .seed = static_cast<std::uint64_t>(plan.seed)};
}

void make_built_in(const DataPlan& plan, std::int64_t threads, const Notice& notice) {
  const double begin = monotonic_seconds();
  if (ensure_synth(plan.root, synth_spec(plan.synth), static_cast<int>(threads)))
    notice(
        fmt::format("made the built-in data set: {} training and {} held-out pairs of {}x{} in {} "
                    "({:.1f} s)",
                    plan.synth.train_pairs, plan.synth.val_pairs, plan.synth.size.width,
                    plan.synth.size.height, plan.root, monotonic_seconds() - begin));
}

// A pair that is trained on is no measure of anything, unless a plan says so by naming one list
// for both.
void check_disjoint(const DataSet& data) {
  if (data.train.name == data.val.name) return;
  for (std::int64_t i = 0; i < data.val.index.size(); ++i)
    if (data.train.index.find(data.val.index[i].id) >= 0)
      throw_fault(
          "KT-DATA-032",
          "pair '{}' stands in the training list '{}' and in the validation list '{}'; take "
          "it out of one; `ktrain check` lists all",
          printable(data.val.index[i].id), data.train.name, data.val.name);
}

LoaderOptions common_options(const Plan& plan) {
  LoaderOptions options;
  options.batch = static_cast<int>(plan.train.batch);
  options.scale = {
      static_cast<int>(std::max(plan.data.size.width, plan.data.size.height)),
      static_cast<int>(std::min(plan.data.size.width, plan.data.size.height)),
  };
  options.max_boxes = static_cast<int>(plan.data.max_boxes);
  options.seed = static_cast<std::uint64_t>(plan.seed);
  options.workers = static_cast<int>(plan.data.workers);
  options.cache_bytes = plan.data.cache_mb << 20;
  return options;
}

std::string list_line(const char* what, const PairList& list) {
  return fmt::format(
      "{:<9} list '{}': {} pairs, {} without a pedestrian; {} boxes, {} to ignore; #{:.8}\n", what,
      list.name, list.index.size(), list.empty, list.positive, list.ignored,
      list.index.manifest_hash());
}

}  // namespace

DataSet open_data_set(const DataPlan& plan, std::int64_t threads, const Notice& notice) {
  if (plan.root.empty())
    throw_fault("KT-CFG-008",
                "data.root is not set, so there is no data; set it in the plan or by --set "
                "data.root=DIR");
  if (plan.preset == "synth") make_built_in(plan, threads, notice);
  DataSet data;
  data.folder = std::make_unique<DataFolder>(plan.root);
  data.train = read_list(*data.folder, plan, "train");
  data.val = read_list(*data.folder, plan, "val");
  check_disjoint(data);
  if (data.train.name == data.val.name)
    notice(
        fmt::format("list '{}' is trained on and validated on: scores say how well it was "
                    "learned by heart, nothing else",
                    data.train.name));
  return data;
}

LoaderOptions train_loader_options(const Plan& plan) {
  LoaderOptions options = common_options(plan);
  options.flip = plan.data.flip;
  return options;
}

LoaderOptions val_loader_options(const Plan& plan) {
  LoaderOptions options = common_options(plan);
  options.shuffle = false;
  options.last = LastBatch::kPartial;
  return options;
}

std::string data_table(const DataPlan& plan, const DataSet& data) {
  return fmt::format("data      {} in {}\n", plan.preset, data.folder->root().string()) +
         list_line("train", data.train) + list_line("val", data.val);
}

}  // namespace ktrain
