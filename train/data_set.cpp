#include "train/data_set.h"

#include <algorithm>
#include <filesystem>

#include "data/synth/synth.h"
#include "kernels/profile.h"
#include "runtime/fault.h"
#include "train/plan_data.h"

namespace ktrain {
namespace {

PairReport read_report(const DataFolder& folder, const DataPlan& plan, std::string_view role) {
  return read_pairs(folder, pair_source(plan, role));
}

RunList list_of(PairReport report, const DataFolder& folder) {
  RunList out{report.list, {}, report.positive, report.ignored, report.empty};
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
  std::error_code error;
  if (!std::filesystem::exists(plan.root, error))
    notice(fmt::format("drawing the built-in data set, {} pairs of {}x{}, in {} ...",
                       plan.synth.train_pairs + plan.synth.val_pairs, plan.synth.size.width,
                       plan.synth.size.height, plan.root));
  if (ensure_synth(plan.root, synth_spec(plan.synth), static_cast<int>(threads)))
    notice(
        fmt::format("made the built-in data set: {} training and {} held-out pairs of {}x{} in {} "
                    "({:.1f} s)",
                    plan.synth.train_pairs, plan.synth.val_pairs, plan.synth.size.width,
                    plan.synth.size.height, plan.root, monotonic_seconds() - begin));
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

std::string list_line(const char* what, const RunList& list) {
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
  PairReport train = read_report(*data.folder, plan, "train");
  PairReport val = read_report(*data.folder, plan, "val");
  // A pair that is trained on is no measure of anything, unless a plan says so by naming one list
  // for both.
  if (train.list != val.list) require_disjoint(train, val);
  data.train = list_of(std::move(train), *data.folder);
  data.val = list_of(std::move(val), *data.folder);
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
