// What the ops conv2d and conv2d_group share.
#pragma once

#include "kernels/conv2d.h"
#include "kernels/profile.h"
#include "runtime/autograd.h"

namespace ktrain {

// The work of one pass over y, under the name of its kernel.
template <class T>
void note_flops(const Queue& queue, const char* kernel, Nhwc<const T> y, Krsc<const T> w) {
  if (queue.profile && !queue.planning) queue.profile->add_flops(kernel, conv2d_flops(y, w));
}

// The end of the gradient of x, of which the maps are views.
template <class T>
GradientEnd<T> gradient_end(const InputEnd& end, const Tensor& x) {
  return {end.add.defined() ? end.add.nhwc<T>() : Nhwc<const T>{},
          end.positive ? x.nhwc<T>() : Nhwc<const T>{}};
}

}  // namespace ktrain
