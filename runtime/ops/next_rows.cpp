#include "kernels/next_rows.h"

#include "runtime/autograd.h"
#include "runtime/ops_contrast.h"

namespace ktrain {
namespace {

Tensor taken(const Tensor& x, const Tensor& from) {
  Tensor y = Tensor::empty_like(x);
  KT_RUN(x.queue(), take_rows, x.rows<float>(), from.span<std::int32_t>(), y.mutable_rows<float>());
  return y;
}

}  // namespace

Tensor next_rows(const Tensor& x, const Tensor& valid) {
  KT_CHECK(x.shape().rank() == 2 && valid.size() == x.size(0), "next_rows: x is {}, valid {}",
           x.shape().text(), valid.shape().text());
  const auto places = [&] { return Tensor::empty(x.context(), {x.size(0)}, DType::kI32); };
  Tensor next = places(), before = places();
  KT_RUN(x.queue(), next_rows, valid.span<float>(), next.mutable_span<std::int32_t>(),
         before.mutable_span<std::int32_t>());
  return record("next_rows", {x}, taken(x, next), [before](const Tensor& dy, const Wanted&) {
    return std::vector{taken(dy, before)};
  });
}

}  // namespace ktrain
