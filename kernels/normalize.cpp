#include "kernels/normalize.h"

#include <algorithm>

#include "kernels/check.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {

template <class T>
void normalize(Nhwc<const std::uint8_t> x, Rows<const std::int32_t> sizes, Span<const T> mean,
               Span<const T> deviation, Nhwc<T> y) {
  KT_CHECK(same_shape(x, y), "normalize: x is {}x{}x{}x{}, y {}x{}x{}x{}", x.batch, x.height,
           x.width, x.channels, y.batch, y.height, y.width, y.channels);
  KT_CHECK(sizes.rows == x.batch && sizes.cols == 2, "normalize: sizes is {}x{}, wanted {}x2",
           sizes.rows, sizes.cols, x.batch);
  KT_CHECK(mean.size == x.channels && deviation.size == x.channels,
           "normalize: {} means and {} deviations for {} channels", mean.size, deviation.size,
           x.channels);
  for (std::int64_t c = 0; c < deviation.size; ++c)
    KT_CHECK(deviation[c] > 0, "normalize: deviation {} of channel {}, wanted above 0",
             deviation[c], c);
  for (std::int64_t n = 0; n < x.batch; ++n)
    KT_CHECK(
        sizes(n, 0) >= 0 && sizes(n, 0) <= x.height && sizes(n, 1) >= 0 && sizes(n, 1) <= x.width,
        "normalize: image {} is {}x{} in a batch of {}x{}", n, sizes(n, 0), sizes(n, 1), x.height,
        x.width);
  parallel_for(y.batch * y.height, 8, [&](std::int64_t row) {
    const std::int64_t n = row / y.height, h = row % y.height;
    const std::int64_t width = h < sizes(n, 0) ? sizes(n, 1) : 0;
    const std::uint8_t* from = x.data + row * x.width * x.channels;
    T* to = y.data + row * x.width * x.channels;
    for (std::int64_t w = 0; w < width; ++w)
      for (std::int64_t c = 0; c < x.channels; ++c)
        to[w * x.channels + c] =
            (static_cast<T>(from[w * x.channels + c]) - mean[c]) / deviation[c];
    std::fill(to + width * x.channels, to + x.width * x.channels, T{0});
  });
}

template void normalize<float>(Nhwc<const std::uint8_t>, Rows<const std::int32_t>,
                               Span<const float>, Span<const float>, Nhwc<float>);
template void normalize<double>(Nhwc<const std::uint8_t>, Rows<const std::int32_t>,
                                Span<const double>, Span<const double>, Nhwc<double>);

}  // namespace ktrain::cpu
