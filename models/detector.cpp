#include "models/detector.h"

#include <optional>

#include "models/observe.h"
#include "runtime/fork.h"
#include "runtime/part.h"
#include "runtime/weight_casts.h"

namespace ktrain {

// Parts of the profile; those of a stream alone also tell the passes of shared weights apart
// (MultiWalk::pass_of).
struct PartNames {
  const char *backbone, *neck;
};

namespace {

constexpr std::int64_t kSizeMultiple = 32;

constexpr PartNames kVisible = {"visible backbone", "visible neck"};
constexpr PartNames kThermal = {"thermal backbone", "thermal neck"};
constexpr PartNames kTogether = {"backbones", "necks"};

void check_image(const Tensor& image, const char* stream) {
  KT_CHECK(image.defined(), "detector: the batch has no {} images", stream);
  const Shape& shape = image.shape();
  KT_CHECK(shape.rank() == 4 && shape[0] > 0 && shape[1] > 0 && shape[2] > 0 &&
               shape[1] % kSizeMultiple == 0 && shape[2] % kSizeMultiple == 0 && shape[3] == 3,
           "detector: the {} images are {}, wanted batch x height x width x 3 with sides that are "
           "multiples of {}",
           stream, shape.text(), kSizeMultiple);
}

Pyramid in_float(Pyramid levels) {
  for (Tensor& level : levels) level = cast(level, DType::kF32);
  return levels;
}

}  // namespace

TwoStreamDetector::Branch::Branch(const Maker& maker, const DetectorOptions& options)
    : backbone(maker / "backbone", options.backbone),
      neck(maker / "neck", backbone.channels(), options.channels) {}

TwoStreamDetector::TwoStreamDetector(const ContextPtr& context, const DetectorOptions& options,
                                     std::uint64_t seed, ParameterSet& parameters)
    : TwoStreamDetector(Maker(context, parameters, seed), options, seed) {}

TwoStreamDetector::TwoStreamDetector(const Maker& maker, const DetectorOptions& options,
                                     std::uint64_t seed)
    : options_(options),
      seed_(seed),
      branches_(make_branches(maker, options)),
      fusion_(options.streams == Streams::kBoth
                  ? std::optional<Fusion>(std::in_place, maker / "fusion", options.fusion,
                                          options.channels)
                  : std::nullopt),
      msp_(options.msp ? std::optional<MspGate>(std::in_place, maker / "msp", options.channels)
                       : std::nullopt),
      rpn_(maker / "rpn_head", options.channels, options.rpn),
      roi_head_(maker / "roi_head", options.channels, options.num_classes, options.roi) {
  // The fusion reads its weights in parts, and the gates theirs in float.
  for (const Parameter& parameter : maker.parameters().all()) {
    const auto below = [&](std::string_view name) {
      return parameter.name.starts_with(maker.full_name(name));
    };
    if (parameter.kind == ParameterKind::kWeight && below("") && !below("fusion.") &&
        !below("msp."))
      multiplied_.push_back(parameter.value);
  }
}

std::vector<TwoStreamDetector::Branch> TwoStreamDetector::make_branches(
    const Maker& maker, const DetectorOptions& options) {
  std::vector<Branch> branches;
  if (options.shared) {
    branches.emplace_back(maker / "shared", options);
    return branches;
  }
  if (options.streams != Streams::kThermal) branches.emplace_back(maker / "visible", options);
  if (options.streams != Streams::kVisible) branches.emplace_back(maker / "thermal", options);
  return branches;
}

std::vector<TwoStreamDetector::Stream> TwoStreamDetector::streams_of(
    const DetectorInput& input) const {
  std::vector<Stream> streams;
  if (options_.streams != Streams::kThermal)
    streams.push_back({"visible", &kVisible, &branches_.front(), input.visible, &options_.visible});
  if (options_.streams != Streams::kVisible)
    streams.push_back({"thermal", &kThermal, &branches_.back(), input.thermal, &options_.thermal});
  return streams;
}

std::vector<Pyramid> TwoStreamDetector::pyramids(std::span<const Stream> streams,
                                                 const Tensor& sizes, Mode mode) const {
  std::vector<const ResNet*> trunks;
  std::vector<const Fpn*> necks;
  std::vector<Tensor> images;
  const PartNames& names = streams.size() == 1 ? *streams[0].parts : kTogether;
  const PartScope part(names.backbone);
  for (const Stream& stream : streams) {
    check_image(stream.images, stream.name);
    trunks.push_back(&stream.branch->backbone);
    necks.push_back(&stream.branch->neck);
    images.push_back(image_normalize(stream.images, sizes, *stream.statistics, options_.maps));
  }
  const std::vector<ResNet::Stages> stages = ResNet::each(trunks, images, mode);
  const PartScope neck(names.neck);
  return Fpn::each(necks, stages);
}

TwoStreamDetector::Features TwoStreamDetector::features(const DetectorInput& input,
                                                        Mode mode) const {
  const std::vector<Stream> streams = streams_of(input);
  std::vector<Pyramid> made;
  ForwardObserver* const observer = forward_observer();
  const bool on_gpu = input.sizes.queue().device == Device::kCuda;
  if (branches_.size() == 2 && on_gpu && observer == nullptr) {
    made = pyramids(streams, input.sizes, mode);
  } else {
    for (const Stream& stream : streams) {
      if (observer != nullptr) observer->stream(stream.name);
      made.push_back(pyramids({&stream, 1}, input.sizes, mode).front());
      if (observer != nullptr) observer->pyramid(in_float(made.back()));
    }
  }
  Features f;
  if (options_.streams != Streams::kThermal) f.visible = made.front();
  if (options_.streams != Streams::kVisible) f.thermal = made.back();
  const PartScope part("fusion");
  f.fused = fusion_ ? (*fusion_)(*f.visible, *f.thermal) : f.visible ? *f.visible : *f.thermal;
  if (msp_) f.fused = (*msp_)(f.fused);
  return f;
}

DetectorLosses TwoStreamDetector::losses(const DetectorInput& input, const Proposals* fixed,
                                         const Beside& beside) const {
  const WeightCastScope casts(multiplied_, options_.maps);
  const ProductPrecisionScope products(options_.products);
  DetectorLosses made;
  Features f = features(input, Mode::kTrain);
  made.visible = std::move(f.visible), made.thermal = std::move(f.thermal);
  made.fused = std::move(f.fused);
  const PartScope part("rpn");
  const Rpn::Output output = rpn_(made.fused);
  // The losses of the RPN need nothing of what its proposals go through, nor does what stands
  // beside the RoI head need anything of that.
  Fork fork(input.sizes.context());
  fork.enter(1);
  const Rpn::Losses rpn =
      rpn_.losses(output, input.sizes, input.targets,
                  {random_key(seed_, RandomStream::kRpnSamples), input.counters, input.rpn_order});
  made.rpn_cls = rpn.cls, made.rpn_bbox = rpn.bbox;
  fork.enter(2);
  made.proposals = fixed ? *fixed : rpn_.propose(output, input.sizes, Mode::kTrain);
  made.rois = roi_head_.sample(
      made.proposals, input.targets,
      {random_key(seed_, RandomStream::kRoiSamples), input.counters, input.roi_order});
  const auto run_head = [&] {
    const RoiHead::Losses roi = roi_head_.losses(made.fused, made.rois);
    made.roi_cls = roi.cls, made.roi_bbox = roi.bbox;
    made.pooled = roi.pooled;
    made.head_outputs = {output.logits, output.deltas, roi.logits, roi.deltas};
  };
  if (!beside) run_head();
  fork.join();
  if (!beside) return made;
  Fork heads(input.sizes.context());
  heads.enter(1);
  run_head();
  heads.enter(2);
  const ProductPrecisionScope exact(Precision::kFloat);  // embeddings are float
  beside(made);
  heads.join();
  return made;
}

DetectionTensors TwoStreamDetector::predict(const DetectorInput& input) const {
  const NoGradScope no_grad;
  const WeightCastScope casts(multiplied_, options_.maps);
  const ProductPrecisionScope products(options_.products);
  const Features f = features(input, Mode::kEval);
  const Proposals proposals = rpn_.propose(rpn_(f.fused), input.sizes, Mode::kEval);
  return roi_head_.predict(f.fused, proposals, input.sizes, input.scales);
}

void TwoStreamDetector::observe(const DetectorInput& input, ForwardObserver& observer) const {
  const NoGradScope no_grad;
  const WeightCastScope casts;
  const ProductPrecisionScope products(options_.products);
  const ObserverScope watching(observer);
  (void)features(input, Mode::kEval);
}

}  // namespace ktrain
