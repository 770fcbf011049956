#include "kernels/clamp.h"
#include "kernels/image_quality.h"
#include "runtime/ops_contrast.h"

namespace ktrain {

Tensor image_quality(const Tensor& x, const Tensor& sizes) {
  Tensor quality = Tensor::empty(x.context(), {x.size(0)});
  run_on_cpu(x.queue(), "image_quality", [&] {
    cpu::image_quality(x.nhwc<std::uint8_t>(), sizes.rows<std::int32_t>(),
                       quality.mutable_span<float>());
  });
  return quality;
}

void clamp_in_place(Tensor& x, double least, double most) {
  run_on_cpu(x.queue(), "clamp", [&] { cpu::clamp(x.mutable_span<float>(), least, most); });
}

Tensor below(const Tensor& x, double limit) {
  Tensor y = Tensor::empty_like(x);
  run_on_cpu(x.queue(), "below",
             [&] { cpu::below(x.span<float>(), y.mutable_span<float>(), limit); });
  return y;
}

Tensor complement(const Tensor& x) {
  Tensor y = Tensor::empty_like(x);
  run_on_cpu(x.queue(), "complement",
             [&] { cpu::complement(x.span<float>(), y.mutable_span<float>()); });
  return y;
}

}  // namespace ktrain
