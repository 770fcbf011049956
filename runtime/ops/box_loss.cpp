#include "kernels/box_loss.h"

#include "runtime/box_views.h"
#include "runtime/ops.h"

namespace ktrain {

Tensor box_loss(const Tensor& x, const Tensor& target, const Tensor& slots,
                const Tensor& avg_factor, double beta) {
  // One row per slot, whatever axes x has: the anchors of an image may stand in one row of x.
  const auto rows = [](Span<const float> flat, std::int64_t count) {
    KT_CHECK(count == 0 ? flat.size == 0 : flat.size % count == 0,
             "box_loss: x has {} elements for {} slots", flat.size, count);
    return Rows<const float>{flat.data, count, count == 0 ? 0 : flat.size / count};
  };
  Tensor loss = Tensor::empty(x.context(), {1});
  {
    Tensor scratch = scratch_bytes(x, box_loss_scratch_bytes(slots.size()));
    KT_RUN(x.queue(), box_loss_forward, rows(x.span<float>(), slots.size()), target.rows<float>(),
           slots.span<std::int32_t>(), avg_factor.span<float>(), loss.mutable_span<float>(),
           bytes_of(scratch), beta);
  }
  return record("box_loss", {x}, loss,
                [rows, beta, x = x.detached(), target = target.detached(), slots = slots.detached(),
                 avg = avg_factor.detached()](const Tensor& dloss, const Wanted&) {
                  Tensor dx = Tensor::empty_like(x);
                  const auto to = [&] {
                    const Rows<const float> from = rows(x.span<float>(), slots.size());
                    return Rows<float>{dx.mutable_span<float>().data, from.rows, from.cols};
                  };
                  KT_RUN(dloss.queue(), box_loss_backward, rows(x.span<float>(), slots.size()),
                         target.rows<float>(), slots.span<std::int32_t>(), avg.span<float>(),
                         dloss.span<float>(), to(), beta);
                  return std::vector{dx};
                });
}

}  // namespace ktrain
