#include "kernels/norm.h"

#include <algorithm>
#include <cmath>

#include "kernels/checks/norm.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace ktrain {
namespace {

// Rows whose sums are kept in T; chunks are summed in double.
constexpr std::int64_t kGrain = 256;

}  // namespace

// The CPU keeps one sum by chunk, in float or double, CUDA two by band.
std::int64_t norm_train_scratch_bytes(std::int64_t rows, std::int64_t cols) {
  Scratch scratch;
  (void)scratch.take<double>(std::max(num_chunks(rows, kGrain), 2 * column_bands(rows, cols)) *
                             cols);
  return scratch.bytes();
}

namespace cpu {
namespace {

// totals[c] = sum over rows of term(row, c), from partial sums of each chunk kept in `partial`.
template <class T, class Term>
void sum_columns(std::int64_t rows, std::int64_t cols, T* partial, Term&& term, Span<T> totals,
                 double factor) {
  parallel_chunks(rows, kGrain, [&](std::int64_t chunk, std::int64_t begin, std::int64_t end) {
    T* sum = partial + chunk * cols;
    std::fill_n(sum, cols, T{0});
    for (std::int64_t r = begin; r < end; ++r)
      for (std::int64_t c = 0; c < cols; ++c) sum[c] += term(r, c);
  });
  const std::int64_t chunks = num_chunks(rows, kGrain);
  parallel_for(cols, 64, [&](std::int64_t c) {
    double sum = 0;
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk)
      sum += static_cast<double>(partial[chunk * cols + c]);
    totals[c] = static_cast<T>(factor * sum);
  });
}

template <class T>
T inverse_deviation(T var, double eps) {
  return static_cast<T>(1.0 / std::sqrt(static_cast<double>(var) + eps));
}

}  // namespace

template <class T>
void norm_fold_forward(std::span<const NormFold<T>> norms, double eps) {
  for (const NormFold<T>& norm : norms) {
    check_norm_fold(norm);
    for (std::int64_t c = 0; c < norm.scale.size; ++c) {
      norm.scale[c] = norm.gamma[c] * inverse_deviation(norm.var[c], eps);
      norm.shift[c] = norm.beta[c] - norm.mean[c] * norm.scale[c];
    }
  }
}

template <class T>
void norm_fold_backward(std::span<const NormFoldGradient<T>> norms, double eps) {
  for (const NormFoldGradient<T>& norm : norms) {
    check_norm_fold(norm);
    for (std::int64_t c = 0; c < norm.dgamma.size; ++c) {
      T total = norm.dscale.empty() ? T{-0.0} : norm.dscale[c];  // changes no sum, not even -0
      if (!norm.dshift.empty()) total -= norm.mean[c] * norm.dshift[c];
      norm.dgamma[c] = total * inverse_deviation(norm.var[c], eps);
    }
  }
}

template <class T>
void norm_train_forward(Rows<const T> x, NormAffine<Wide<T>> affine, Span<std::byte> scratch,
                        NormStatistics<Wide<T>> statistics, Rows<T> y, double eps,
                        double momentum) {
  using P = Wide<T>;
  check_norm_train_forward(x, affine, statistics, y);
  P* const partial = Scratch(scratch).take<P>(num_chunks(x.rows, kGrain) * x.cols).data;
  if (x.empty()) return;

  const P* mean = statistics.mean.data;
  const double factor = 1.0 / static_cast<double>(x.rows);
  // Around the first row: sums of large numbers with a small spread would lose the spread.
  sum_columns(
      x.rows, x.cols, partial,
      [&](std::int64_t r, std::int64_t c) { return widen(x(r, c)) - widen(x(0, c)); },
      statistics.mean, factor);
  for (std::int64_t c = 0; c < x.cols; ++c) statistics.mean[c] += widen(x(0, c));
  // The variance around the mean, not E[x^2] - mean^2, which cancels.
  sum_columns(
      x.rows, x.cols, partial,
      [&](std::int64_t r, std::int64_t c) {
        const P centred = widen(x(r, c)) - mean[c];
        return centred * centred;
      },
      statistics.inv, factor);

  const auto rows = static_cast<double>(x.rows);
  for (std::int64_t c = 0; c < x.cols; ++c) {
    const auto blend = [momentum](P& running, double value) {
      running = static_cast<P>((1.0 - momentum) * static_cast<double>(running) + momentum * value);
    };
    const P var = statistics.inv[c];
    blend(statistics.running_mean[c], static_cast<double>(mean[c]));
    if (x.rows > 1)
      blend(statistics.running_var[c], static_cast<double>(var) * rows / (rows - 1.0));
    statistics.inv[c] = inverse_deviation(var, eps);
  }
  parallel_for(x.rows, kGrain, [&](std::int64_t r) {
    for (std::int64_t c = 0; c < x.cols; ++c)
      y(r, c) = narrow<T>(affine.gamma[c] * ((widen(x(r, c)) - mean[c]) * statistics.inv[c]) +
                          affine.beta[c]);
  });
}

template <class T>
void norm_train_backward(Rows<const T> dy, NormSaved<T> saved, Span<const Wide<T>> gamma,
                         Span<std::byte> scratch, NormGradients<T> gradients) {
  using P = Wide<T>;
  check_norm_train_backward(dy, saved, gamma, gradients);
  const Rows<const T> x = saved.x;
  const Rows<T> dx = gradients.dx;
  P* const partial = Scratch(scratch).take<P>(num_chunks(x.rows, kGrain) * x.cols).data;

  const auto normal = [&](std::int64_t r, std::int64_t c) {
    return (widen(x(r, c)) - saved.mean[c]) * saved.inv[c];
  };
  sum_columns(
      x.rows, x.cols, partial, [&](std::int64_t r, std::int64_t c) { return widen(dy(r, c)); },
      gradients.dbeta, 1.0);
  sum_columns(
      x.rows, x.cols, partial,
      [&](std::int64_t r, std::int64_t c) { return widen(dy(r, c)) * normal(r, c); },
      gradients.dgamma, 1.0);
  if (dx.empty()) return;
  const P inverse_rows = P{1} / static_cast<P>(x.rows);
  parallel_for(x.rows, kGrain, [&](std::int64_t r) {
    for (std::int64_t c = 0; c < x.cols; ++c) {
      const P mean_part = (gradients.dbeta[c] + normal(r, c) * gradients.dgamma[c]) * inverse_rows;
      dx(r, c) = narrow<T>(gamma[c] * saved.inv[c] * (widen(dy(r, c)) - mean_part));
    }
  });
}

#define KT_INSTANTIATE_FROZEN(T)                                            \
  template void norm_fold_forward<T>(std::span<const NormFold<T>>, double); \
  template void norm_fold_backward<T>(std::span<const NormFoldGradient<T>>, double);
KT_INSTANTIATE_FROZEN(float)
KT_INSTANTIATE_FROZEN(double)
#undef KT_INSTANTIATE_FROZEN

#define KT_INSTANTIATE(T)                                                                  \
  template void norm_train_forward<T>(Rows<const T>, NormAffine<Wide<T>>, Span<std::byte>, \
                                      NormStatistics<Wide<T>>, Rows<T>, double, double);   \
  template void norm_train_backward<T>(Rows<const T>, NormSaved<T>, Span<const Wide<T>>,   \
                                       Span<std::byte>, NormGradients<T>);
KT_INSTANTIATE(float)
KT_INSTANTIATE(double)
KT_INSTANTIATE(Bfloat16)
#undef KT_INSTANTIATE

}  // namespace cpu
}  // namespace ktrain
