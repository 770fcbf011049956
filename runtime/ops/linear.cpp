#include "kernels/bias_relu.h"
#include "kernels/gemm.h"
#include "kernels/profile.h"
#include "runtime/map_type.h"
#include "runtime/ops.h"
#include "runtime/product_precision.h"
#include "runtime/weight_casts.h"
#include "runtime/workspace.h"

namespace ktrain {
namespace {

// c = act(op(a) op(b) + bias) under the name `kernel`.
template <class T, class C>
void run_typed(const char* kernel, const Tensor& a, const Tensor& b, const Tensor& bias, Tensor& c,
               const GemmOptions& options) {
  const Rows<const T> left = a.rows<T>(), right = b.rows<T>();
  const Span<const float> shift = bias.defined() ? bias.span<float>() : Span<const float>{};
  const Rows<C> out = c.mutable_rows<C>();
  const Rows<const T> shape{nullptr, out.rows, out.cols};
  const Queue& queue = a.queue();
  Tensor scratch = workspace(a, queue.device == Device::kCpu
                                    ? cpu::gemm_workspace<T>(left, right, shift, shape, options)
                                    : cuda::gemm_workspace<T>(left, right, shift, shape, options));
  if (queue.profile && !queue.planning) {
    const std::int64_t depth = options.transpose_a ? left.rows : left.cols;
    queue.profile->add_flops(kernel,
                             2.0 * static_cast<double>(c.size()) * static_cast<double>(depth));
  }
  KT_RUN_AS(queue, kernel, gemm, left, right, shift, scratch.mutable_span<float>(), out, options);
}

// a and b are of one type, c of that or float.
void run_gemm(const char* kernel, const Tensor& a, const Tensor& b, const Tensor& bias, Tensor& c,
              const GemmOptions& options) {
  with_map_type(a, [&]<class T>(T) {
    if (c.dtype() == DType::kF32)
      run_typed<T, float>(kernel, a, b, bias, c, options);
    else
      run_typed<T, T>(kernel, a, b, bias, c, options);
  });
}

// dy through the ReLU that gave y, if there was one, and the sum of its columns.
template <class T>
void epilogue_backward(const Tensor& y, const Tensor& dy, Tensor& g, Tensor& dbias) {
  if (!y.defined() && !dbias.defined()) return;
  const Span<float> sums = dbias.defined() ? dbias.mutable_span<float>() : Span<float>{};
  Tensor scratch = workspace(
      dy, dbias.defined() ? cpu::bias_relu_backward_workspace(dy.size(0), dy.size(1)) : 0);
  KT_RUN(dy.queue(), bias_relu_backward, y.defined() ? y.rows<T>() : Rows<const T>{}, dy.rows<T>(),
         scratch.mutable_span<float>(), y.defined() ? g.mutable_rows<T>() : Rows<T>{}, sums);
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& w, const Tensor& bias, bool relu, OutputType output) {
  KT_CHECK(w.shape().rank() == 2 && x.shape().rank() == 2 && x.size(1) == w.size(1),
           "linear: x is {}, w is {}", x.shape().text(), w.shape().text());
  const bool as_float = output == OutputType::kFloat;
  Tensor y = Tensor::empty(x.context(), {x.size(0), w.size(0)}, as_float ? DType::kF32 : x.dtype());
  Tensor multiplied = weight_as(w, x.dtype());
  const Precision precision = product_precision();
  run_gemm("linear_forward", x, multiplied, bias, y,
           {.transpose_b = true, .relu = relu, .precision = precision});
  return record(
      "linear", {x, w, bias}, y,
      [x = x.detached(), w = multiplied, y = relu ? y : Tensor(), precision](const Tensor& dy,
                                                                             const Wanted& wanted) {
        std::vector<Tensor> results(3);
        Tensor g = y.defined() ? Tensor::empty_like(dy) : dy;
        if (wanted[2]) results[2] = Tensor::empty(dy.context(), {dy.size(1)});
        with_map_type(dy, [&]<class T>(T) { epilogue_backward<T>(y, dy, g, results[2]); });
        g = cast(g, x.dtype());
        if (wanted[1]) {
          results[1] = Tensor::empty(dy.context(), w.shape());
          run_gemm("linear_backward_weights", g, x, Tensor(), results[1],
                   {.transpose_a = true, .precision = precision});
        }
        if (wanted[0]) {
          results[0] = Tensor::empty_like(x);
          run_gemm("linear_backward_data", g, w, Tensor(), results[0], {.precision = precision});
        }
        return results;
      });
}

}  // namespace ktrain
