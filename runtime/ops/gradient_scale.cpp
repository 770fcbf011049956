#include "kernels/elementwise.h"
#include "runtime/autograd.h"
#include "runtime/ops_alignment.h"

namespace ktrain {

Tensor scale_gradient(const Tensor& x, const Tensor& factor) {
  KT_CHECK(factor.size() == 1, "scale_gradient: the factor has {} elements, wanted 1",
           factor.size());
  return record("scale_gradient", {x}, x.detached(),
                [factor = factor.detached()](const Tensor& dy, const Wanted&) {
                  Tensor dx = Tensor::empty_like(dy);
                  KT_RUN(dy.queue(), scale_by, dy.span<float>(), factor.span<float>(),
                         dx.mutable_span<float>());
                  return std::vector{dx};
                });
}

}  // namespace ktrain
