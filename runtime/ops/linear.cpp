#include "kernels/gemm.h"
#include "kernels/profile.h"
#include "runtime/map_type.h"
#include "runtime/ops.h"
#include "runtime/ops/product_parts.h"
#include "runtime/product_precision.h"
#include "runtime/weight_casts.h"
#include "runtime/workspace.h"

namespace ktrain {
namespace {

// What a product takes and gives beside its matrices.
struct Sides {
  Tensor bias = {};
  InputEnd end = {};  // of c, the gradient of `x`
  Tensor x = {};
  Span<float> row_sums = {};
};

// c = act(op(a) op(b) + bias) under the name `kernel`.
template <class T, class C>
void run_typed(const char* kernel, const Tensor& a, const Tensor& b, const Sides& sides, Tensor& c,
               const GemmOptions& options) {
  const Rows<const T> left = a.rows<T>(), right = b.rows<T>();
  const Span<const float> shift =
      sides.bias.defined() ? sides.bias.span<float>() : Span<const float>{};
  const GemmSides<T> with{gradient_end<T>(sides.end, sides.x), sides.row_sums};
  const Rows<C> out = c.mutable_rows<C>();
  const Rows<const T> shape{nullptr, out.rows, out.cols};
  const Queue& queue = a.queue();
  Tensor scratch =
      workspace(a, queue.device == Device::kCpu
                       ? cpu::gemm_workspace<T>(left, right, shift, shape, options, with)
                       : cuda::gemm_workspace<T>(left, right, shift, shape, options, with));
  if (queue.profile && !queue.planning) {
    const std::int64_t depth = options.transpose_a ? left.rows : left.cols;
    queue.profile->add_flops(kernel,
                             2.0 * static_cast<double>(c.size()) * static_cast<double>(depth));
  }
  KT_RUN_AS(queue, kernel, gemm, left, right, shift, scratch.mutable_span<float>(), out, options,
            with);
}

// a and b are of one type, c of that or float.
void run_gemm(const char* kernel, const Tensor& a, const Tensor& b, const Sides& sides, Tensor& c,
              const GemmOptions& options) {
  with_map_type(a, [&]<class T>(T) {
    if (c.dtype() == DType::kF32)
      run_typed<T, float>(kernel, a, b, sides, c, options);
    else
      run_typed<T, T>(kernel, a, b, sides, c, options);
  });
}

// What the backward pass reads. `w` is what was multiplied, of x's type; y stays undefined without
// a ReLU.
struct Saved {
  Tensor x, w, y;
  Precision precision;
};

// Gradients of x, w and the bias.
std::vector<Tensor> backward_pass(const Saved& saved, const Tensor& dy, const Wanted& wanted) {
  std::vector<Tensor> results(3);
  const bool relu = saved.y.defined() && !wanted.rectified();
  Tensor g = relu ? Tensor::empty_like(dy) : dy;
  if (wanted[2]) results[2] = Tensor::empty(dy.context(), {dy.size(1)});
  const Span<float> sums = wanted[2] ? results[2].mutable_span<float>() : Span<float>{};
  const bool along = wanted[1] && sums_along(dy, relu, saved.x.dtype());
  with_map_type(dy, [&]<class T>(T) {
    epilogue_backward<T>(relu ? saved.y : Tensor(), dy, g, along ? Span<float>{} : sums);
  });
  g = cast(g, saved.x.dtype());
  const auto weights = [&] {
    results[1] = Tensor::empty(dy.context(), saved.w.shape());
    run_gemm("linear_backward_weights", g, saved.x, {.row_sums = along ? sums : Span<float>{}},
             results[1], {.transpose_a = true, .precision = saved.precision});
  };
  const auto data = [&] {
    results[0] = Tensor::empty_like(saved.x);
    run_gemm("linear_backward_data", g, saved.w, {.end = wanted.take_end(0), .x = saved.x},
             results[0], {.precision = saved.precision});
  };
  run_gradients(dy.context(), wanted[1], weights, wanted[0], data);
  return results;
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& w, const Tensor& bias, bool relu, OutputType output) {
  KT_CHECK(w.shape().rank() == 2 && x.shape().rank() == 2 && x.size(1) == w.size(1),
           "linear: x is {}, w is {}", x.shape().text(), w.shape().text());
  const bool as_float = output == OutputType::kFloat;
  Tensor y = Tensor::empty(x.context(), {x.size(0), w.size(0)}, as_float ? DType::kF32 : x.dtype());
  Saved saved = {x.detached(), weight_as(w, x.dtype()), relu ? y : Tensor(), product_precision()};
  run_gemm("linear_forward", x, saved.w, {.bias = bias}, y,
           {.transpose_b = true, .relu = relu, .precision = saved.precision});
  y = record("linear", {x, w, bias}, y,
             [saved = std::move(saved)](const Tensor& dy, const Wanted& wanted) {
               return backward_pass(saved, dy, wanted);
             });
  if (relu && y.node()) y.node()->rectifies = true;
  return y;
}

}  // namespace ktrain
