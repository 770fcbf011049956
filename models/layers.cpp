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
  return conv2d_group(xs, {weight_}, {bias_}, options(shape_, activation_), output_);
}

std::vector<Tensor> Conv::each(const std::vector<Conv>& convs, const std::vector<Tensor>& xs) {
  KT_CHECK(!convs.empty(), "Conv: no convolutions of {} maps", xs.size());
  const Conv& first = convs.front();
  std::vector<Tensor> weights, biases;
  for (const Conv& conv : convs) {
    KT_CHECK(conv.shape_ == first.shape_ && conv.activation_ == first.activation_ &&
                 conv.output_ == first.output_,
             "Conv: convolutions of several kinds as one");
    weights.push_back(conv.weight_);
    biases.push_back(conv.bias_);
  }
  return conv2d_group(xs, weights, biases, options(first.shape_, first.activation_), first.output_);
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

Tensor ConvNorm::operator()(const Tensor& x, const Tensor& residual, Mode mode) const {
  if (kind_ == Norm::kBatch && mode == Mode::kTrain) {
    Tensor y = conv2d(x, weight_, {}, options(shape_, Activation::kNone));
    if (ForwardObserver* const observer = forward_observer())
      observer->convolution(name_, cast(y, DType::kF32));
    y = batch_norm(y, {gamma_, beta_, running_mean_, running_var_}, kNormEps, kNormMomentum);
    if (residual.defined()) y = add(y, residual);
    return activation_ == Activation::kRelu ? relu(y) : y;
  }
  if (ForwardObserver* const observer = forward_observer()) {
    const NoGradScope no_grad;
    observer->convolution(
        name_, conv2d(x, weight_, {}, options(shape_, Activation::kNone), OutputType::kFloat));
  }
  const FoldedNorm norm =
      fold_norms({{gamma_, beta_, running_mean_, running_var_}}, kNormEps).front();
  return conv2d(x, weight_, {.scale = norm.scale, .shift = norm.shift, .residual = residual},
                options(shape_, activation_));
}

}  // namespace ktrain
