#include "kernels/l2_normalize.h"

#include "runtime/autograd.h"
#include "runtime/ops_contrast.h"

namespace ktrain {

Tensor l2_normalize(const Tensor& x) {
  KT_CHECK(x.shape().rank() == 2, "l2_normalize: x is {}, rows x channels wanted",
           x.shape().text());
  Tensor y = Tensor::empty_like(x), norm = Tensor::empty(x.context(), {x.size(0)});
  KT_RUN(x.queue(), l2_normalize_forward, x.rows<float>(), y.mutable_rows<float>(),
         norm.mutable_span<float>());
  return record("l2_normalize", {x}, y, [y, norm](const Tensor& dy, const Wanted&) {
    Tensor dx = Tensor::empty_like(dy);
    KT_RUN(dy.queue(), l2_normalize_backward, y.rows<float>(), norm.span<float>(), dy.rows<float>(),
           dx.mutable_rows<float>());
    return std::vector{dx};
  });
}

Tensor scale_row_gradients(const Tensor& x, const Tensor& factor) {
  KT_CHECK(x.shape().rank() == 2 && factor.size() == x.size(0),
           "scale_row_gradients: x is {}, {} factors", x.shape().text(), factor.size());
  return record("scale_row_gradients", {x}, x.detached(),
                [factor = factor.detached()](const Tensor& dy, const Wanted&) {
                  Tensor dx = Tensor::empty_like(dy);
                  KT_RUN(dy.queue(), scale_rows, dy.rows<float>(), factor.span<float>(),
                         dx.mutable_rows<float>());
                  return std::vector{dx};
                });
}

}  // namespace ktrain
