// Where the half of a batch begins in a probe's walk.
#include <algorithm>

#include "kernels/gram.h"
#include "runtime/ops.h"
#include "train/monitor/probe.h"

namespace ktrain {

// Of detection: the total without the weighted auxiliary losses, in the first half of the images.
Tensor Probe::half_cotangent(std::span<const Tensor> of_sets, std::int64_t per_image) const {
  std::vector<Span<const float>> spans = vectors(of_sets, true);
  std::vector<double> mix(mix_.begin(), mix_.begin() + std::ssize(spans));
  for (std::size_t k = 0; k < axis_.detection; ++k)
    if (k != axis_.remainder) mix[k] = 0;
  spans.back() = {};
  const auto like =
      std::find_if(of_sets.begin(), of_sets.end(), [](const Tensor& t) { return t.defined(); });
  Tensor half = Tensor::zeros(like->context(), like->shape());
  const std::int64_t images = half.size(0) / per_image;
  const std::int64_t size = half.size() / images * (images / 2);
  const auto remainder = static_cast<std::int64_t>(axis_.remainder);
  KT_RUN_AS(half.queue(), "half_cotangent", mixed_elements,
            (Span<const Span<const float>>{spans.data(), std::ssize(spans)}),
            (Remainder{remainder, 1.0, {mix.data(), std::ssize(mix)}}), remainder, 0,
            (Span<float>{half.mutable_span<float>().data, size}));
  return half;
}

}  // namespace ktrain
