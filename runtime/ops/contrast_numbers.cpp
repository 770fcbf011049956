#include "kernels/clamp.h"
#include "kernels/image_quality.h"
#include "runtime/box_views.h"
#include "runtime/ops_contrast.h"

namespace ktrain {

Tensor image_quality(const Tensor& x, const Tensor& sizes) {
  Tensor quality = Tensor::empty(x.context(), {x.size(0)});
  Tensor scratch = scratch_bytes(x, image_quality_scratch_bytes(x.size(0), x.size(1)));
  KT_RUN(x.queue(), image_quality, x.nhwc<std::uint8_t>(), sizes.rows<std::int32_t>(),
         quality.mutable_span<float>(), bytes_of(scratch));
  return quality;
}

void clamp_in_place(Tensor& x, double least, double most) {
  KT_RUN(x.queue(), clamp, x.mutable_span<float>(), least, most);
}

Tensor below(const Tensor& x, double limit) {
  Tensor y = Tensor::empty_like(x);
  KT_RUN(x.queue(), below, x.span<float>(), y.mutable_span<float>(), limit);
  return y;
}

Tensor complement(const Tensor& x) {
  Tensor y = Tensor::empty_like(x);
  KT_RUN(x.queue(), complement, x.span<float>(), y.mutable_span<float>());
  return y;
}

}  // namespace ktrain
