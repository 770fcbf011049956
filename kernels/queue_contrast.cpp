#include "kernels/queue_contrast.h"

#include <algorithm>
#include <cmath>

#include "kernels/checks/queue_contrast.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {
namespace {

constexpr std::int64_t kGrain = 8;

// Negatives of a row that counts, otherwise 0.
template <class T>
std::int64_t negatives_of(const ContrastInputs<T>& in, std::int64_t r) {
  if (in.marks[r] < 0) return 0;
  std::int64_t count = 0;
  while (count < in.indices.cols && in.indices(r, count) >= 0) ++count;
  return count;
}

// The key in column c of row r.
template <class T>
const T* key_of(const ContrastInputs<T>& in, std::int64_t r, std::int64_t c) {
  if (c == 0) return in.positive.data + r * in.positive.cols;
  const std::int32_t k = in.indices(r, c - 1);
  KT_CHECK(k < in.queue.rows, "queue_contrast: row {} has the negative {} of a queue of {}", r, k,
           in.queue.rows);
  return in.queue.data + k * in.queue.cols;
}

template <class T>
double dot(const T* a, const T* b, std::int64_t size) {
  double total = 0;
  for (std::int64_t c = 0; c < size; ++c)
    total += static_cast<double>(a[c]) * static_cast<double>(b[c]);
  return total;
}

// log(1 + e^z) and its derivative without overflow.
double softplus(double z) { return std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z))); }
double sigmoid(double z) {
  const double e = std::exp(-std::abs(z));
  return (z < 0 ? e : 1.0) / (1 + e);
}

// Turns the logits z[0..negatives] into slopes and gives the row's loss.
template <class T>
double info_nce(T* z, std::int64_t negatives) {
  double largest = z[0];
  for (std::int64_t c = 1; c <= negatives; ++c)
    largest = static_cast<double>(z[c]) > largest ? static_cast<double>(z[c]) : largest;
  double total = 0;
  for (std::int64_t c = 0; c <= negatives; ++c)
    total += std::exp(static_cast<double>(z[c]) - largest);
  const double loss = std::log(total) - (static_cast<double>(z[0]) - largest);
  for (std::int64_t c = 0; c <= negatives; ++c)
    z[c] = static_cast<T>(std::exp(static_cast<double>(z[c]) - largest) / total);
  z[0] = static_cast<T>(std::expm1(-loss));  // p - 1 to the last digit, also where p is near 1
  return loss;
}

template <class T>
double repel(T* z, std::int64_t negatives) {
  const auto count = static_cast<double>(negatives);
  double total = 0;
  z[0] = 0;
  for (std::int64_t c = 1; c <= negatives; ++c) {
    const auto logit = static_cast<double>(z[c]);
    total += softplus(logit);
    z[c] = static_cast<T>(sigmoid(logit) / count);
  }
  return total / count;
}

}  // namespace

template <class T>
void queue_contrast_forward(const ContrastInputs<T>& in, Rows<T> slope, Span<T> row_loss,
                            Span<T> count, Span<T> loss, const ContrastOptions& options) {
  check_contrast_forward<T>(in, slope, row_loss.size, count.size, loss.size, options);
  const bool pulls = options.form == ContrastForm::kInfoNce;
  parallel_for(in.queries.rows, kGrain, [&](std::int64_t r) {
    T* const z = slope.data + r * slope.cols;
    std::fill_n(z, slope.cols, T{0});
    row_loss[r] = 0;
    const std::int64_t negatives = negatives_of(in, r);
    if (negatives == 0) return;
    const T* const query = in.queries.data + r * in.queries.cols;
    for (std::int64_t c = pulls ? 0 : 1; c <= negatives; ++c)
      z[c] = static_cast<T>(dot(query, key_of(in, r, c), in.queries.cols) / options.temperature);
    row_loss[r] = static_cast<T>(pulls ? info_nce(z, negatives) : repel(z, negatives));
  });
  double total = 0, rows = 0;
  for (std::int64_t r = 0; r < in.queries.rows; ++r) {
    total += static_cast<double>(row_loss[r]);
    rows += negatives_of(in, r) > 0 ? 1 : 0;
  }
  count[0] = static_cast<T>(std::max(rows, 1.0));
  loss[0] = static_cast<T>(options.factor * total / std::max(rows, 1.0));
}

template <class T>
void queue_contrast_backward(const ContrastInputs<T>& in, Rows<const T> slope, Span<const T> count,
                             Span<const T> dloss, Rows<T> dq, const ContrastOptions& options) {
  check_contrast_backward<T>(in, slope, count.size, dloss.size, dq, options);
  const double scale = options.factor * static_cast<double>(dloss[0]) /
                       (static_cast<double>(count[0]) * options.temperature);
  const bool pulls = options.form == ContrastForm::kInfoNce;
  parallel_for(dq.rows, kGrain, [&](std::int64_t r) {
    T* const out = dq.data + r * dq.cols;
    std::fill_n(out, dq.cols, T{0});
    const std::int64_t negatives = negatives_of(in, r);
    if (negatives == 0) return;
    for (std::int64_t d = 0; d < dq.cols; ++d) {
      double total = 0;
      for (std::int64_t c = pulls ? 0 : 1; c <= negatives; ++c)
        total += static_cast<double>(slope(r, c)) * static_cast<double>(key_of(in, r, c)[d]);
      out[d] = static_cast<T>(scale * total);
    }
  });
}

#define KT_INSTANTIATE(T)                                                                       \
  template void queue_contrast_forward(const ContrastInputs<T>&, Rows<T>, Span<T>, Span<T>,     \
                                       Span<T>, const ContrastOptions&);                        \
  template void queue_contrast_backward(const ContrastInputs<T>&, Rows<const T>, Span<const T>, \
                                        Span<const T>, Rows<T>, const ContrastOptions&);
KT_INSTANTIATE(float)
KT_INSTANTIATE(double)
#undef KT_INSTANTIATE

}  // namespace ktrain::cpu
