#include <algorithm>

#include "kernels/cpu/conv2d_engines.h"
#include "kernels/parallel.h"

namespace ktrain::cpu::reference {
namespace {

template <class T>
T finish(T value, std::int64_t k, const T* residual, const Conv2dEpilogue<T>& epilogue, bool relu) {
  if (!epilogue.scale.empty()) value *= epilogue.scale[k];
  if (!epilogue.shift.empty()) value += epilogue.shift[k];
  if (residual) value += *residual;
  return relu && value < 0 ? T{0} : value;
}

// The taps of one filter axis that fall on the map: [begin, end) for the output index `out`.
struct Taps {
  std::int64_t begin, end, offset;

  Taps(std::int64_t out, std::int64_t size, std::int64_t taps, const Conv2dOptions& options)
      : offset(out * options.stride - options.pad) {
    begin = std::clamp<std::int64_t>(-offset, 0, taps);
    end = std::clamp<std::int64_t>(size - offset, begin, taps);
  }
};

// Items a task takes so that it has about 2^16 multiply-adds to do.
std::int64_t grain(std::int64_t work_per_item) {
  return std::max<std::int64_t>(1, 65536 / std::max<std::int64_t>(work_per_item, 1));
}

template <class T>
T dot(const T* a, const T* b, std::int64_t size) {
  T sum = 0;
  for (std::int64_t i = 0; i < size; ++i) sum += a[i] * b[i];
  return sum;
}

// row += factor * other
template <class T>
void add_scaled(T factor, const T* other, T* row, std::int64_t size) {
  for (std::int64_t i = 0; i < size; ++i) row[i] += factor * other[i];
}

}  // namespace

template <class T>
void conv2d_forward(Nhwc<const T> x, Krsc<const T> w, Conv2dEpilogue<T> epilogue, Nhwc<T> y,
                    const Conv2dOptions& options) {
  parallel_for(y.batch * y.height, grain(y.width * w.size()), [&](std::int64_t row) {
    const std::int64_t n = row / y.height, p = row % y.height;
    const Taps rows(p, x.height, w.rows, options);
    for (std::int64_t q = 0; q < y.width; ++q) {
      const Taps cols(q, x.width, w.cols, options);
      for (std::int64_t k = 0; k < y.channels; ++k) {
        T sum = 0;
        for (std::int64_t r = rows.begin; r < rows.end; ++r)
          for (std::int64_t s = cols.begin; s < cols.end; ++s)
            sum += dot(&x(n, rows.offset + r, cols.offset + s, 0), &w(k, r, s, 0), x.channels);
        const T* residual = epilogue.residual.empty() ? nullptr : &epilogue.residual(n, p, q, k);
        y(n, p, q, k) = finish(sum, k, residual, epilogue, options.relu);
      }
    }
  });
}

template <class T>
void conv2d_backward_data(Nhwc<const T> g, Krsc<const T> w, Span<const T> scale, Nhwc<T> dx,
                          const Conv2dOptions& options) {
  // One image a task: output rows share input rows.
  parallel_for(dx.batch, grain(g.height * g.width * w.size()), [&](std::int64_t n) {
    std::fill_n(&dx(n, 0, 0, 0), dx.height * dx.width * dx.channels, T{0});
    for (std::int64_t p = 0; p < g.height; ++p) {
      const Taps rows(p, dx.height, w.rows, options);
      for (std::int64_t q = 0; q < g.width; ++q) {
        const Taps cols(q, dx.width, w.cols, options);
        for (std::int64_t k = 0; k < g.channels; ++k) {
          const T factor = scale.empty() ? g(n, p, q, k) : scale[k] * g(n, p, q, k);
          for (std::int64_t r = rows.begin; r < rows.end; ++r)
            for (std::int64_t s = cols.begin; s < cols.end; ++s)
              add_scaled(factor, &w(k, r, s, 0), &dx(n, rows.offset + r, cols.offset + s, 0),
                         dx.channels);
        }
      }
    }
  });
}

template <class T>
void conv2d_backward_weights(Nhwc<const T> x, Nhwc<const T> g, Krsc<T> dw,
                             const Conv2dOptions& options) {
  parallel_for(dw.filters, grain(g.pixels() * dw.rows * dw.cols * dw.channels),
               [&](std::int64_t k) {
                 std::fill_n(&dw(k, 0, 0, 0), dw.rows * dw.cols * dw.channels, T{0});
                 for (std::int64_t n = 0; n < g.batch; ++n)
                   for (std::int64_t p = 0; p < g.height; ++p) {
                     const Taps rows(p, x.height, dw.rows, options);
                     for (std::int64_t q = 0; q < g.width; ++q) {
                       const Taps cols(q, x.width, dw.cols, options);
                       for (std::int64_t r = rows.begin; r < rows.end; ++r)
                         for (std::int64_t s = cols.begin; s < cols.end; ++s)
                           add_scaled(g(n, p, q, k), &x(n, rows.offset + r, cols.offset + s, 0),
                                      &dw(k, r, s, 0), x.channels);
                     }
                   }
               });
}

#define KT_INSTANTIATE(T)                                                                     \
  template void conv2d_forward<T>(Nhwc<const T>, Krsc<const T>, Conv2dEpilogue<T>, Nhwc<T>,   \
                                  const Conv2dOptions&);                                      \
  template void conv2d_backward_data<T>(Nhwc<const T>, Krsc<const T>, Span<const T>, Nhwc<T>, \
                                        const Conv2dOptions&);                                \
  template void conv2d_backward_weights<T>(Nhwc<const T>, Nhwc<const T>, Krsc<T>,             \
                                           const Conv2dOptions&);
KT_INSTANTIATE(float)
KT_INSTANTIATE(double)
#undef KT_INSTANTIATE

}  // namespace ktrain::cpu::reference
