#include "train/data_set.h"

#include <algorithm>

#include "runtime/fault.h"

namespace ktrain {
namespace {

struct PresetLists {
  std::string layout, train, val;
};

PresetLists preset_lists(const std::string& preset) {
  if (preset == "llvip") return {"llvip", "train", "test"};
  if (preset == "synth") return {"kaist", "train", "val"};
  return {"kaist", "train-all-02", "test-all-20"};
}

PairList read_list(const DataFolder& folder, const DataPlan& plan, const std::string& layout,
                   const std::string& list) {
  PairSource source;
  source.layout = layout;
  source.list = list;
  source.labels = {plan.positive, plan.ignore};
  source.origin = plan.origin == "auto" ? (layout == "llvip" ? 1.0 : 0.0) : plan.origin == "1";
  PairReport report = read_pairs(folder, source);
  PairList out{list, {}, report.positive, report.ignored, report.empty};
  out.index = require_pairs(std::move(report), folder);
  return out;
}

PairIndex without_empty(const PairIndex& index) {
  PairIndex kept;
  for (std::int64_t i = 0; i < index.size(); ++i) {
    const auto& boxes = index[i].boxes;
    if (std::any_of(boxes.begin(), boxes.end(), [](const PairBox& box) { return !box.ignore; }))
      kept.add(index[i]);
  }
  return kept;
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
  const PresetLists preset = preset_lists(plan.preset);
  (void)threads;
  (void)notice;
  if (plan.root.empty())
    throw_fault("KT-CFG-008",
                "data.root is not set, so there is no data; set it in the plan or by --set "
                "data.root=DIR");
  DataSet data;
  data.folder = std::make_unique<DataFolder>(plan.root);
  data.train =
      read_list(*data.folder, plan, preset.layout, plan.train.empty() ? preset.train : plan.train);
  data.val = read_list(*data.folder, plan, preset.layout, plan.val.empty() ? preset.val : plan.val);
  if (plan.skip_empty) data.train.index = without_empty(data.train.index);
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
