#include "kernels/info_nce.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/check.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {
namespace {

constexpr std::int64_t kGrain = 8;  // rows of N * d products

template <class T>
void check_inputs(const char* kernel, const InfoNceInputs<T>& in) {
  const std::int64_t n = in.u.rows;
  KT_CHECK(same_shape(in.u, in.v), "{}: u is {}x{}, v {}x{}", kernel, n, in.u.cols, in.v.rows,
           in.v.cols);
  KT_CHECK(in.scale.size == 1 && in.valid.size == n && (in.weight.empty() || in.weight.size == n) &&
               (in.exclude.empty() || (in.exclude.rows == n && in.exclude.cols == n)),
           "{}: {} rows, scale {}, valid {}, weight {}, exclude {}x{}", kernel, n, in.scale.size,
           in.valid.size, in.weight.size, in.exclude.rows, in.exclude.cols);
}

template <class T, class U>
void check_saved(const char* kernel, const InfoNceSaved<T>& saved, std::int64_t n, Span<U> loss) {
  KT_CHECK(saved.logits.rows == n && saved.logits.cols == n && saved.row.size == n &&
               saved.col.size == n && saved.factor.size == n && loss.size == 1,
           "{}: {} rows, logits {}x{}, row {}, col {}, factor {}, loss {}", kernel, n,
           saved.logits.rows, saved.logits.cols, saved.row.size, saved.col.size, saved.factor.size,
           loss.size);
}

template <class T>
struct Pairs {
  const InfoNceInputs<T>& in;
  [[nodiscard]] bool valid(std::int64_t i) const { return in.valid[i] != T{0}; }
  [[nodiscard]] bool allowed(std::int64_t i, std::int64_t j) const {
    return i == j || (valid(j) && (in.exclude.empty() || in.exclude(i, j) == 0));
  }
  [[nodiscard]] std::int64_t negatives(std::int64_t i) const {
    std::int64_t count = 0;
    for (std::int64_t j = 0; j < in.u.rows; ++j) count += j != i && allowed(i, j) ? 1 : 0;
    return count;
  }
  [[nodiscard]] double weight(std::int64_t i) const {
    return in.weight.empty() ? 1.0 : static_cast<double>(in.weight[i]);
  }
};

template <class T>
double inverse_temperature(const InfoNceInputs<T>& in, const InfoNceOptions& options) {
  const auto scale = static_cast<double>(in.scale[0]);
  return options.raw_temperature ? 1.0 / scale : std::exp(scale);
}

template <class T>
double product(const T* a, const T* b, std::int64_t size) {
  double sum = 0;
  for (std::int64_t k = 0; k < size; ++k)
    sum += static_cast<double>(a[k]) * static_cast<double>(b[k]);
  return sum;
}

// log of the sum of exp(value(j)) over allowed j. A NaN shows.
template <class Value, class Allowed>
double log_sum(std::int64_t n, Value&& value, Allowed&& allowed) {
  double largest = -std::numeric_limits<double>::infinity();
  for (std::int64_t j = 0; j < n; ++j)
    if (allowed(j) && !(value(j) <= largest)) largest = value(j);
  double sum = 0;
  for (std::int64_t j = 0; j < n; ++j)
    if (allowed(j)) sum += std::exp(value(j) - largest);
  return largest + std::log(sum);
}

// Chance, anchors and what is told about negatives; the factor of each row.
template <class T>
std::int64_t count_anchors(const Pairs<T>& pairs, Span<T> factor, Span<T> stats,
                           const InfoNceOptions& options) {
  const std::int64_t n = pairs.in.u.rows;
  std::fill_n(stats.data, stats.size, T{0});
  std::int64_t anchors = 0, rows = 0, all = 0, least = n;
  double chance = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    factor[i] = 0;
    if (!pairs.valid(i)) continue;
    ++rows;
    const std::int64_t negatives = pairs.negatives(i);
    if (negatives < options.least_negatives) continue;
    ++anchors;
    all += negatives;
    least = std::min(least, negatives);
    factor[i] = 1;
    chance += pairs.weight(i) * std::log1p(static_cast<double>(negatives));
  }
  stats[kStatRows] = static_cast<T>(rows);
  if (anchors == 0) return 0;
  for (std::int64_t i = 0; i < n; ++i)
    if (factor[i] != T{0})
      factor[i] = static_cast<T>(pairs.weight(i) / static_cast<double>(anchors));
  stats[kStatChance] = static_cast<T>(chance / static_cast<double>(anchors));
  stats[kStatAnchors] = static_cast<T>(anchors);
  stats[kStatLeastNegatives] = static_cast<T>(least);
  stats[kStatMeanNegatives] =
      static_cast<T>(static_cast<double>(all) / static_cast<double>(anchors));
  return anchors;
}

// Share of anchors whose partner is nearer than every negative.
template <class T>
double share_first(const Pairs<T>& pairs, Rows<T> logits, std::int64_t anchors,
                   const InfoNceOptions& options) {
  std::int64_t first = 0;
  for (std::int64_t i = 0; i < logits.rows; ++i) {
    if (!pairs.valid(i) || pairs.negatives(i) < options.least_negatives) continue;
    bool nearest = true;
    for (std::int64_t j = 0; j < logits.rows && nearest; ++j)
      nearest = j == i || !pairs.allowed(i, j) || logits(i, i) > logits(i, j);
    first += nearest ? 1 : 0;
  }
  return static_cast<double>(first) / static_cast<double>(anchors);
}

}  // namespace

