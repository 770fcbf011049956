#include "kernels/mean_pixels.h"

#include "runtime/autograd.h"
#include "runtime/box_views.h"
#include "runtime/ops_alignment.h"

namespace ktrain {

Tensor mean_pixels(const Tensor& x) {
  const Nhwc<const float> map = x.nhwc<float>();
  Tensor y = Tensor::empty(x.context(), {map.batch, map.channels});
  const std::int64_t doubles = cpu::mean_pixels_scratch(map.batch, map.channels);
  {
    Tensor scratch = scratch_bytes(x, doubles * std::int64_t{sizeof(double)});
    run_on_cpu(y.queue(), "mean_pixels_forward", [&] {
      cpu::mean_pixels_forward<float>(map, y.mutable_rows<float>(),
                                      {reinterpret_cast<double*>(bytes_of(scratch).data), doubles});
    });
  }
  return record("mean_pixels", {x}, y, [shape = x.shape()](const Tensor& dy, const Wanted&) {
    Tensor dx = Tensor::empty(dy.context(), shape);
    run_on_cpu(dy.queue(), "mean_pixels_backward", [&] {
      cpu::mean_pixels_backward<float>(dy.rows<float>(), dx.mutable_nhwc<float>());
    });
    return std::vector{dx};
  });
}

}  // namespace ktrain
