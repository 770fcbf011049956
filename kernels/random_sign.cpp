#include "kernels/random_sign.h"

#include "kernels/checks/random_sign.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {
namespace {

// 128 signs come from one draw.
float sign_of(const RandomWords& words, std::int64_t i) {
  return (words.word[(i >> 5) & 3] >> (i & 31)) & 1u ? -1.0f : 1.0f;
}

template <class Body>
void for_signs(const SignKey& from, std::uint32_t map, std::int64_t size, Body&& body) {
  const RandomKey key{from.seed, from.stream, static_cast<std::uint32_t>(from.now[0])};
  parallel_chunks(size, kSignRun, [&](std::int64_t run, std::int64_t begin, std::int64_t end) {
    RandomWords words{};
    for (std::int64_t i = begin; i < end; ++i) {
      if ((i & 127) == 0) words = random_words(key, map, static_cast<std::uint32_t>(i >> 7));
      body(run, i, sign_of(words, i));
    }
  });
}

}  // namespace

template <class T>
void random_sign_sum(const SignKey& key, Span<const Span<const T>> maps, Span<T> value,
                     Span<std::byte> scratch, double scale) {
  check_random_sign_sum(key, maps, value);
  Scratch carver(scratch);
  const Span<double> partials = carver.take<double>(sign_runs(maps));
  double total = 0;
  for (std::int64_t m = 0; m < maps.size; ++m) {
    const Span<const T> x = maps[m];
    const std::int64_t runs = num_chunks(x.size, kSignRun);
    for (std::int64_t run = 0; run < runs; ++run) partials[run] = 0;
    for_signs(key, static_cast<std::uint32_t>(m), x.size,
              [&](std::int64_t run, std::int64_t i, float sign) {
                partials[run] += static_cast<double>(static_cast<T>(sign) * x[i]);
              });
    for (std::int64_t run = 0; run < runs; ++run) total += partials[run];
  }
  value[0] = static_cast<T>(scale) * static_cast<T>(total);
}

template <class T>
void random_sign_backward(const SignKey& key, std::uint32_t map, Span<const T> dvalue, Span<T> dx,
                          double scale) {
  check_random_sign_backward(key, dvalue);
  const T size = static_cast<T>(scale) * dvalue[0];
  for_signs(key, map, dx.size,
            [&](std::int64_t, std::int64_t i, float sign) { dx[i] = static_cast<T>(sign) * size; });
}

#define KT_INSTANTIATE(T)                                                           \
  template void random_sign_sum(const SignKey&, Span<const Span<const T>>, Span<T>, \
                                Span<std::byte>, double);                           \
  template void random_sign_backward(const SignKey&, std::uint32_t, Span<const T>, Span<T>, double);
KT_INSTANTIATE(float)
KT_INSTANTIATE(double)
#undef KT_INSTANTIATE

}  // namespace ktrain::cpu
