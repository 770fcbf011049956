#include "kernels/upsample_add.h"

#include <algorithm>

#include "kernels/check.h"
#include "kernels/cpu/wide_row.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {
namespace {

template <class A, class B>
void check_shapes(const char* who, Nhwc<A> coarse, Nhwc<B> fine) {
  KT_CHECK(coarse.batch == fine.batch && coarse.channels == fine.channels &&
               (!coarse.empty() || fine.empty()),
           "{}: a map of {}x{}x{}x{} cannot fill one of {}x{}x{}x{}", who, coarse.batch,
           coarse.height, coarse.width, coarse.channels, fine.batch, fine.height, fine.width,
           fine.channels);
}

// The first fine index that reads coarse index `at` or a later one.
std::int64_t first_reader(std::int64_t at, std::int64_t coarse, std::int64_t fine) {
  return (at * fine + coarse - 1) / coarse;
}

}  // namespace

template <class T>
void upsample_add_forward(Nhwc<const T> coarse, Nhwc<const T> fine, Nhwc<T> y) {
  check_shapes("upsample_add_forward", coarse, fine);
  KT_CHECK(same_shape(fine, y), "upsample_add_forward: fine is {}x{}x{}x{}, y {}x{}x{}x{}",
           fine.batch, fine.height, fine.width, fine.channels, y.batch, y.height, y.width,
           y.channels);
  if (y.empty()) return;
  parallel_for(y.batch * y.height, 1, [&](std::int64_t row) {
    const std::int64_t n = row / y.height, h = row % y.height;
    for (std::int64_t w = 0; w < y.width; ++w) {
      const T* a = &coarse(n, h * coarse.height / y.height, w * coarse.width / y.width, 0);
      const T* b = &fine(n, h, w, 0);
      T* out = &y(n, h, w, 0);
      for (std::int64_t c = 0; c < y.channels; ++c) out[c] = narrow<T>(widen(a[c]) + widen(b[c]));
    }
  });
}

template <class T>
void upsample_add_backward(Nhwc<const T> dy, Nhwc<T> dcoarse) {
  check_shapes("upsample_add_backward", dcoarse, dy);
  if (dcoarse.empty()) return;
  parallel_for(dcoarse.batch * dcoarse.height, 1, [&](std::int64_t row) {
    const std::int64_t n = row / dcoarse.height, i = row % dcoarse.height;
    const std::int64_t h_end = first_reader(i + 1, dcoarse.height, dy.height);
    for (std::int64_t j = 0; j < dcoarse.width; ++j) {
      const WideRow<T> out(&dcoarse(n, i, j, 0), dcoarse.channels);
      Wide<T>* const sum = out.sums();
      const std::int64_t w_end = first_reader(j + 1, dcoarse.width, dy.width);
      for (std::int64_t h = first_reader(i, dcoarse.height, dy.height); h < h_end; ++h)
        for (std::int64_t w = first_reader(j, dcoarse.width, dy.width); w < w_end; ++w) {
          const T* from = &dy(n, h, w, 0);
          for (std::int64_t c = 0; c < dcoarse.channels; ++c) sum[c] += widen(from[c]);
        }
      out.finish();
    }
  });
}

#define KT_INSTANTIATE(T)                                                       \
  template void upsample_add_forward<T>(Nhwc<const T>, Nhwc<const T>, Nhwc<T>); \
  template void upsample_add_backward<T>(Nhwc<const T>, Nhwc<T>);
KT_INSTANTIATE(float)
KT_INSTANTIATE(double)
KT_INSTANTIATE(Bfloat16)
#undef KT_INSTANTIATE

}  // namespace ktrain::cpu
