#include "models/layers.h"

#include "models/observe.h"

namespace ktrain {
namespace {

constexpr double kNormEps = 1e-5;
constexpr double kNormMomentum = 0.1;

Conv2dOptions options(const ConvShape& shape, Activation activation) {
  return {
      .stride = shape.stride, .pad = (shape.taps - 1) / 2, .relu = activation == Activation::kRelu};
}

Shape filters(const ConvShape& shape) {
  return {shape.outputs, shape.taps, shape.taps, shape.inputs};
}

}  // namespace

Conv::Conv(const Maker& maker, const ConvShape& shape, const Initial& initial,
           Activation activation, OutputType output)
    : weight_(maker.weight("weight", filters(shape), initial)),
      bias_(maker.vector("bias", shape.outputs, 0, ParameterKind::kBias)),
      shape_(shape),
      activation_(activation),
      output_(output) {}

Tensor Conv::operator()(const Tensor& x) const {
  return conv2d(x, weight_, {.shift = bias_}, options(shape_, activation_), output_);
}

Tensor Conv::operator()(const Tensor& a, const Tensor& b) const {
  const std::int64_t split = a.size(3), rest = b.size(3);
  KT_CHECK(split + rest == shape_.inputs, "Conv: {} and {} channels, wanted {} together", split,
           rest, shape_.inputs);
  const Tensor of_b = conv2d(b, take_channels(weight_, split, rest), {.shift = bias_},
                             options(shape_, Activation::kNone));
  return conv2d(a, take_channels(weight_, 0, split), {.residual = of_b},
                options(shape_, activation_), output_);
}

std::vector<Tensor> Conv::operator()(const std::vector<Tensor>& xs) const {
  return conv2d_group(xs, {weight_}, {.shifts = {bias_}}, options(shape_, activation_), output_);
}

std::vector<Tensor> Conv::each(const std::vector<const Conv*>& convs,
                               const std::vector<Tensor>& xs) {
  KT_CHECK(!convs.empty() && convs.size() == xs.size(), "Conv: {} convolutions of {} maps",
           convs.size(), xs.size());
  const Conv& first = *convs.front();
  if (xs.size() == 1) return {first(xs[0])};
  std::vector<Tensor> weights, biases;
  for (const Conv* const conv : convs) {
    KT_CHECK(conv->shape_ == first.shape_ && conv->activation_ == first.activation_ &&
                 conv->output_ == first.output_,
             "Conv: convolutions of several kinds as one");
    weights.push_back(conv->weight_);
    biases.push_back(conv->bias_);
  }
  return conv2d_group(xs, weights, {.shifts = biases}, options(first.shape_, first.activation_),
                      first.output_);
}

Linear::Linear(const Maker& maker, std::int64_t inputs, std::int64_t outputs,
               const Initial& initial, Activation activation, OutputType output)
    : weight_(maker.weight("weight", {outputs, inputs}, initial)),
      bias_(maker.vector("bias", outputs, 0, ParameterKind::kBias)),
      activation_(activation),
      output_(output) {}

Tensor Linear::operator()(const Tensor& x) const {
  return linear(x, weight_, bias_, activation_ == Activation::kRelu, output_);
}

ConvNorm::ConvNorm(const Maker& maker, std::string_view conv, std::string_view norm,
                   const ConvShape& shape, Norm kind, Activation activation, double gain)
    : name_(maker.full_name(conv)),
      weight_((maker / conv).weight("weight", filters(shape), kaiming_normal(filters(shape)))),
      shape_(shape),
      kind_(maker.is_frozen() ? Norm::kFrozen : kind),
      activation_(activation) {
  const Maker here = maker / norm;
  gamma_ = here.vector("weight", shape.outputs, gain, ParameterKind::kNormScale);
  beta_ = here.vector("bias", shape.outputs, 0, ParameterKind::kNormShift);
  running_mean_ = here.vector("running_mean", shape.outputs, 0, ParameterKind::kBuffer);
  running_var_ = here.vector("running_var", shape.outputs, 1, ParameterKind::kBuffer);
}

Tensor ConvNorm::normalised(const Tensor& y, const Tensor& residual) const {
  Tensor n = batch_norm(y, {gamma_, beta_, running_mean_, running_var_}, kNormEps, kNormMomentum);
  if (residual.defined()) n = add(n, residual);
  return activation_ == Activation::kRelu ? relu(n) : n;
}

Tensor ConvNorm::run(const Tensor& x, const Tensor& residual, Mode mode,
                     const FoldedNorms& folded) const {
  if (takes_statistics(mode)) {
    const Tensor y = conv2d(x, weight_, {}, options(shape_, Activation::kNone));
    if (ForwardObserver* const observer = forward_observer())
      observer->convolution(name_, cast(y, DType::kF32));
    return normalised(y, residual);
  }
  if (ForwardObserver* const observer = forward_observer()) {
    const NoGradScope no_grad;
    observer->convolution(
        name_, conv2d(x, weight_, {}, options(shape_, Activation::kNone), OutputType::kFloat));
  }
  const auto& [scale, shift] = folded.of(*this);
  return conv2d(x, weight_, {.scale = scale, .shift = shift, .residual = residual},
                options(shape_, activation_));
}

Tensor ConvNorm::operator()(const Tensor& x, const Tensor& residual, Mode mode) const {
  return run(x, residual, mode, FoldedNorms({this}, mode));
}

std::vector<Tensor> ConvNorm::each(const std::vector<const ConvNorm*>& layers,
                                   const std::vector<Tensor>& xs,
                                   const std::vector<Tensor>& residuals, Mode mode,
                                   const FoldedNorms& folded) {
  KT_CHECK(!layers.empty() && layers.size() == xs.size() &&
               (residuals.empty() || residuals.size() == xs.size()),
           "ConvNorm: {} layers of {} maps and {} residuals", layers.size(), xs.size(),
           residuals.size());
  KT_CHECK(xs.size() == 1 || forward_observer() == nullptr, "ConvNorm: {} maps are watched as one",
           xs.size());
  const ConvNorm& first = *layers.front();
  if (xs.size() == 1)
    return {first.run(xs[0], residuals.empty() ? Tensor() : residuals[0], mode, folded)};
  std::vector<Tensor> weights;
  Conv2dGroupInputs inputs;
  for (const ConvNorm* const layer : layers) {
    KT_CHECK(layer->shape_ == first.shape_ && layer->activation_ == first.activation_ &&
                 layer->kind_ == first.kind_,
             "ConvNorm: layers of several kinds as one");
    weights.push_back(layer->weight_);
    if (first.takes_statistics(mode)) continue;
    const FoldedNorm& norm = folded.of(*layer);
    inputs.scales.push_back(norm.scale);
    inputs.shifts.push_back(norm.shift);
  }
  if (!first.takes_statistics(mode)) {
    inputs.residuals = residuals;
    return conv2d_group(xs, weights, inputs, options(first.shape_, first.activation_));
  }
  std::vector<Tensor> ys = conv2d_group(xs, weights, {}, options(first.shape_, Activation::kNone));
  for (std::size_t i = 0; i < ys.size(); ++i)
    ys[i] = layers[i]->normalised(ys[i], residuals.empty() ? Tensor() : residuals[i]);
  return ys;
}

FoldedNorms::FoldedNorms(const std::vector<const ConvNorm*>& layers, Mode mode) {
  std::vector<const ConvNorm*> fixed;
  std::vector<FrozenNorm> norms;
  for (const ConvNorm* const layer : layers) {
    if (layer->takes_statistics(mode)) continue;
    fixed.push_back(layer);
    norms.push_back({layer->gamma_, layer->beta_, layer->running_mean_, layer->running_var_});
  }
  const std::vector<FoldedNorm> folded = fold_norms(norms, kNormEps);
  for (std::size_t i = 0; i < fixed.size(); ++i) folded_.emplace(fixed[i], folded[i]);
}

const FoldedNorm& FoldedNorms::of(const ConvNorm& layer) const {
  const auto found = folded_.find(&layer);
  KT_CHECK(found != folded_.end(), "FoldedNorms: the norm of {} was not folded", layer.name_);
  return found->second;
}

}  // namespace ktrain
