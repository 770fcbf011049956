#include "kernels/image_normalize.h"

#include <algorithm>

#include "kernels/check.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {

template <class T>
void image_normalize(Nhwc<const std::uint8_t> x, Rows<const std::int32_t> sizes, Nhwc<T> y,
                     const ImageStatistics& statistics) {
  KT_CHECK(same_shape(x, y) && x.channels == 3, "image_normalize: x is {}x{}x{}x{}, y {}x{}x{}x{}",
           x.batch, x.height, x.width, x.channels, y.batch, y.height, y.width, y.channels);
  KT_CHECK(sizes.rows == x.batch && sizes.cols == 2,
           "image_normalize: sizes are {}x{} for a batch of {}", sizes.rows, sizes.cols, x.batch);
  // A table per channel: 256 exact quotients instead of one division per byte.
  std::array<std::array<T, 3>, 256> table;
  for (std::size_t byte = 0; byte < 256; ++byte)
    for (std::size_t c = 0; c < 3; ++c)
      table[byte][c] =
          narrow<T>(static_cast<Wide<T>>((static_cast<double>(byte) - statistics.mean[c]) /
                                         static_cast<double>(statistics.std[c])));
  parallel_for(x.batch * x.height, 16, [&](std::int64_t row) {
    const std::int64_t n = row / x.height, h = row % x.height;
    const std::uint8_t* from = x.data + row * x.width * 3;
    T* to = y.data + row * x.width * 3;
    const std::int64_t width =
        h < sizes(n, 0) ? std::clamp<std::int64_t>(sizes(n, 1), 0, x.width) : 0;
    for (std::int64_t i = 0; i < width * 3; i += 3)
      for (std::int64_t c = 0; c < 3; ++c)
        to[i + c] = table[from[i + c]][static_cast<std::size_t>(c)];
    std::fill(to + width * 3, to + x.width * 3, T{});
  });
}

template void image_normalize(Nhwc<const std::uint8_t>, Rows<const std::int32_t>, Nhwc<float>,
                              const ImageStatistics&);
template void image_normalize(Nhwc<const std::uint8_t>, Rows<const std::int32_t>, Nhwc<double>,
                              const ImageStatistics&);
template void image_normalize(Nhwc<const std::uint8_t>, Rows<const std::int32_t>, Nhwc<Bfloat16>,
                              const ImageStatistics&);

}  // namespace ktrain::cpu
