// Nearest-neighbour enlargement to the size of another map, and the sum of both: the top-down path
// of a feature pyramid.
//   forward:   y[n,h,w,c] = fine[n,h,w,c] + coarse[n, floor(h*H/h_fine), floor(w*W/w_fine), c]
//              H x W the coarse size; sizes need not be multiples
//   backward:  dfine = dy; dcoarse[n,i,j,c] = sum of dy over the pixels that read (i,j)
// y may alias fine. Batch and channels must agree; an empty coarse map under a fine one that is not
// throws Error. Empty y is a no-op (dcoarse zero). On CUDA sides are at most 65535.
// T: float, Bfloat16 (sums in float, rounded once) and, on the CPU, double.
#pragma once

#include "kernels/bfloat16.h"
#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {
namespace cpu {

template <class T>
void upsample_add_forward(Nhwc<const T> coarse, Nhwc<const T> fine, Nhwc<T> y);
template <class T>
void upsample_add_backward(Nhwc<const T> dy, Nhwc<T> dcoarse);

}  // namespace cpu

namespace cuda {

template <class T>
void upsample_add_forward(CudaStream stream, Nhwc<const T> coarse, Nhwc<const T> fine, Nhwc<T> y);
template <class T>
void upsample_add_backward(CudaStream stream, Nhwc<const T> dy, Nhwc<T> dcoarse);

}  // namespace cuda
}  // namespace ktrain
