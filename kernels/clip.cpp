#include "kernels/clip.h"

#include <algorithm>
#include <cmath>

#include "kernels/check.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace ktrain::cpu {
namespace {

constexpr std::int64_t kGrain = 1 << 16;
static_assert(kGrain >= kClipChunk, "no more chunks than the scratch has room for");
// Independent sums, so that the loop runs in vector registers in an order that the source decides.
constexpr int kLanes = 32;

template <class T>
double sum_of_squares(const T* x, std::int64_t size) {
  double lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes)
    for (int l = 0; l < kLanes; ++l)
      lanes[l] += static_cast<double>(x[i + l]) * static_cast<double>(x[i + l]);
  for (int l = 0; i < size; ++i, ++l)
    lanes[l] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  double total = 0;
  for (const double lane : lanes) total += lane;
  return total;
}

template <class T>
std::int64_t count_chunks(Span<const Span<const T>> gradients) {
  std::int64_t chunks = 0;
  for (std::int64_t k = 0; k < gradients.size; ++k) chunks += num_chunks(gradients[k].size, kGrain);
  return chunks;
}

}  // namespace

template <class T>
void clip_factor(Span<const Span<const T>> gradients, Span<T> norm, Span<T> factor,
                 Span<std::byte> scratch, double max_norm) {
  KT_CHECK(norm.size == 1 && factor.size == 1,
           "clip_factor: norm has {} elements, factor {}, 1 wanted", norm.size, factor.size);
  KT_CHECK(max_norm > 0, "clip_factor: max_norm is {}", max_norm);
  Scratch carver(scratch);
  const Span<double> partial = carver.take<double>(count_chunks(gradients));
  std::int64_t first = 0;
  for (std::int64_t k = 0; k < gradients.size; ++k) {
    const Span<const T> x = gradients[k];
    parallel_chunks(x.size, kGrain, [&](std::int64_t chunk, std::int64_t begin, std::int64_t end) {
      partial[first + chunk] = sum_of_squares(x.data + begin, end - begin);
    });
    first += num_chunks(x.size, kGrain);
  }
  double total = 0;
  for (std::int64_t i = 0; i < partial.size; ++i) total += partial[i];
  const double root = std::sqrt(total);
  norm[0] = static_cast<T>(root);
  // In this order a NaN stays one.
  factor[0] = static_cast<T>(std::min(max_norm / (root + 1e-6), 1.0));
}

template void clip_factor(Span<const Span<const float>>, Span<float>, Span<float>, Span<std::byte>,
                          double);
template void clip_factor(Span<const Span<const double>>, Span<double>, Span<double>,
                          Span<std::byte>, double);

}  // namespace ktrain::cpu
