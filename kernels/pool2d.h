// Maximum over square windows, channels last.
//   forward:   y[n,p,q,c] = max over taps (r,s) inside the map of x[n, p*stride-pad+r,
//   q*stride-pad+s, c]
//              taken[n,p,q,c] = r * taps + s of the first tap that holds the maximum
//   backward:  dx[n,h,w,c] = sum of dy[n,p,q,c] over the windows whose taken tap lies on (h,w)
// A NaN in a window is its maximum. `taken` may be empty in forward when no backward follows, and
// in both with taps == 1, which is plain subsampling. Padding is at most taps / 2, taps at most 15.
// On CUDA the sides of maps are at most 65535. T: float, Bfloat16 (sums in float, rounded once)
// and, on the CPU, double. Outputs alias nothing. Empty maps are no-ops (an empty dy gives a zero
// dx). Throws Error on shapes that do not fit.
#pragma once

#include <cstdint>

#include "kernels/bfloat16.h"
#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

struct PoolOptions {
  std::int64_t taps = 3;
  std::int64_t stride = 2;
  std::int64_t pad = 1;
};

// Rows or columns of the output: floor((size + 2 pad - taps) / stride) + 1, at least 0.
[[nodiscard]] std::int64_t pool_out_size(std::int64_t size, const PoolOptions& options);

namespace cpu {

template <class T>
void max_pool_forward(Nhwc<const T> x, Nhwc<T> y, Nhwc<std::uint8_t> taken,
                      const PoolOptions& options);
template <class T>
void max_pool_backward(Nhwc<const T> dy, Nhwc<const std::uint8_t> taken, Nhwc<T> dx,
                       const PoolOptions& options);

}  // namespace cpu

namespace cuda {

template <class T>
void max_pool_forward(CudaStream stream, Nhwc<const T> x, Nhwc<T> y, Nhwc<std::uint8_t> taken,
                      const PoolOptions& options);
template <class T>
void max_pool_backward(CudaStream stream, Nhwc<const T> dy, Nhwc<const std::uint8_t> taken,
                       Nhwc<T> dx, const PoolOptions& options);

}  // namespace cuda
}  // namespace ktrain
