#include "kernels/concat_channels.h"

#include <algorithm>

#include "kernels/check.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {
namespace {

constexpr std::int64_t kGrain = 64;

}  // namespace

template <class T>
void concat_channels_forward(Nhwc<const T> a, Nhwc<const T> b, Nhwc<T> y) {
  KT_CHECK(a.batch == b.batch && a.height == b.height && a.width == b.width && y.batch == a.batch &&
               y.height == a.height && y.width == a.width && y.channels == a.channels + b.channels,
           "concat_channels_forward: a is {}x{}x{}x{}, b {}x{}x{}x{}, y {}x{}x{}x{}", a.batch,
           a.height, a.width, a.channels, b.batch, b.height, b.width, b.channels, y.batch, y.height,
           y.width, y.channels);
  parallel_for(y.pixels(), kGrain, [&](std::int64_t pixel) {
    T* to = y.data + pixel * y.channels;
    std::copy_n(a.data + pixel * a.channels, a.channels, to);
    std::copy_n(b.data + pixel * b.channels, b.channels, to + a.channels);
  });
}

template <class T>
void concat_channels_backward(Nhwc<const T> dy, Nhwc<T> da, Nhwc<T> db, std::int64_t first) {
  constexpr auto kWho = "concat_channels_backward";
  KT_CHECK(first >= 0 && first <= dy.channels, "{}: the first part has {} of {} channels", kWho,
           first, dy.channels);
  const auto part = [&](const char* what, Nhwc<T> to, std::int64_t begin, std::int64_t channels) {
    if (to.empty()) return;
    KT_CHECK(to.pixels() == dy.pixels() && to.channels == channels,
             "{}: {} is {} pixels of {} channels, wanted {} of {}", kWho, what, to.pixels(),
             to.channels, dy.pixels(), channels);
    parallel_for(dy.pixels(), kGrain, [&](std::int64_t pixel) {
      std::copy_n(dy.data + pixel * dy.channels + begin, channels, to.data + pixel * channels);
    });
  };
  part("da", da, 0, first);
  part("db", db, first, dy.channels - first);
}

#define KT_INSTANTIATE(T)                                                          \
  template void concat_channels_forward<T>(Nhwc<const T>, Nhwc<const T>, Nhwc<T>); \
  template void concat_channels_backward<T>(Nhwc<const T>, Nhwc<T>, Nhwc<T>, std::int64_t);
KT_INSTANTIATE(float)
KT_INSTANTIATE(double)
#undef KT_INSTANTIATE

}  // namespace ktrain::cpu
