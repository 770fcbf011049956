#include "kernels/bias_relu.h"
#include "kernels/gemm.h"
#include "kernels/profile.h"
#include "runtime/ops.h"
#include "runtime/workspace.h"

namespace ktrain {
namespace {

// c = act(op(a) op(b) + bias) under the name `kernel`.
void run_gemm(const char* kernel, const Tensor& a, const Tensor& b, const Tensor& bias, Tensor& c,
              const GemmOptions& options) {
  const Rows<const float> left = a.rows<float>(), right = b.rows<float>();
  const Span<const float> shift = bias.defined() ? bias.span<float>() : Span<const float>{};
  const Rows<float> out = c.mutable_rows<float>();
  const Queue& queue = a.queue();
  Tensor scratch = workspace(a, queue.device == Device::kCpu
                                    ? cpu::gemm_workspace<float>(left, right, shift, out, options)
                                    : cuda::gemm_workspace(left, right, shift, out, options));
  if (queue.profile && !queue.planning) {
    const std::int64_t depth = options.transpose_a ? left.rows : left.cols;
    queue.profile->add_flops(kernel,
                             2.0 * static_cast<double>(c.size()) * static_cast<double>(depth));
  }
  KT_RUN_AS(queue, kernel, gemm, left, right, shift, scratch.mutable_span<float>(), out, options);
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& w, const Tensor& bias, bool relu) {
  KT_CHECK(w.shape().rank() == 2 && x.shape().rank() == 2 && x.size(1) == w.size(1),
           "linear: x is {}, w is {}", x.shape().text(), w.shape().text());
  Tensor y = Tensor::empty(x.context(), {x.size(0), w.size(0)});
  run_gemm("linear_forward", x, w, bias, y, {.transpose_b = true, .relu = relu});
  return record(
      "linear", {x, w, bias}, y,
      [x = x.detached(), w = w.detached(), y = relu ? y : Tensor()](const Tensor& dy,
                                                                    const Wanted& wanted) {
        std::vector<Tensor> results(3);
        Tensor g = y.defined() ? Tensor::empty_like(dy) : dy;
        if (wanted[2]) results[2] = Tensor::empty(dy.context(), {dy.size(1)});
        if (y.defined() || wanted[2]) {
          const Span<float> sums = wanted[2] ? results[2].mutable_span<float>() : Span<float>{};
          Tensor scratch = workspace(
              dy, wanted[2] ? cpu::bias_relu_backward_workspace(dy.size(0), dy.size(1)) : 0);
          KT_RUN(dy.queue(), bias_relu_backward,
                 y.defined() ? y.rows<float>() : Rows<const float>{}, dy.rows<float>(),
                 scratch.mutable_span<float>(),
                 y.defined() ? g.mutable_rows<float>() : Rows<float>{}, sums);
        }
        if (wanted[1]) {
          results[1] = Tensor::empty_like(w);
          run_gemm("linear_backward_weights", g, x, Tensor(), results[1], {.transpose_a = true});
        }
        if (wanted[0]) {
          results[0] = Tensor::empty_like(x);
          run_gemm("linear_backward_data", g, w, Tensor(), results[0], {});
        }
        return results;
      });
}

}  // namespace ktrain
