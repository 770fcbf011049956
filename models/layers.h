// The layers that a detector is made of. Every layer is a value that holds handles of its
// parameters; calling one records ops and changes nothing but the running statistics named below.
// Maps are of their input's type unless a layer says otherwise, parameters are float.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "models/module.h"
#include "runtime/ops.h"

namespace ktrain {

// Size and stride of a square convolution; padding keeps the centre: (taps - 1) / 2.
struct ConvShape {
  std::int64_t inputs = 0;
  std::int64_t outputs = 0;
  std::int64_t taps = 1;
  std::int64_t stride = 1;
  [[nodiscard]] bool operator==(const ConvShape&) const = default;
};

enum class Activation : std::uint8_t { kNone, kRelu };

// act(w * x + bias): parameters `weight` (KRSC) and `bias`.
class Conv {
 public:
  // `initial` for the weight; the bias starts at 0.
  Conv(const Maker& maker, const ConvShape& shape, const Initial& initial,
       Activation activation = Activation::kNone, OutputType output = OutputType::kAsInput);
  [[nodiscard]] Tensor operator()(const Tensor& x) const;
  // Of each map, as one launch (conv2d_group).
  [[nodiscard]] std::vector<Tensor> operator()(const std::vector<Tensor>& xs) const;
  // The same with a convolution for each map, which are alike but for their parameters.
  [[nodiscard]] static std::vector<Tensor> each(const std::vector<const Conv*>& convs,
                                                const std::vector<Tensor>& xs);
  // And of the channels of as[i] followed by those of bs[i], without making maps of both.
  [[nodiscard]] static std::vector<Tensor> each(const std::vector<const Conv*>& convs,
                                                const std::vector<Tensor>& as,
                                                const std::vector<Tensor>& bs);

 private:
  void check_like(const Conv& other) const;

  Tensor weight_, bias_;
  ConvShape shape_;
  Activation activation_;
  OutputType output_;
};

// act(x W^T + bias) over the last axis: parameters `weight` (outputs x inputs) and `bias`.
class Linear {
 public:
  Linear(const Maker& maker, std::int64_t inputs, std::int64_t outputs, const Initial& initial,
         Activation activation = Activation::kNone, OutputType output = OutputType::kAsInput);
  [[nodiscard]] Tensor operator()(const Tensor& x) const;

 private:
  Tensor weight_, bias_;
  Activation activation_;
  OutputType output_;
};

// kFrozen: statistics are constants (0 and 1 until something is loaded) and fold into the
// convolution; weight and bias still train. kBatch: the statistics of the batch while training,
// with running means of momentum 0.1 for evaluation.
enum class Norm : std::uint8_t { kFrozen, kBatch };

class FoldedNorms;

// act(norm(conv(x)) + residual), with convolution parameters under `conv` and those of the
// normalisation under `norm`: weight, bias, running_mean, running_var.
class ConvNorm {
 public:
  // `gain` is the start of the normalisation's weight. A frozen maker gives frozen statistics too,
  // whatever `norm` says.
  ConvNorm(const Maker& maker, std::string_view conv, std::string_view norm, const ConvShape& shape,
           Norm kind, Activation activation, double gain = 1);
  // `residual` may be undefined. Mode::kTrain moves the running statistics of Norm::kBatch. A
  // ForwardObserver is shown conv(x) in float, computed once more where the norm is folded in.
  [[nodiscard]] Tensor operator()(const Tensor& x, const Tensor& residual, Mode mode) const;
  // The same of a layer for each map, as one launch (conv2d_group): of several streams, say. They
  // are alike but for their parameters. `residuals`: one for each, or none.
  [[nodiscard]] static std::vector<Tensor> each(const std::vector<const ConvNorm*>& layers,
                                                const std::vector<Tensor>& xs,
                                                const std::vector<Tensor>& residuals, Mode mode,
                                                const FoldedNorms& folded);

 private:
  friend class FoldedNorms;

  [[nodiscard]] bool takes_statistics(Mode mode) const {
    return kind_ == Norm::kBatch && mode == Mode::kTrain;
  }
  // act(norm(y) + residual) with the statistics of the batch.
  [[nodiscard]] Tensor normalised(const Tensor& y, const Tensor& residual) const;
  [[nodiscard]] Tensor run(const Tensor& x, const Tensor& residual, Mode mode,
                           const FoldedNorms& folded) const;

  std::string name_;  // of the convolution, for an observer
  Tensor weight_, gamma_, beta_, running_mean_, running_var_;
  ConvShape shape_;
  Norm kind_;
  Activation activation_;
};

// The norms of those of some layers that take no statistics of the batch in `mode`: folded in one
// op, for one pass.
class FoldedNorms {
 public:
  FoldedNorms(const std::vector<const ConvNorm*>& layers, Mode mode);
  // Throws Error for a layer that was not among them.
  [[nodiscard]] const FoldedNorm& of(const ConvNorm& layer) const;

 private:
  std::unordered_map<const ConvNorm*, FoldedNorm> folded_;
};

}  // namespace ktrain
