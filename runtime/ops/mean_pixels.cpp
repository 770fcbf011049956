#include "kernels/mean_pixels.h"

#include "runtime/autograd.h"
#include "runtime/box_views.h"
#include "runtime/map_type.h"
#include "runtime/ops_alignment.h"

namespace ktrain {

Tensor mean_pixels(const Tensor& x) {
  KT_CHECK(x.shape().rank() == 4, "mean_pixels: x is {}", x.shape().text());
  Tensor y = Tensor::empty(x.context(), {x.size(0), x.size(3)});
  const std::int64_t doubles = mean_pixels_scratch(x.size(0), x.size(3));
  with_map_type(x, [&]<class T>(T) {
    Tensor scratch = scratch_bytes(x, doubles * std::int64_t{sizeof(double)});
    const Span<double> sums = {reinterpret_cast<double*>(bytes_of(scratch).data), doubles};
    KT_RUN(y.queue(), mean_pixels_forward, x.nhwc<T>(), y.mutable_rows<float>(), sums);
  });
  return record("mean_pixels", {x}, y,
                [shape = x.shape(), type = x.dtype()](const Tensor& dy, const Wanted&) {
                  Tensor dx = Tensor::empty(dy.context(), shape, type);
                  with_map_type(dx, [&]<class T>(T) {
                    KT_RUN(dy.queue(), mean_pixels_backward, dy.rows<float>(),
                           dx.mutable_nhwc<T>());
                  });
                  return std::vector{dx};
                });
}

}  // namespace ktrain
