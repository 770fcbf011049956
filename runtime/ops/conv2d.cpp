#include "kernels/conv2d.h"

#include "runtime/map_type.h"
#include "runtime/ops.h"
#include "runtime/ops/product_parts.h"
#include "runtime/product_precision.h"
#include "runtime/weight_casts.h"

namespace ktrain {
namespace {

// What the backward pass reads. `w` is what was multiplied, of x's type; `scale` stays undefined
// without one.
struct Saved {
  Tensor x, w, scale, y;
  Conv2dOptions options;
};

Span<const float> optional_span(const Tensor& t) {
  return t.defined() ? t.span<float>() : Span<const float>{};
}
Span<float> optional_mutable_span(Tensor& t) {
  return t.defined() ? t.mutable_span<float>() : Span<float>{};
}

template <class T>
Tensor data_gradient(const Saved& saved, const Tensor& g, const InputEnd& input_end) {
  Tensor dx = Tensor::empty_like(saved.x);
  const Span<const float> scale = optional_span(saved.scale);
  const Krsc<const T> w = saved.w.krsc<T>();
  const Nhwc<const T> from = g.nhwc<T>(), to = dx.nhwc<T>();
  const GradientEnd<T> end = gradient_end<T>(input_end, saved.x);
  Tensor scratch = workspace(
      g, is_on_cpu(g) ? cpu::conv2d_backward_data_workspace<T>(from, w, scale, to, saved.options)
                      : cuda::conv2d_backward_data_workspace<T>(from, w, scale, to, saved.options));
  note_flops(g.queue(), "conv2d_backward_data", from, w);
  KT_RUN(g.queue(), conv2d_backward_data, from, w, scale, scratch.mutable_span<float>(),
         dx.mutable_nhwc<T>(), saved.options, end);
  return dx;
}

template <class T>
void weight_gradient(const Saved& saved, const Tensor& g, Tensor& dw, Tensor& dscale,
                     Span<float> shift_out) {
  const Conv2dScaled<T> forward = {saved.w.krsc<T>(), optional_span(saved.scale)};
  const Nhwc<const T> x = saved.x.nhwc<T>(), from = g.nhwc<T>();
  const Krsc<float> to = dw.mutable_krsc<float>();
  Tensor scratch = workspace(
      g, is_on_cpu(g)
             ? cpu::conv2d_backward_weights_workspace<T>(x, from, to, shift_out, saved.options)
             : cuda::conv2d_backward_weights_workspace<T>(x, from, to, shift_out, saved.options));
  note_flops(g.queue(), "conv2d_backward_weights", from, forward.w);
  KT_RUN(g.queue(), conv2d_backward_weights, x, from, forward, scratch.mutable_span<float>(), to,
         optional_mutable_span(dscale), shift_out, saved.options);
}

// Gradients of x, w, scale, shift, residual, in this order. T: of the maps; dy may be float where
// they are not.
template <class T>
std::vector<Tensor> backward_pass(const Saved& saved, const Tensor& dy, const Wanted& wanted) {
  const bool want_x = wanted[0], want_scale = wanted[2], want_shift = wanted[3];
  const bool want_w = wanted[1] || want_scale, want_residual = wanted[4];
  std::vector<Tensor> results(5);
  const bool relu = saved.options.relu && !wanted.rectified();
  Tensor g = relu ? Tensor::empty_like(dy) : dy;
  if (want_shift) results[3] = Tensor::empty(dy.context(), {dy.size(-1)});
  const Span<float> shift_out = optional_mutable_span(results[3]);
  const bool along = want_w && sums_along(dy, relu, DTypeOf<T>::value);
  with_map_type(dy, [&]<class D>(D) {
    epilogue_backward<D>(relu ? saved.y : Tensor(), dy, g, along ? Span<float>{} : shift_out);
  });
  g = cast(g, DTypeOf<T>::value);
  const auto weights = [&] {
    results[1] = Tensor::empty(dy.context(), saved.w.shape());
    if (want_scale) results[2] = Tensor::empty_like(saved.scale);
    weight_gradient<T>(saved, g, results[1], results[2], along ? shift_out : Span<float>{});
  };
  const auto data = [&] { results[0] = data_gradient<T>(saved, g, wanted.take_end(0)); };
  run_gradients(dy.context(), want_w, weights, want_x, data);
  if (want_residual) results[4] = g;
  return results;
}

// T: of x, w and the residual; Y: of y.
template <class T, class Y>
void run_forward(const Tensor& x, const Tensor& w, const Conv2dInputs& inputs, Tensor& y,
                 const Conv2dOptions& options) {
  const Conv2dEpilogue<T> epilogue = {
      optional_span(inputs.scale), optional_span(inputs.shift),
      inputs.residual.defined() ? inputs.residual.nhwc<T>() : Nhwc<const T>{}};
  const Nhwc<const T> from = x.nhwc<T>();
  const Krsc<const T> filters = w.krsc<T>();
  const Nhwc<Y> out = y.mutable_nhwc<Y>();
  const Nhwc<const T> to{nullptr, out.batch, out.height, out.width, out.channels};
  Tensor scratch = workspace(
      x, is_on_cpu(x) ? cpu::conv2d_forward_workspace<T>(from, filters, epilogue, to, options)
                      : cuda::conv2d_forward_workspace<T>(from, filters, epilogue, to, options));
  note_flops(x.queue(), "conv2d_forward", to, filters);
  KT_RUN(x.queue(), conv2d_forward, from, filters, epilogue, scratch.mutable_span<float>(), out,
         options);
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& w, const Conv2dInputs& inputs,
              const Conv2dOptions& options, OutputType output) {
  const Krsc<const float> master = w.krsc<float>();
  const bool as_float = output == OutputType::kFloat;
  Conv2dOptions rounded = options;
  if (rounded.precision == Precision::kFloat) rounded.precision = product_precision();
  Tensor y = Tensor::empty(x.context(),
                           {x.size(0), conv2d_out_size(x.size(1), master.rows, options),
                            conv2d_out_size(x.size(2), master.cols, options), master.filters},
                           as_float ? DType::kF32 : x.dtype());
  Saved saved = {x.detached(), weight_as(w, x.dtype()), inputs.scale, options.relu ? y : Tensor(),
                 rounded};
  if (saved.scale.defined()) saved.scale = saved.scale.detached();
  with_map_type(x, [&]<class T>(T) {
    if (as_float)
      run_forward<T, float>(x, saved.w, inputs, y, rounded);
    else
      run_forward<T, T>(x, saved.w, inputs, y, rounded);
  });
  y = record("conv2d", {x, w, inputs.scale, inputs.shift, inputs.residual}, y,
             [saved = std::move(saved)](const Tensor& dy, const Wanted& wanted) {
               std::vector<Tensor> results;
               with_map_type(saved.x,
                             [&]<class T>(T) { results = backward_pass<T>(saved, dy, wanted); });
               return results;
             });
  if (options.relu && y.node()) y.node()->rectifies = true;
  return y;
}

}  // namespace ktrain
