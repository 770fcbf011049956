// The two-stream Faster R-CNN: a ResNet and a pyramid per branch, a fused pyramid, region proposals
// and a RoI head on it.
//
// Parameters, in mmdetection's names behind a branch prefix, filters KRSC:
//   {visible,thermal}.backbone.*   {visible,thermal}.neck.*   fusion.*   rpn_head.*   roi_head.*
//   and msp.* with the gate on the fused pyramid.
// With `shared` the one branch `shared.*` serves both; with one stream there is neither the other
// branch nor fusion. FC6 reads (7, 7, channels): an importer of PyTorch weights must permute
// roi_head.bbox_head.shared_fcs.0.weight from (channels, 7, 7).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "models/fusion.h"
#include "models/msp_gate.h"
#include "models/roi_head.h"
#include "runtime/product_precision.h"

namespace ktrain {

class ForwardObserver;  // models/observe.h
struct PartNames;

enum class Streams : std::uint8_t { kBoth, kVisible, kThermal };

// ImageNet's, in the order R, G, B.
inline constexpr ImageStatistics kImageNetStatistics{{123.675f, 116.28f, 103.53f},
                                                     {58.395f, 57.12f, 57.375f}};

struct DetectorOptions {
  Streams streams = Streams::kBoth;
  bool shared = false;  // one backbone and neck for both streams
  FusionKind fusion = FusionKind::kConcat;
  bool msp = false;  // the gate of models/msp_gate.h
  ResNetOptions backbone;
  std::int64_t channels = 256;  // of the pyramid
  std::int64_t num_classes = 1;
  RpnOptions rpn;
  RoiOptions roi;
  ImageStatistics visible = kImageNetStatistics;
  ImageStatistics thermal = kImageNetStatistics;
  // Of maps and their gradients, from the normalised images to the hidden layers of the heads: kF32
  // or kBf16. Parameters, their gradients, logits, box offsets, losses, proposals and detections
  // are in float in any case.
  DType maps = DType::kF32;
  // What products of float maps, on that way, may round their operands to: kFloat or kTf32.
  Precision products = Precision::kFloat;
};

// One batch of image pairs, padded to one size.
struct DetectorInput {
  // uint8, batch x height x width x 3, R G B, both sides multiples of 32. A stream that the
  // detector does not have may be undefined.
  Tensor visible, thermal;
  Tensor sizes;   // int32, batch x (height, width): each image before padding
  Tensor scales;  // float, batch x (x, y): resized over original side; for predictions only
  // For losses only. Boxes in pixels of the resized image.
  TargetTensors targets;
  Tensor counters;  // int32, batch x (step or epoch, sample): what random choices are a function of
  Tensor rpn_order = {}, roi_order = {};  // in place of random choices; see Draw
  // For auxiliary losses only: int32, batch x (place in the list, group, frame), -1 for an empty
  // slot or where unknown; see data/pair_identity.h.
  Tensor identity = {};
};

// Scalars of shape {1}, each counted once, and the features they came from.
struct DetectorLosses {
  Tensor rpn_cls, rpn_bbox, roi_cls, roi_bbox;
  std::optional<Pyramid> visible, thermal;  // of the streams that there are
  Pyramid fused;                            // with one stream, that stream's; gated, if it is
  Proposals proposals;
  RoiTrainingSet rois;
  Tensor pooled;  // RoI features of the fused pyramid: rois x 7 x 7 x channels
  // What the four losses are computed from, image by image, as many entries for each: rpn logits
  // and deltas, roi logits and deltas.
  std::vector<Tensor> head_outputs;
};

class TwoStreamDetector {
 public:
  // Adds its parameters to `parameters`, started from `seed`, which also rules the sampling.
  TwoStreamDetector(const ContextPtr& context, const DetectorOptions& options, std::uint64_t seed,
                    ParameterSet& parameters);

  // Records the tape of a training step. Norm::kBatch moves running statistics.
  // `fixed` stands in for the proposals, so that two passes with different weights train on the
  // same regions. `beside` is for losses on the streams' features and the regions, and records them
  // in a lane beside that of the RoI head (runtime/fork.h): it must not read what that makes.
  using Beside = std::function<void(const DetectorLosses& made)>;
  [[nodiscard]] DetectorLosses losses(const DetectorInput& input, const Proposals* fixed = nullptr,
                                      const Beside& beside = {}) const;
  // Records nothing and changes nothing.
  [[nodiscard]] DetectionTensors predict(const DetectorInput& input) const;
  // Backbones, pyramids and fusion as predict computes them, but one stream after the other (which
  // on a GPU may cut sums elsewhere), shown to `observer`. Records nothing and changes nothing.
  void observe(const DetectorInput& input, ForwardObserver& observer) const;

  [[nodiscard]] const DetectorOptions& options() const { return options_; }

 private:
  struct Branch {
    Branch(const Maker& maker, const DetectorOptions& options);
    ResNet backbone;
    Fpn neck;
  };
  TwoStreamDetector(const Maker& maker, const DetectorOptions& options, std::uint64_t seed);
  [[nodiscard]] static std::vector<Branch> make_branches(const Maker& maker,
                                                         const DetectorOptions& options);
  struct Features {
    std::optional<Pyramid> visible, thermal;
    Pyramid fused;
  };
  [[nodiscard]] Features features(const DetectorInput& input, Mode mode) const;
  struct Stream {
    const char* name;
    const PartNames* parts;
    const Branch* branch;
    Tensor images;
    const ImageStatistics* statistics;
  };
  [[nodiscard]] std::vector<Stream> streams_of(const DetectorInput& input) const;
  // Of one or, on a GPU, of several with weights of their own, layer by layer side by side.
  [[nodiscard]] std::vector<Pyramid> pyramids(std::span<const Stream> streams, const Tensor& sizes,
                                              Mode mode) const;

  DetectorOptions options_;
  std::uint64_t seed_;
  std::vector<Branch> branches_;  // visible, thermal; or the one that serves all streams
  std::optional<Fusion> fusion_;
  std::optional<MspGate> msp_;
  Rpn rpn_;
  RoiHead roi_head_;
  std::vector<Tensor> multiplied_;  // weights that convolutions and layers read whole
};

}  // namespace ktrain
