// Ops of the losses that align two modalities, and of the gate on the pyramid. Differentiable
// unless they say otherwise. Shapes are checked; a mismatch throws Error.
#pragma once

#include <vector>

#include "kernels/key_queue.h"
#include "kernels/queue_contrast.h"
#include "runtime/tensor.h"

namespace ktrain {

// ---- runtime/ops/gradient_scale.cpp

// x itself; the gradient on its way back is multiplied by factor[0], a number in memory that gets
// no gradient. A factor of -lambda is gradient reversal (Ganin and Lempitsky 2015).
[[nodiscard]] Tensor scale_gradient(const Tensor& x, const Tensor& factor);

// ---- runtime/ops/mean_pixels.cpp

// batch x channels: the mean over all pixels of a map, NHWC.
[[nodiscard]] Tensor mean_pixels(const Tensor& x);

// ---- runtime/ops/row_labels.cpp

struct RowLabels {
  Tensor labels;  // int32, a row each: the class, -1 for a row that does not count
  Tensor count;   // {1}, float: how many do
};
// rows: int32, negative for a row that does not count. Not differentiable.
[[nodiscard]] RowLabels row_labels(const Tensor& rows, std::int32_t label);
// {1}: of the rows with a label, 0 or 1, the share whose logit is above the other; logits: rows
// x 2. Not differentiable.
[[nodiscard]] Tensor row_accuracy(const Tensor& logits, const Tensor& labels);

// ---- runtime/ops/mmd.cpp, kernels/mmd.h

struct MmdInputs {
  Tensor x, y;            // rows x channels
  Tensor x_rows, y_rows;  // int32, a row each: negative for one that does not count
};
// Squared maximum mean discrepancy, a scalar, unbiased and not clamped. Bandwidths: the median
// heuristic's five, which get no gradient, or `sigma` when that is not empty.
[[nodiscard]] Tensor mmd(const MmdInputs& inputs, const std::vector<float>& sigma = {});

// ---- runtime/ops/key_queue.cpp, kernels/key_queue.h, kernels/queue_contrast.h

struct KeyQueue {
  Tensor keys;    // entries x channels
  Tensor places;  // int32, entries x kKeyColumns
  Tensor cursor;  // int32, {1}
};
// An empty queue; the keys are 0 until they are filled.
[[nodiscard]] KeyQueue make_key_queue(const ContextPtr& context, std::int64_t entries,
                                      std::int64_t channels);
[[nodiscard]] KeyQueue clone(const KeyQueue& queue);

// int32, rows x kKeyColumns. marks: int32, rows x 4; now: int32, the step stands first in it.
[[nodiscard]] Tensor key_places(const Tensor& marks, const Tensor& now);
// int32, rows x `count`: the negatives of each row, hardest first, -1 where there are no more.
// places: int32, rows x kKeyColumns. Not differentiable.
[[nodiscard]] Tensor mine_negatives(const Tensor& queries, const Tensor& places,
                                    const KeyQueue& queue, std::int64_t count,
                                    const MiningRule& rule);
// Writes the rows that count into the queue. Not differentiable.
void enqueue_keys(const Tensor& keys, const Tensor& places, KeyQueue& queue);
// kMiningNumbers numbers; now: int32, the step stands first in it. Not differentiable.
[[nodiscard]] Tensor mining_statistics(const Tensor& places, const KeyQueue& queue,
                                       const Tensor& indices, const Tensor& now,
                                       std::int64_t frame_gap);

struct QueueContrast {
  Tensor queries, positive;  // rows x channels; `positive` may be undefined for kRepel
  Tensor indices;            // of mine_negatives
  Tensor marks;              // int32, rows: negative for a row that does not count
};
// A scalar. The gradient flows into the queries alone.
[[nodiscard]] Tensor queue_contrast(const QueueContrast& inputs, const KeyQueue& queue,
                                    const ContrastOptions& options);

// ---- runtime/ops/pixel_gate.cpp, kernels/pixel_gate.h

// x * (1 + sigmoid(strength) sigmoid(<w, pixel> + b)); x NHWC, w channels, b and strength {1}.
[[nodiscard]] Tensor pixel_gate(const Tensor& x, const Tensor& w, const Tensor& b,
                                const Tensor& strength);

// ---- moving averages (runtime/ops/moving_average.cpp); not differentiable

// y = x, element by element. Same shapes.
void copy_into(Tensor& y, const Tensor& x);
// y = keep y + (1 - keep) x, in place. Same shapes.
void blend_into(Tensor& y, const Tensor& x, double keep);

}  // namespace ktrain
