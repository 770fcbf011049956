// Every op on tensors. Differentiable unless it says otherwise. Shapes are checked; a mismatch
// throws Error with both shapes. Results are new tensors in the context of the first input.
#pragma once

#include <array>
#include <vector>

#include "kernels/conv2d.h"
#include "kernels/image_normalize.h"
#include "kernels/pool2d.h"
#include "kernels/roi_align.h"
#include "runtime/autograd.h"
#include "runtime/tensor.h"

namespace ktrain {

// Maps may be float or Bfloat16 where an op says "maps"; results are of their type, arithmetic is
// in float, and so are parameters, statistics and all their gradients. Everything else is float.

// ---- elementwise (runtime/ops/elementwise.cpp)

// x in another type, rounded to the nearest; itself when it has that type. The gradient goes back
// in x's type.
[[nodiscard]] Tensor cast(const Tensor& x, DType dtype);

// x + y; same shapes; maps.
[[nodiscard]] Tensor add(const Tensor& x, const Tensor& y);
// sum_i weights[i] * terms[i] over tensors of one shape; at least one term. The weights are
// constants.
[[nodiscard]] Tensor weighted_sum(const std::vector<Tensor>& terms,
                                  const std::vector<float>& weights);
// The same with the weights read from memory when the sum is taken and again when its gradient is:
// as many as there are terms, 16 at most. No gradient flows to them.
[[nodiscard]] Tensor weighted_sum(const std::vector<Tensor>& terms, const Tensor& weights);
// Every element the same. Not differentiable.
[[nodiscard]] Tensor filled(const ContextPtr& context, const Shape& shape, float value);
// y += x, in place, for gradients that nobody else holds. Not differentiable.
void accumulate_into(Tensor& y, const Tensor& x);

// x where x > 0, else 0; maps.
[[nodiscard]] Tensor relu(const Tensor& x);

// Over the last axis; kernels/softmax.h.
[[nodiscard]] Tensor softmax(const Tensor& x);

// g * a + (1 - g) * b with g = 1 / (1 + exp(-z)); same shapes; maps (runtime/ops/gate.cpp).
[[nodiscard]] Tensor gate(const Tensor& z, const Tensor& a, const Tensor& b);

// ---- images (runtime/ops/image.cpp)

// Bytes (uint8, NHWC, 3 channels) to numbers: (x - mean) / std within each image's size, 0 in the
// padding. sizes: int32, batch x (height, width). The result is a map of `dtype`. Not
// differentiable. kernels/image_normalize.h.
[[nodiscard]] Tensor image_normalize(const Tensor& x, const Tensor& sizes,
                                     const ImageStatistics& statistics, DType dtype = DType::kF32);

// ---- convolution and linear layers (runtime/ops/conv2d.cpp, linear.cpp)

// What a convolution or a linear layer writes: a map of its input's type, or floats, which are then
// not rounded. The latter ends a part of the model in Bfloat16.
enum class OutputType : std::uint8_t { kAsInput, kFloat };

// The optional inputs of a convolution's epilogue.
struct Conv2dInputs {
  Tensor scale = {};     // per filter
  Tensor shift = {};     // per filter
  Tensor residual = {};  // as the input, in the output's shape
};
// act(scale * conv(x, w) + shift + residual); x NHWC, w KRSC. kernels/conv2d.h. Keeps x, w, scale
// and, with ReLU, y for the backward pass, which computes only what is wanted. Of maps of Bfloat16
// w is a master in float, multiplied as weight_as() gives it (runtime/weight_casts.h).
[[nodiscard]] Tensor conv2d(const Tensor& x, const Tensor& w, const Conv2dInputs& inputs,
                            const Conv2dOptions& options, OutputType output = OutputType::kAsInput);
// The epilogues of a group: none, or one for each map. There may also be one shift for all, and
// where the filters are one, one scale for all.
struct Conv2dGroupInputs {
  std::vector<Tensor> scales = {};
  std::vector<Tensor> shifts = {};
  std::vector<Tensor> residuals = {};
};
// conv2d(xs[i], ws[i], ...) for every i, as one launch on a GPU: convolutions whose maps are alike
// but for their size (kernels/conv2d_group.h; runtime/ops/conv2d_group.cpp). One w for all or one
// for each.
[[nodiscard]] std::vector<Tensor> conv2d_group(const std::vector<Tensor>& xs,
                                               const std::vector<Tensor>& ws,
                                               const Conv2dGroupInputs& inputs,
                                               const Conv2dOptions& options,
                                               OutputType output = OutputType::kAsInput);
// act(x w^T + bias); x rows x inputs, w outputs x inputs, bias outputs or undefined.
[[nodiscard]] Tensor linear(const Tensor& x, const Tensor& w, const Tensor& bias, bool relu = false,
                            OutputType output = OutputType::kAsInput);

// ---- normalisation (runtime/ops/norm.cpp, kernels/norm.h)

// A normalisation with fixed statistics, by channel.
struct FrozenNorm {
  Tensor gamma, beta, mean, var;
};
// The scale and the shift that it is, for conv2d's epilogue.
struct FoldedNorm {
  Tensor scale, shift;
};
// Of each norm; one op, on a GPU a launch per 60 norms each way. The statistics get no gradient,
// gamma and beta one each when the walk has done with all results.
[[nodiscard]] std::vector<FoldedNorm> fold_norms(const std::vector<FrozenNorm>& norms, double eps);
struct NormTensors {
  Tensor gamma, beta, running_mean, running_var;  // per channel
};
// Normalisation of a map over the batch's own statistics; moves the running ones in place.
[[nodiscard]] Tensor batch_norm(const Tensor& x, const NormTensors& norm, double eps,
                                double momentum);

// ---- feature maps (runtime/ops/maps.cpp); all but concat on maps of either type

// Maximum over windows; taps = 1 is subsampling. kernels/pool2d.h.
[[nodiscard]] Tensor max_pool(const Tensor& x, const PoolOptions& options);
// fine + coarse enlarged to fine's size. kernels/upsample_add.h.
[[nodiscard]] Tensor upsample_add(const Tensor& coarse, const Tensor& fine);
// The channels of a, then those of b.
[[nodiscard]] Tensor concat(const Tensor& a, const Tensor& b);
// rois: R x 4 in image pixels; image: int32, R, -1 for a padded row. Result R x bins x bins x C.
// Regions get no gradient. kernels/roi_align.h.
[[nodiscard]] Tensor roi_align(const std::array<Tensor, kRoiLevels>& levels, const Tensor& rois,
                               const Tensor& image, std::int64_t bins);

// ---- losses: scalars of shape {1}, divided by a number in memory (one float, at least 1 counts)

// Softmax cross-entropy; labels: int32, a row each, -1 for a row that does not count.
[[nodiscard]] Tensor cross_entropy(const Tensor& logits, const Tensor& labels,
                                   const Tensor& avg_factor);
// Binary cross-entropy; labels: int32, as many as logits: 1, 0, or -1 for what does not count.
[[nodiscard]] Tensor bce(const Tensor& logits, const Tensor& labels, const Tensor& avg_factor);
// L1 (beta 0) or smooth L1 of box offsets; target: rows x 4; slots: int32, which group of 4 columns
// of a row of x is trained, -1 for none. kernels/box_loss.h.
[[nodiscard]] Tensor box_loss(const Tensor& x, const Tensor& target, const Tensor& slots,
                              const Tensor& avg_factor, double beta = 0);

// ---- shape (runtime/ops/reshape.cpp)

// The same elements under another shape; shares memory.
[[nodiscard]] Tensor reshape(const Tensor& x, const Shape& shape);
// Side by side: the parts, each seen as its first axis by everything else
// (runtime/ops/columns.cpp).
[[nodiscard]] Tensor concat_columns(const std::vector<Tensor>& parts);
// `count` channels from `first` on: a copy (runtime/ops/columns.cpp).
[[nodiscard]] Tensor take_channels(const Tensor& x, std::int64_t first, std::int64_t count);

}  // namespace ktrain
