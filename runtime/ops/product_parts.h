// What the ops conv2d, conv2d_group and linear share.
#pragma once

#include "kernels/bias_relu.h"
#include "kernels/conv2d.h"
#include "kernels/profile.h"
#include "runtime/autograd.h"
#include "runtime/fork.h"
#include "runtime/workspace.h"

namespace ktrain {

// The work of one pass over y, under the name of its kernel.
template <class T>
void note_flops(const Queue& queue, const char* kernel, Nhwc<const T> y, Krsc<const T> w) {
  if (queue.profile && !queue.planning) queue.profile->add_flops(kernel, conv2d_flops(y, w));
}

// What a backward pass wants of the gradients of filters and of maps, which need nothing of each
// other: on a GPU side by side.
template <class Weights, class Data>
void run_gradients(const ContextPtr& context, bool want_weights, const Weights& weights,
                   bool want_data, const Data& data) {
  if (want_weights && want_data)
    side_by_side(context, weights, data);
  else if (want_weights)
    weights();
  else if (want_data)
    data();
}

// The end of the gradient of x, as views of both.
template <class T>
GradientEnd<T> gradient_end(const InputEnd& end, const Tensor& x) {
  KT_CHECK(!end.add.defined() || end.add.shape() == x.shape(),
           "a gradient of {} was given to an input of {}", end.add.shape().text(),
           x.shape().text());
  return {end.add.defined() ? end.add.span<T>() : Span<const T>{},
          end.positive ? x.span<T>() : Span<const T>{}};
}

inline bool is_on_cpu(const Tensor& t) { return t.queue().device == Device::kCpu; }

// Whether the sum of dy's columns comes with the gradient of the weights, which reads g, dy through
// the ReLU's mask where `masks` says so, of the type `read`. Where g is rounded for that, the sum
// is taken before. On the CPU so it is where g is written by a pass of its own, which has the same
// bits; on a GPU it would have others, and they must not depend on who does the mask.
inline bool sums_along(const Tensor& dy, bool masks, DType read) {
  return dy.dtype() == read && !(masks && is_on_cpu(dy));
}

// g = dy through the ReLU that gave y, where y is defined, and the sum of dy's columns behind it
// into `sums`; either may be unwanted. T: of dy, y and g.
template <class T>
void epilogue_backward(const Tensor& y, const Tensor& dy, Tensor& g, Span<float> sums) {
  if (!y.defined() && sums.empty()) return;
  const Rows<const T> from = dy.rows<T>();
  Tensor scratch =
      workspace(dy, sums.empty() ? 0 : cpu::bias_relu_backward_workspace(from.rows, from.cols));
  KT_RUN(dy.queue(), bias_relu_backward, y.defined() ? y.rows<T>() : Rows<const T>{}, from,
         scratch.mutable_span<float>(), y.defined() ? g.mutable_rows<T>() : Rows<T>{}, sums);
}

}  // namespace ktrain
