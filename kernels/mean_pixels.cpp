#include "kernels/mean_pixels.h"

#include <algorithm>

#include "kernels/check.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace ktrain {

// The CPU keeps one sum by mean, CUDA one by band, too.
std::int64_t mean_pixels_scratch(std::int64_t batch, std::int64_t channels) {
  return std::max(batch * channels, kBandPartials);
}

namespace cpu {
namespace {

template <class A, class B>
void check_sizes(const char* who, const Nhwc<A>& map, const Rows<B>& rows) {
  KT_CHECK(rows.rows == map.batch && rows.cols == map.channels,
           "{}: the map is {}x{}x{}x{}, the means are {}x{}", who, map.batch, map.height, map.width,
           map.channels, rows.rows, rows.cols);
}

}  // namespace

template <class T>
void mean_pixels_forward(Nhwc<const T> x, Rows<Wide<T>> y, Span<double> scratch) {
  check_sizes("mean_pixels_forward", x, y);
  KT_CHECK(scratch.size >= y.size(), "mean_pixels_forward: scratch has {} elements, wanted {}",
           scratch.size, y.size());
  const std::int64_t pixels = x.height * x.width, channels = x.channels;
  parallel_for(x.batch, 1, [&](std::int64_t n) {
    double* const sums = scratch.data + n * channels;
    std::fill_n(sums, channels, 0.0);
    for (std::int64_t p = 0; p < pixels; ++p) {
      const T* const in = x.data + (n * pixels + p) * channels;
      for (std::int64_t c = 0; c < channels; ++c) sums[c] += static_cast<double>(widen(in[c]));
    }
    for (std::int64_t c = 0; c < channels; ++c)
      y(n, c) = static_cast<Wide<T>>(sums[c] / static_cast<double>(pixels));
  });
}

template <class T>
void mean_pixels_backward(Rows<const Wide<T>> dy, Nhwc<T> dx) {
  check_sizes("mean_pixels_backward", dx, dy);
  const std::int64_t pixels = dx.height * dx.width, channels = dx.channels;
  parallel_for(dx.batch * pixels, 256, [&](std::int64_t p) {
    const Wide<T>* const from = dy.data + p / pixels * channels;
    T* const out = dx.data + p * channels;
    for (std::int64_t c = 0; c < channels; ++c)
      out[c] = narrow<T>(from[c] / static_cast<Wide<T>>(pixels));
  });
}

#define KT_INSTANTIATE(T)                                                        \
  template void mean_pixels_forward(Nhwc<const T>, Rows<Wide<T>>, Span<double>); \
  template void mean_pixels_backward(Rows<const Wide<T>>, Nhwc<T>);
KT_INSTANTIATE(float)
KT_INSTANTIATE(double)
KT_INSTANTIATE(Bfloat16)
#undef KT_INSTANTIATE

}  // namespace cpu
}  // namespace ktrain
