#include "kernels/concat_channels.h"
#include "kernels/pool2d.h"
#include "kernels/upsample_add.h"
#include "runtime/map_type.h"
#include "runtime/ops.h"

namespace ktrain {

Tensor max_pool(const Tensor& x, const PoolOptions& options) {
  Tensor y = Tensor::empty(
      x.context(),
      {x.size(0), pool_out_size(x.size(1), options), pool_out_size(x.size(2), options), x.size(3)},
      x.dtype());
  const bool keep = options.taps > 1 && recording({x});
  Tensor taken = keep ? Tensor::empty(x.context(), y.shape(), DType::kU8) : Tensor();
  const Nhwc<std::uint8_t> taps = keep ? taken.mutable_nhwc<std::uint8_t>() : Nhwc<std::uint8_t>{};
  with_map_type(x, [&]<class T>(T) {
    KT_RUN(x.queue(), max_pool_forward, x.nhwc<T>(), y.mutable_nhwc<T>(), taps, options);
  });
  return record("max_pool", {x}, y,
                [taken, options, shape = x.shape()](const Tensor& dy, const Wanted&) {
                  Tensor dx = Tensor::empty(dy.context(), shape, dy.dtype());
                  const Nhwc<const std::uint8_t> windows =
                      taken.defined() ? taken.nhwc<std::uint8_t>() : Nhwc<const std::uint8_t>{};
                  with_map_type(dy, [&]<class T>(T) {
                    KT_RUN(dy.queue(), max_pool_backward, dy.nhwc<T>(), windows,
                           dx.mutable_nhwc<T>(), options);
                  });
                  return std::vector{dx};
                });
}

Tensor upsample_add(const Tensor& coarse, const Tensor& fine) {
  Tensor y = Tensor::empty_like(fine);
  with_map_type(fine, [&]<class T>(T) {
    KT_RUN(fine.queue(), upsample_add_forward, coarse.nhwc<T>(), fine.nhwc<T>(),
           y.mutable_nhwc<T>());
  });
  return record("upsample_add", {coarse, fine}, y,
                [shape = coarse.shape()](const Tensor& dy, const Wanted& wanted) {
                  std::vector<Tensor> results = {Tensor(), dy};
                  if (!wanted[0]) return results;
                  results[0] = Tensor::empty(dy.context(), shape, dy.dtype());
                  with_map_type(dy, [&]<class T>(T) {
                    KT_RUN(dy.queue(), upsample_add_backward, dy.nhwc<T>(),
                           results[0].mutable_nhwc<T>());
                  });
                  return results;
                });
}

Tensor concat(const Tensor& a, const Tensor& b) {
  KT_CHECK(a.shape().rank() == 4 && b.shape().rank() == 4, "concat: a is {}, b is {}",
           a.shape().text(), b.shape().text());
  Tensor y = Tensor::empty(a.context(), {a.size(0), a.size(1), a.size(2), a.size(3) + b.size(3)});
  KT_RUN(a.queue(), concat_channels_forward, a.nhwc<float>(), b.nhwc<float>(),
         y.mutable_nhwc<float>());
  return record("concat", {a, b}, y,
                [a_shape = a.shape(), b_shape = b.shape()](const Tensor& dy, const Wanted& wanted) {
                  std::vector<Tensor> results(2);
                  if (wanted[0]) results[0] = Tensor::empty(dy.context(), a_shape);
                  if (wanted[1]) results[1] = Tensor::empty(dy.context(), b_shape);
                  const auto view = [](Tensor& t) {
                    return t.defined() ? t.mutable_nhwc<float>() : Nhwc<float>{};
                  };
                  KT_RUN(dy.queue(), concat_channels_backward, dy.nhwc<float>(), view(results[0]),
                         view(results[1]), a_shape[3]);
                  return results;
                });
}

}  // namespace ktrain
