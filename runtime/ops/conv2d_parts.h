// What the ops conv2d and conv2d_group share.
#pragma once

#include "kernels/conv2d.h"
#include "kernels/profile.h"
#include "runtime/autograd.h"
#include "runtime/fork.h"

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

// The end of the gradient of x, of which the maps are views.
template <class T>
GradientEnd<T> gradient_end(const InputEnd& end, const Tensor& x) {
  return {end.add.defined() ? end.add.nhwc<T>() : Nhwc<const T>{},
          end.positive ? x.nhwc<T>() : Nhwc<const T>{}};
}

}  // namespace ktrain
