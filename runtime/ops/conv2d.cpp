#include "kernels/conv2d.h"

#include "kernels/bias_relu.h"
#include "kernels/profile.h"
#include "runtime/ops.h"
#include "runtime/workspace.h"

namespace ktrain {
namespace {

// What the backward pass reads. `scale` stays undefined without one.
struct Saved {
  Tensor x, w, scale, y;
  Conv2dOptions options;
};

void note_flops(const Queue& queue, const char* kernel, Nhwc<const float> y, Krsc<const float> w) {
  if (queue.profile && !queue.planning) queue.profile->add_flops(kernel, conv2d_flops(y, w));
}

bool is_on_cpu(const Tensor& t) { return t.queue().device == Device::kCpu; }

Span<const float> optional_span(const Tensor& t) {
  return t.defined() ? t.span<float>() : Span<const float>{};
}

// g = dy through the ReLU, and the sum of its columns.
void epilogue_backward(const Saved& saved, const Tensor& dy, Tensor& g, Tensor& dshift) {
  const bool relu = saved.options.relu;
  Rows<float> g_rows = relu ? g.mutable_rows<float>() : Rows<float>{};
  const Span<float> sums = dshift.defined() ? dshift.mutable_span<float>() : Span<float>{};
  if (!relu && sums.empty()) return;
  Tensor scratch = workspace(
      dy, sums.empty() ? 0 : cpu::bias_relu_backward_workspace(dy.rows<float>().rows, dy.size(-1)));
  KT_RUN(dy.queue(), bias_relu_backward, relu ? saved.y.rows<float>() : Rows<const float>{},
         dy.rows<float>(), scratch.mutable_span<float>(), g_rows, sums);
}

Tensor data_gradient(const Saved& saved, const Tensor& g) {
  Tensor dx = Tensor::empty_like(saved.x);
  const Span<const float> scale = optional_span(saved.scale);
  const Krsc<const float> w = saved.w.krsc<float>();
  const Nhwc<const float> from = g.nhwc<float>(), to = dx.nhwc<float>();
  Tensor scratch = workspace(
      g, is_on_cpu(g)
             ? cpu::conv2d_backward_data_workspace<float>(from, w, scale, to, saved.options)
             : cuda::conv2d_backward_data_workspace(from, w, scale, to, saved.options));
  note_flops(g.queue(), "conv2d_backward_data", from, w);
  KT_RUN(g.queue(), conv2d_backward_data, from, w, scale, scratch.mutable_span<float>(),
         dx.mutable_nhwc<float>(), saved.options);
  return dx;
}

void weight_gradient(const Saved& saved, const Tensor& g, Tensor& dw, Tensor& dscale) {
  const Conv2dScaled<float> forward = {saved.w.krsc<float>(), optional_span(saved.scale)};
  const Span<float> scale_out = dscale.defined() ? dscale.mutable_span<float>() : Span<float>{};
  const Nhwc<const float> x = saved.x.nhwc<float>(), from = g.nhwc<float>();
  const Krsc<float> to = dw.mutable_krsc<float>();
  Tensor scratch = workspace(
      g, is_on_cpu(g) ? cpu::conv2d_backward_weights_workspace<float>(x, from, to, saved.options)
                      : cuda::conv2d_backward_weights_workspace(x, from, to, saved.options));
  note_flops(g.queue(), "conv2d_backward_weights", from, forward.w);
  KT_RUN(g.queue(), conv2d_backward_weights, x, from, forward, scratch.mutable_span<float>(), to,
         scale_out, saved.options);
}

// Gradients of x, w, scale, shift, residual, in this order.
std::vector<Tensor> backward_pass(const Saved& saved, const Tensor& dy, const Wanted& wanted) {
  const bool want_x = wanted[0], want_scale = wanted[2], want_shift = wanted[3];
  const bool want_w = wanted[1] || want_scale, want_residual = wanted[4];
  std::vector<Tensor> results(5);
  Tensor g = saved.options.relu ? Tensor::empty_like(dy) : dy;
  if (want_shift) results[3] = Tensor::empty(dy.context(), {dy.size(-1)});
  epilogue_backward(saved, dy, g, results[3]);
  if (want_w) {
    results[1] = Tensor::empty_like(saved.w);
    if (want_scale) results[2] = Tensor::empty_like(saved.scale);
    weight_gradient(saved, g, results[1], results[2]);
  }
  if (want_x) results[0] = data_gradient(saved, g);
  if (want_residual) results[4] = g;
  return results;
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& w, const Conv2dInputs& inputs,
              const Conv2dOptions& options) {
  const Krsc<const float> filters = w.krsc<float>();
  Tensor y = Tensor::empty(x.context(),
                           {x.size(0), conv2d_out_size(x.size(1), filters.rows, options),
                            conv2d_out_size(x.size(2), filters.cols, options), filters.filters});
  const Conv2dEpilogue<float> epilogue = {
      optional_span(inputs.scale), optional_span(inputs.shift),
      inputs.residual.defined() ? inputs.residual.nhwc<float>() : Nhwc<const float>{}};
  {
    const Nhwc<const float> from = x.nhwc<float>(), to = y.nhwc<float>();
    Tensor scratch = workspace(
        x, is_on_cpu(x) ? cpu::conv2d_forward_workspace<float>(from, filters, epilogue, to, options)
                        : cuda::conv2d_forward_workspace(from, filters, epilogue, to, options));
    note_flops(x.queue(), "conv2d_forward", to, filters);
    KT_RUN(x.queue(), conv2d_forward, from, filters, epilogue, scratch.mutable_span<float>(),
           y.mutable_nhwc<float>(), options);
  }
  Saved saved = {x.detached(), w.detached(), inputs.scale, options.relu ? y : Tensor(), options};
  if (saved.scale.defined()) saved.scale = saved.scale.detached();
  return record("conv2d", {x, w, inputs.scale, inputs.shift, inputs.residual}, y,
                [saved = std::move(saved)](const Tensor& dy, const Wanted& wanted) {
                  return backward_pass(saved, dy, wanted);
                });
}

}  // namespace ktrain
