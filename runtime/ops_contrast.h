// Ops of contrastive losses between the modalities. Tables of rows have a fixed size; which rows
// are real stands in memory, the host is told nothing.
#pragma once

#include "kernels/info_nce.h"
#include "kernels/pair_rows.h"
#include "runtime/ops_detection.h"
#include "runtime/tensor.h"

namespace ktrain {

// ---- rows (runtime/ops/pair_rows.cpp, kernels/pair_rows.h); not differentiable

// Regions that are looked at in both modalities: N rows.
struct PairRows {
  Tensor rois;   // N x 4, pixels
  Tensor image;  // int32, N: which image of the batch, -1: no row; as roi_align takes it
  Tensor marks;  // int32, N x 4: place in the list, group, frame, target; -1 unknown or no row
  Tensor valid;  // N: 1 a row, 0 none
  Tensor count;  // int32, {1}: how many are
};
// The first `per_image` positives among each image's sampled regions: N = images * per_image.
// identity: int32, images x (place, group, frame), as DetectorInput has it.
[[nodiscard]] PairRows positive_rows(const RoiTrainingSet& set, const Tensor& identity,
                                     std::int64_t per_image, std::int32_t num_classes);
// Each image as one region: N = images. sizes: int32, images x (height, width).
[[nodiscard]] PairRows whole_image_rows(const Tensor& sizes, const Tensor& identity);
// N x d: in the place of each valid row the one that follows, in that of the last the first; other
// rows as they are. Differentiable (runtime/ops/next_rows.cpp, kernels/next_rows.h).
[[nodiscard]] Tensor next_rows(const Tensor& x, const Tensor& valid);
// uint8, N x N: 1 where two rows may not be called different.
[[nodiscard]] Tensor exclusions(const PairRows& rows, const ExclusionRule& rule);
// N: of each row its image's number, 0 where there is no row. per_image: images.
[[nodiscard]] Tensor of_images(const Tensor& per_image, const PairRows& rows);

// ---- embeddings (runtime/ops/l2_normalize.cpp, kernels/l2_normalize.h)

// Rows of unit length; a row of zeros stays.
[[nodiscard]] Tensor l2_normalize(const Tensor& x);
// x itself, whose gradient is scaled on the way back: row r by factor[r], a constant.
[[nodiscard]] Tensor scale_row_gradients(const Tensor& x, const Tensor& factor);

// ---- the loss (runtime/ops/info_nce.cpp, kernels/info_nce.h)

struct InfoNceTensors {
  Tensor u, v;          // N x d
  Tensor scale;         // {1}: log of the inverse temperature, or the raw temperature
  Tensor valid;         // N
  Tensor weight = {};   // N, or undefined for ones; no gradient
  Tensor exclude = {};  // uint8, N x N, or undefined
};
struct InfoNceResult {
  Tensor loss;     // {1}; gradients for u, v and scale
  Tensor stats;    // kNumInfoNceStats, without history
  Tensor anchors;  // int32, {1}
};
[[nodiscard]] InfoNceResult info_nce(const InfoNceTensors& inputs, const InfoNceOptions& options);

// ---- numbers (runtime/ops/contrast_numbers.cpp)

// batch: from 0, nothing to see, to 1; kernels/image_quality.h. x: uint8, NHWC. Not differentiable.
[[nodiscard]] Tensor image_quality(const Tensor& x, const Tensor& sizes);
// kernels/clamp.h; not differentiable, the first one in place.
void clamp_in_place(Tensor& x, double least, double most);
[[nodiscard]] Tensor below(const Tensor& x, double limit);
[[nodiscard]] Tensor complement(const Tensor& x);

}  // namespace ktrain
