#include "kernels/pixel_gate.h"

#include "runtime/autograd.h"
#include "runtime/box_views.h"
#include "runtime/map_type.h"
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
  with_map_type(x, [&]<class T>(T) {
    KT_RUN(x.queue(), pixel_gate_forward, x.rows<T>(), gate_view(w, b, strength),
           y.mutable_rows<T>());
  });
  return record("pixel_gate", {x, w, b, strength}, y,
                [x = x.detached(), w = w.detached(), b = b.detached(), s = strength.detached()](
                    const Tensor& dy, const Wanted&) {
                  const ContextPtr& context = dy.context();
                  Tensor dx = Tensor::empty_like(x), dw = Tensor::empty_like(w);
                  Tensor db = Tensor::empty(context, {1}), ds = Tensor::empty(context, {1});
                  with_map_type(x, [&]<class T>(T) {
                    const Rows<const T> in = x.rows<T>();
                    Tensor scratch = scratch_bytes(dy, pixel_gate_scratch_bytes(in.rows, in.cols));
                    const PixelGateGradients<T> out = {
                        dx.mutable_rows<T>(), dw.mutable_span<float>(), db.mutable_span<float>(),
                        ds.mutable_span<float>()};
                    KT_RUN(dy.queue(), pixel_gate_backward, in, gate_view(w, b, s), dy.rows<T>(),
                           out, bytes_of(scratch));
                  });
                  return std::vector{dx, dw, db, ds};
                });
}

}  // namespace ktrain