template <class T>
void info_nce_forward(const InfoNceInputs<T>& in, const InfoNceSaved<T>& saved, Span<T> stats,
                      Span<std::int32_t> anchors, Span<T> loss, Span<std::byte> /*scratch*/,
                      const InfoNceOptions& options) {
  const std::int64_t n = in.u.rows, d = in.u.cols;
  check_inputs("info_nce_forward", in);
  check_saved("info_nce_forward", saved, n, loss);
  KT_CHECK(stats.size == kNumInfoNceStats && anchors.size == 1,
           "info_nce_forward: {} stats, {} anchors", stats.size, anchors.size);
  KT_CHECK(options.least_negatives >= 1, "info_nce_forward: least_negatives is {}",
           options.least_negatives);
  const Pairs<T> pairs{in};
  const double s = inverse_temperature(in, options);
  const std::int64_t count = count_anchors(pairs, saved.factor, stats, options);
  stats[kStatScale] = static_cast<T>(s);
  anchors[0] = static_cast<std::int32_t>(count);
  parallel_for(n, kGrain, [&](std::int64_t i) {
    for (std::int64_t j = 0; j < n; ++j)
      saved.logits(i, j) =
          pairs.valid(i) && pairs.valid(j)
              ? static_cast<T>(s * product(in.u.data + i * d, in.v.data + j * d, d))
              : T{0};
  });
  const Rows<T>& logits = saved.logits;
  parallel_for(n, kGrain, [&](std::int64_t i) {
    const auto row = [&](std::int64_t j) { return static_cast<double>(logits(i, j)); };
    const auto col = [&](std::int64_t j) { return static_cast<double>(logits(j, i)); };
    saved.row[i] = static_cast<T>(log_sum(n, row, [&](auto j) { return pairs.allowed(i, j); }));
    saved.col[i] = static_cast<T>(
        log_sum(n, col, [&](auto j) { return i == j || (pairs.valid(j) && pairs.allowed(j, i)); }));
  });
  double total = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    if (saved.factor[i] == T{0}) continue;
    const auto own = static_cast<double>(logits(i, i));
    const double row = static_cast<double>(saved.row[i]) - own;
    const double col = static_cast<double>(saved.col[i]) - own;
    total +=
        static_cast<double>(saved.factor[i]) * (options.one_directional ? row : (row + col) / 2);
  }
  loss[0] = static_cast<T>(total);
  if (count > 0) stats[kStatFirst] = static_cast<T>(share_first(pairs, logits, count, options));
}

template <class T>
void info_nce_backward(const InfoNceInputs<T>& in, const InfoNceSaved<const T>& saved,
                       Span<const T> dloss, const InfoNceGradients<T>& out,
                       Span<std::byte> /*scratch*/, const InfoNceOptions& options) {
  const std::int64_t n = in.u.rows, d = in.u.cols;
  check_inputs("info_nce_backward", in);
  check_saved("info_nce_backward", saved, n, dloss);
  KT_CHECK(same_shape(in.u, out.du) && same_shape(in.v, out.dv) && out.dscale.size == 1,
           "info_nce_backward: u {}x{}, du {}x{}, dv {}x{}, dscale {}", n, d, out.du.rows,
           out.du.cols, out.dv.rows, out.dv.cols, out.dscale.size);
  const Pairs<T> pairs{in};
  const double s = inverse_temperature(in, options);
  const double half = static_cast<double>(dloss[0]) * (options.one_directional ? 1.0 : 0.5);
  // d loss / d logit[i,j]
  const auto slope = [&](std::int64_t i, std::int64_t j) {
    const double logit = static_cast<double>(saved.logits(i, j)), own = i == j ? 1.0 : 0.0;
    double sum = 0;
    if (saved.factor[i] != T{0} && pairs.allowed(i, j))
      sum += static_cast<double>(saved.factor[i]) *
             (std::exp(logit - static_cast<double>(saved.row[i])) - own);
    if (!options.one_directional && saved.factor[j] != T{0} && pairs.valid(i) &&
        pairs.allowed(i, j))
      sum += static_cast<double>(saved.factor[j]) *
             (std::exp(logit - static_cast<double>(saved.col[j])) - own);
    return half * sum;
  };
  const auto add_row = [&](double factor, const T* from, T* to) {
    for (std::int64_t k = 0; k < d; ++k)
      to[k] += static_cast<T>(factor * static_cast<double>(from[k]));
  };
  std::fill_n(out.du.data, n * d, T{0});
  std::fill_n(out.dv.data, n * d, T{0});
  parallel_for(n, kGrain, [&](std::int64_t i) {
    for (std::int64_t j = 0; j < n; ++j) {
      if (const double g = slope(i, j); g != 0)
        add_row(s * g, in.v.data + j * d, out.du.data + i * d);
      if (const double g = slope(j, i); g != 0)
        add_row(s * g, in.u.data + j * d, out.dv.data + i * d);
    }
  });
  double along = 0;  // d loss / d log s
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j)
      if (const double g = slope(i, j); g != 0)
        along += g * static_cast<double>(saved.logits(i, j));
  out.dscale[0] =
      static_cast<T>(options.raw_temperature ? -along / static_cast<double>(in.scale[0]) : along);
}

#define INSTANTIATE(T)                                                                        \
  template void info_nce_forward(const InfoNceInputs<T>&, const InfoNceSaved<T>&, Span<T>,    \
                                 Span<std::int32_t>, Span<T>, Span<std::byte>,                \
                                 const InfoNceOptions&);                                      \
  template void info_nce_backward(const InfoNceInputs<T>&, const InfoNceSaved<const T>&,      \
                                  Span<const T>, const InfoNceGradients<T>&, Span<std::byte>, \
                                  const InfoNceOptions&);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace ktrain::cpu
