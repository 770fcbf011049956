#include "train/model_options.h"

#include <algorithm>
#include <map>

#include "runtime/fault.h"

namespace ktrain {
namespace {

RpnOptions rpn_options(const ModelPlan& model) {
  RpnOptions rpn;
  rpn.nms_pre = model.rpn.nms_pre;
  rpn.nms_pre_test = model.rpn.nms_pre_test;
  rpn.max_proposals = model.rpn.max_proposals;
  rpn.nms = model.rpn.nms;
  rpn.samples = model.rpn.samples;
  rpn.positive_share = model.rpn.positive_share;
  rpn.positive_iou = model.rpn.positive_iou;
  rpn.negative_iou = model.rpn.negative_iou;
  rpn.ignore_iof = model.ignore_iof;
  rpn.anchors.scale = model.anchor_scale;
  KT_CHECK(model.anchor_ratios.size() == rpn.anchors.ratios.size(),
           "model options: {} anchor ratios, {} wanted", model.anchor_ratios.size(),
           rpn.anchors.ratios.size());
  std::copy(model.anchor_ratios.begin(), model.anchor_ratios.end(), rpn.anchors.ratios.begin());
  return rpn;
}

RoiOptions roi_options(const ModelPlan& model, const EvalPlan& eval) {
  RoiOptions roi;
  roi.samples = model.roi.samples;
  roi.fc_channels = model.roi.fc_channels;
  roi.pool = model.roi.pool;
  roi.positive_share = model.roi.positive_share;
  roi.positive_iou = model.roi.positive_iou;
  roi.ignore_iof = model.ignore_iof;
  roi.score_threshold = eval.score_threshold;
  roi.nms = eval.nms;
  roi.max_detections = eval.max_detections;
  return roi;
}

// "visible.backbone", "fusion", "rpn_head", "aux.macl": the branch of a stream has two parts.
std::string block_of(const std::string& name) {
  const std::size_t first = name.find('.');
  const std::string head = name.substr(0, first);
  if (head != "visible" && head != "thermal" && head != "shared" && head != "aux") return head;
  return name.substr(0, name.find('.', first + 1));
}

}  // namespace

DetectorOptions detector_options(const Plan& plan) {
  const ModelPlan& model = plan.model;
  DetectorOptions options;
  options.streams = model.streams == "visible"   ? Streams::kVisible
                    : model.streams == "thermal" ? Streams::kThermal
                                                 : Streams::kBoth;
  options.shared = model.shared;
  options.msp = model.msp;
  options.fusion = model.fusion == "add"     ? FusionKind::kAdd
                   : model.fusion == "gated" ? FusionKind::kGated
                                             : FusionKind::kConcat;
  options.backbone.depth = static_cast<int>(model.depth);
  options.backbone.width = model.width;
  options.backbone.frozen_stages = static_cast<int>(model.frozen_stages);
  options.backbone.norm = model.norm == "batch" ? Norm::kBatch : Norm::kFrozen;
  options.channels = model.fpn_channels;
  options.rpn = rpn_options(model);
  options.roi = roi_options(model, plan.eval);
  set_precision(plan.train.precision, options);
  return options;
}

void set_precision(std::string_view precision, DetectorOptions& options) {
  options.maps = precision == "bf16" ? DType::kBf16 : DType::kF32;
  options.products = precision == "tf32" ? Precision::kTf32 : Precision::kFloat;
}

std::string model_table(const DetectorOptions& options, const ParameterSet& parameters) {
  struct Row {
    std::int64_t all = 0, trainable = 0;
  };
  std::vector<std::pair<std::string, Row>> rows;
  Row sum;
  for (const Parameter& parameter : parameters.all()) {
    if (parameter.kind == ParameterKind::kBuffer) continue;
    const std::string block = block_of(parameter.name);
    if (rows.empty() || rows.back().first != block) rows.emplace_back(block, Row{});
    for (Row* const row : {&rows.back().second, &sum}) {
      row->all += parameter.value.size();
      row->trainable += parameter.trainable ? parameter.value.size() : 0;
    }
  }
  const char* const streams = options.streams == Streams::kBoth      ? "visible + thermal"
                              : options.streams == Streams::kVisible ? "visible only"
                                                                     : "thermal only";
  std::string text = fmt::format(
      "model     {}, ResNet-{} x{:g}, pyramid of {} channels\n"
      "          {:<18} {:>12} {:>12} {:>12}\n",
      streams, options.backbone.depth, options.backbone.width, options.channels, "block",
      "parameters", "trainable", "frozen");
  rows.emplace_back("together", sum);
  for (const auto& [block, row] : rows)
    text += fmt::format("          {:<18} {:>12} {:>12} {:>12}\n", block, row.all, row.trainable,
                        row.all - row.trainable);
  return text;
}

}  // namespace ktrain
