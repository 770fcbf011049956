#include "kernels/pixel_gate.h"

#include "runtime/autograd.h"
#include "runtime/box_views.h"
#include "runtime/ops_alignment.h"

namespace ktrain {
namespace {

// All axes but the last are rows.
PixelGate<float> gate_view(const Tensor& w, const Tensor& b, const Tensor& strength) {
  return {w.span<float>(), b.span<float>(), strength.span<float>()};
}

}  // namespace

Tensor pixel_gate(const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& strength) {
  Tensor y = Tensor::empty_like(x);
  KT_RUN(x.queue(), pixel_gate_forward, x.rows<float>(), gate_view(w, b, strength),
         y.mutable_rows<float>());
  return record("pixel_gate", {x, w, b, strength}, y,
                [x = x.detached(), w = w.detached(), b = b.detached(), s = strength.detached()](
                    const Tensor& dy, const Wanted&) {
                  const ContextPtr& context = dy.context();
                  Tensor dx = Tensor::empty_like(x), dw = Tensor::empty_like(w);
                  Tensor db = Tensor::empty(context, {1}), ds = Tensor::empty(context, {1});
                  const Rows<const float> in = x.rows<float>();
                  Tensor scratch = scratch_bytes(dy, pixel_gate_scratch_bytes(in.rows, in.cols));
                  const PixelGateGradients<float> out = {
                      dx.mutable_rows<float>(), dw.mutable_span<float>(), db.mutable_span<float>(),
                      ds.mutable_span<float>()};
                  KT_RUN(dy.queue(), pixel_gate_backward, in, gate_view(w, b, s), dy.rows<float>(),
                         out, bytes_of(scratch));
                  return std::vector{dx, dw, db, ds};
                });
}

}  // namespace ktrain
