#include "kernels/bce.h"

#include "runtime/ops.h"

namespace ktrain {

Tensor bce(const Tensor& logits, const Tensor& labels, const Tensor& avg_factor) {
  Tensor loss = Tensor::empty(logits.context(), {1});
  run_on_cpu(logits.queue(), "bce_forward", [&] {
    cpu::bce_forward(logits.span<float>(), labels.span<std::int32_t>(), avg_factor.span<float>(),
                     loss.mutable_span<float>());
  });
  return record("bce", {logits}, loss,
                [x = logits.detached(), labels = labels.detached(), avg = avg_factor.detached()](
                    const Tensor& dloss, const Wanted&) {
                  Tensor dx = Tensor::empty_like(x);
                  run_on_cpu(dloss.queue(), "bce_backward", [&] {
                    cpu::bce_backward(x.span<float>(), labels.span<std::int32_t>(),
                                      avg.span<float>(), dloss.span<float>(),
                                      dx.mutable_span<float>());
                  });
                  return std::vector{dx};
                });
}

}  // namespace ktrain
