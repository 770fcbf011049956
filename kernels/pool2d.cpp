#include "kernels/pool2d.h"

#include <algorithm>

#include "kernels/check.h"
#include "kernels/cpu/wide_row.h"
#include "kernels/parallel.h"

namespace ktrain {

std::int64_t pool_out_size(std::int64_t size, const PoolOptions& options) {
  const std::int64_t room = size + 2 * options.pad - options.taps;
  return room < 0 ? 0 : room / options.stride + 1;
}

namespace cpu {
namespace {

template <class A, class B, class C>
void check_shapes(const char* who, Nhwc<A> x, Nhwc<B> y, Nhwc<C> taken,
                  const PoolOptions& options) {
  KT_CHECK(options.taps >= 1 && options.taps <= 15 && options.stride >= 1 && options.pad >= 0 &&
               2 * options.pad <= options.taps,
           "{}: taps {}, stride {}, pad {}: wanted 1 to 15 taps, a positive stride and at most "
           "half a window of padding",
           who, options.taps, options.stride, options.pad);
  const std::int64_t height = pool_out_size(x.height, options);
  const std::int64_t width = pool_out_size(x.width, options);
  KT_CHECK(y.batch == x.batch && y.height == height && y.width == width && y.channels == x.channels,
           "{}: y is {}x{}x{}x{}, wanted {}x{}x{}x{}", who, y.batch, y.height, y.width, y.channels,
           x.batch, height, width, x.channels);
  KT_CHECK(taken.empty() || same_shape(taken, y), "{}: taken is {}x{}x{}x{}, y {}x{}x{}x{}", who,
           taken.batch, taken.height, taken.width, taken.channels, y.batch, y.height, y.width,
           y.channels);
}

// best = max(best, x), a NaN winning over numbers and the first of equals over later ones.
template <class T>
void take_larger(const T* x, std::uint8_t tap, T* best, std::uint8_t* taken, std::int64_t size) {
  for (std::int64_t c = 0; c < size; ++c) {
    const Wide<T> best_so_far = widen(best[c]);
    const bool larger = !(widen(x[c]) <= best_so_far) && best_so_far == best_so_far;
    best[c] = larger ? x[c] : best[c];
    if (taken) taken[c] = larger ? tap : taken[c];
  }
}

}  // namespace

template <class T>
void max_pool_forward(Nhwc<const T> x, Nhwc<T> y, Nhwc<std::uint8_t> taken,
                      const PoolOptions& options) {
  check_shapes("max_pool_forward", x, y, taken, options);
  if (x.empty() || y.empty()) return;
  parallel_for(y.batch * y.height, 1, [&](std::int64_t row) {
    const std::int64_t n = row / y.height, p = row % y.height;
    const std::int64_t top = p * options.stride - options.pad;
    for (std::int64_t q = 0; q < y.width; ++q) {
      const std::int64_t left = q * options.stride - options.pad;
      T* best = &y(n, p, q, 0);
      std::uint8_t* tap_of = taken.empty() ? nullptr : &taken(n, p, q, 0);
      bool first = true;
      for (std::int64_t r = std::max<std::int64_t>(0, -top);
           r < std::min(options.taps, x.height - top); ++r)
        for (std::int64_t s = std::max<std::int64_t>(0, -left);
             s < std::min(options.taps, x.width - left); ++s) {
          const T* from = &x(n, top + r, left + s, 0);
          const auto tap = static_cast<std::uint8_t>(r * options.taps + s);
          if (first) {
            std::copy_n(from, x.channels, best);
            if (tap_of) std::fill_n(tap_of, x.channels, tap);
            first = false;
          } else {
            take_larger(from, tap, best, tap_of, x.channels);
          }
        }
    }
  });
}

// Each input pixel gathers from the windows that cover it: no two threads write one element.
template <class T>
void max_pool_backward(Nhwc<const T> dy, Nhwc<const std::uint8_t> taken, Nhwc<T> dx,
                       const PoolOptions& options) {
  constexpr auto kWho = "max_pool_backward";
  check_shapes(kWho, dx, dy, taken, options);
  KT_CHECK(options.taps == 1 || taken.empty() == dy.empty(), "{}: taken is missing", kWho);
  if (dx.empty()) return;
  // Windows [begin, end) along one axis that cover the pixel `at`.
  const auto windows = [&](std::int64_t at, std::int64_t outputs) {
    const std::int64_t reach = at + options.pad - options.taps + 1;
    const std::int64_t begin = reach <= 0 ? 0 : (reach + options.stride - 1) / options.stride;
    return std::pair{begin, std::min(outputs, (at + options.pad) / options.stride + 1)};
  };
  parallel_for(dx.batch * dx.height, 1, [&](std::int64_t row) {
    const std::int64_t n = row / dx.height, h = row % dx.height;
    const auto [p_begin, p_end] = windows(h, dy.height);
    for (std::int64_t w = 0; w < dx.width; ++w) {
      const WideRow<T> out(&dx(n, h, w, 0), dx.channels);
      Wide<T>* const sum = out.sums();
      const auto [q_begin, q_end] = windows(w, dy.width);
      for (std::int64_t p = p_begin; p < p_end; ++p)
        for (std::int64_t q = q_begin; q < q_end; ++q) {
          const T* from = &dy(n, p, q, 0);
          const std::int64_t r = h + options.pad - p * options.stride;
          const std::int64_t s = w + options.pad - q * options.stride;
          const auto tap = static_cast<std::uint8_t>(r * options.taps + s);
          const std::uint8_t* tap_of = taken.empty() ? nullptr : &taken(n, p, q, 0);
          for (std::int64_t c = 0; c < dx.channels; ++c)
            sum[c] += !tap_of || tap_of[c] == tap ? widen(from[c]) : Wide<T>{0};
        }
      out.finish();
    }
  });
}

#define KT_INSTANTIATE(T)                                                              \
  template void max_pool_forward<T>(Nhwc<const T>, Nhwc<T>, Nhwc<std::uint8_t>,        \
                                    const PoolOptions&);                               \
  template void max_pool_backward<T>(Nhwc<const T>, Nhwc<const std::uint8_t>, Nhwc<T>, \
                                     const PoolOptions&);
KT_INSTANTIATE(float)
KT_INSTANTIATE(double)
KT_INSTANTIATE(Bfloat16)
#undef KT_INSTANTIATE

}  // namespace cpu
}  // namespace ktrain
