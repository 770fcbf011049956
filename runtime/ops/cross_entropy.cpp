#include "kernels/cross_entropy.h"

#include "runtime/ops.h"
#include "runtime/workspace.h"

namespace ktrain {

Tensor cross_entropy(const Tensor& logits, const Tensor& labels, const Tensor& avg_factor) {
  Tensor p = Tensor::empty_like(logits);
  Tensor loss = Tensor::empty(logits.context(), {1});
  {
    Tensor row_loss = workspace(logits, logits.rows<float>().rows);
    KT_RUN(logits.queue(), cross_entropy_forward, logits.rows<float>(), labels.span<std::int32_t>(),
           avg_factor.span<float>(), p.mutable_rows<float>(), row_loss.mutable_span<float>(),
           loss.mutable_span<float>());
  }
  return record("cross_entropy", {logits}, loss,
                [p, labels = labels.detached(), avg = avg_factor.detached()](const Tensor& dloss,
                                                                             const Wanted&) {
                  Tensor dx = Tensor::empty_like(p);
                  KT_RUN(dloss.queue(), cross_entropy_backward, p.rows<float>(),
                         labels.span<std::int32_t>(), avg.span<float>(), dloss.span<float>(),
                         dx.mutable_rows<float>());
                  return std::vector{dx};
                });
}

}  // namespace ktrain
