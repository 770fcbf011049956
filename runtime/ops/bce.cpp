#include "kernels/bce.h"

#include "runtime/box_views.h"
#include "runtime/ops.h"

namespace ktrain {

Tensor bce(const Tensor& logits, const Tensor& labels, const Tensor& avg_factor) {
  Tensor loss = Tensor::empty(logits.context(), {1});
  {
    Tensor scratch = scratch_bytes(logits, bce_scratch_bytes(logits.size()));
    KT_RUN(logits.queue(), bce_forward, logits.span<float>(), labels.span<std::int32_t>(),
           avg_factor.span<float>(), loss.mutable_span<float>(), bytes_of(scratch));
  }
  return record("bce", {logits}, loss,
                [x = logits.detached(), labels = labels.detached(), avg = avg_factor.detached()](
                    const Tensor& dloss, const Wanted&) {
                  Tensor dx = Tensor::empty_like(x);
                  KT_RUN(dloss.queue(), bce_backward, x.span<float>(), labels.span<std::int32_t>(),
                         avg.span<float>(), dloss.span<float>(), dx.mutable_span<float>());
                  return std::vector{dx};
                });
}

}  // namespace ktrain
