#include "kernels/random.h"

#include <algorithm>

#include "kernels/check.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {
namespace {

constexpr std::int64_t kGrain = 1 << 14;
constexpr std::int64_t kMaxDraws = std::int64_t{1} << 32;

}  // namespace

template <class T>
void fill_uniform(const RandomKey& key, std::uint32_t sample, Span<T> x, double low, double high) {
  KT_CHECK(x.size <= kMaxDraws, "fill_uniform: {} numbers asked of one sample, at most {}", x.size,
           kMaxDraws);
  parallel_for(x.size, kGrain, [&](std::int64_t i) {
    const double u = uniform_double(random_words(key, sample, static_cast<std::uint32_t>(i)));
    const T value = static_cast<T>(low + (high - low) * u);
    // Rounding to T may reach the open end.
    x[i] = value < static_cast<T>(high) ? value : static_cast<T>(low);
  });
}

template <class T>
void fill_normal(const RandomKey& key, std::uint32_t sample, Span<T> x, double mean, double std) {
  KT_CHECK(x.size <= kMaxDraws, "fill_normal: {} numbers asked of one sample, at most {}", x.size,
           kMaxDraws);
  parallel_for((x.size + 1) / 2, kGrain, [&](std::int64_t i) {
    const NormalPair pair = normal_pair(random_words(key, sample, static_cast<std::uint32_t>(i)));
    x[2 * i] = static_cast<T>(mean + std * pair.first);
    if (2 * i + 1 < x.size) x[2 * i + 1] = static_cast<T>(mean + std * pair.second);
  });
}

void random_order(const RandomKey& key, std::uint32_t sample, Span<std::int64_t> order) {
  KT_CHECK(order.size <= kMaxDraws, "random_order: {} indices asked of one sample, at most {}",
           order.size, kMaxDraws);
  // The key sits above the index in one word, so that the sort compares both at once.
  const auto index = [](std::int64_t i) { return static_cast<std::uint64_t>(i); };
  for (std::int64_t i = 0; i < order.size; ++i) {
    const std::uint64_t high = order_key(key, sample, static_cast<std::uint32_t>(i));
    order[i] = static_cast<std::int64_t>((high << 32) | index(i));
  }
  std::sort(order.data, order.data + order.size,
            [&](std::int64_t a, std::int64_t b) { return index(a) < index(b); });
  for (std::int64_t i = 0; i < order.size; ++i)
    order[i] = static_cast<std::int64_t>(index(order[i]) & 0xFFFFFFFFu);
}

template void fill_uniform(const RandomKey&, std::uint32_t, Span<float>, double, double);
template void fill_uniform(const RandomKey&, std::uint32_t, Span<double>, double, double);
template void fill_normal(const RandomKey&, std::uint32_t, Span<float>, double, double);
template void fill_normal(const RandomKey&, std::uint32_t, Span<double>, double, double);

}  // namespace ktrain::cpu
