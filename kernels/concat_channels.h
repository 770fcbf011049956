// Two maps side by side in the channel axis.
//   forward:   y[n,h,w,:] = a[n,h,w,:] followed by b[n,h,w,:]
//   backward:  da and db are the two parts of dy; either may be empty: not wanted
// Pixels must agree and y.channels = a.channels + b.channels, or Error is thrown. Nothing aliases.
// In backward `first` is a.channels, which an empty da cannot tell.
#pragma once

#include <cstdint>

#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {
namespace cpu {

template <class T>
void concat_channels_forward(Nhwc<const T> a, Nhwc<const T> b, Nhwc<T> y);
template <class T>
void concat_channels_backward(Nhwc<const T> dy, Nhwc<T> da, Nhwc<T> db, std::int64_t first);

}  // namespace cpu

namespace cuda {

void concat_channels_forward(CudaStream stream, Nhwc<const float> a, Nhwc<const float> b,
                             Nhwc<float> y);
void concat_channels_backward(CudaStream stream, Nhwc<const float> dy, Nhwc<float> da,
                              Nhwc<float> db, std::int64_t first);

}  // namespace cuda
}  // namespace ktrain
