#include "models/rpn.h"

#include <vector>

#include "runtime/part.h"

namespace ktrain {
namespace {

constexpr double kInitialStd = 0.01;
constexpr std::int64_t kPadMultiple = 32;  // mmdetection's size divisor

}  // namespace

Rpn::Rpn(const Maker& maker, std::int64_t channels, const RpnOptions& options)
    : options_(options),
      conv_(maker / "rpn_conv", {channels, channels, 3, 1}, normal(kInitialStd), Activation::kRelu),
      cls_(maker / "rpn_cls", {channels, kAnchorsPerCell, 1, 1}, normal(kInitialStd),
           Activation::kNone, OutputType::kFloat),
      reg_(maker / "rpn_reg", {channels, 4 * kAnchorsPerCell, 1, 1}, normal(kInitialStd),
           Activation::kNone, OutputType::kFloat) {}

Rpn::Output Rpn::operator()(const Pyramid& fused) const {
  Output output;
  output.grid.shapes = options_.anchors;
  for (std::size_t i = 0; i < fused.size(); ++i)
    output.grid.levels.push_back({fused[i].size(1), fused[i].size(2), kPyramidStrides[i]});
  const std::vector<Tensor> xs = conv_(std::vector<Tensor>(fused.begin(), fused.end()));
  const std::vector<Tensor> logits = cls_(xs), deltas = reg_(xs);
  output.anchors = make_anchors(fused[0].context(), output.grid);
  output.logits = concat_columns(logits);
  output.deltas = concat_columns(deltas);
  return output;
}

Rpn::Losses Rpn::losses(const Output& output, const Tensor& sizes, const TargetTensors& targets,
                        const Draw& draw) const {
  const PartScope part("rpn targets and losses");
  const AssignRule assignment = {.positive_iou = options_.positive_iou,
                                 .negative_iou = options_.negative_iou,
                                 .low_quality_iou = options_.negative_iou,
                                 .low_quality = true,
                                 .ignore_iof = options_.ignore_iof};
  const Tensor valid = anchor_validity(output.grid, sizes, kPadMultiple);
  const Tensor match = assign_anchors(output.anchors, valid, targets, assignment);
  const AnchorTrainingSet set = anchor_training_set(
      output.anchors, match, targets, draw, sample_rule(options_.samples, options_.positive_share));
  const Tensor deltas = reshape(output.deltas, {output.logits.size(), 4});
  return {bce(output.logits, set.labels, set.avg_factor),
          box_loss(deltas, set.deltas, set.slots, set.avg_factor)};
}

Proposals Rpn::propose(const Output& output, const Tensor& sizes, Mode mode) const {
  const NoGradScope no_grad;
  const PartScope part("proposals");
  return ktrain::propose(output.grid, output.anchors, output.logits, output.deltas, sizes,
                         {mode == Mode::kTrain ? options_.nms_pre : options_.nms_pre_test,
                          options_.max_proposals, options_.nms});
}

}  // namespace ktrain
