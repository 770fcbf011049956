#include "kernels/mean_pixels.h"

#include "runtime/autograd.h"
#include "runtime/box_views.h"
#include "runtime/ops_alignment.h"

namespace ktrain {

Tensor mean_pixels(const Tensor& x) {
  const Nhwc<const float> map = x.nhwc<float>();
  Tensor y = Tensor::empty(x.context(), {map.batch, map.channels});
  const std::int64_t doubles = mean_pixels_scratch(map.batch, map.channels);
  {
    Tensor scratch = scratch_bytes(x, doubles * std::int64_t{sizeof(double)});
    const Span<double> sums = {reinterpret_cast<double*>(bytes_of(scratch).data), doubles};
    KT_RUN(y.queue(), mean_pixels_forward, map, y.mutable_rows<float>(), sums);
  }
  return record("mean_pixels", {x}, y, [shape = x.shape()](const Tensor& dy, const Wanted&) {
    Tensor dx = Tensor::empty(dy.context(), shape);
    KT_RUN(dy.queue(), mean_pixels_backward, dy.rows<float>(), dx.mutable_nhwc<float>());
    return std::vector{dx};
  });
}

}  // namespace ktrain
