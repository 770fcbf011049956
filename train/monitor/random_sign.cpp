#include "train/monitor/random_sign.h"

#include <cmath>

#include "kernels/parallel.h"
#include "kernels/random.h"
#include "runtime/autograd.h"

namespace ktrain {
namespace {

// Above the streams of runtime/random.h, which grow from 1.
constexpr std::uint32_t kStream = 0x800001;
constexpr std::int64_t kGrain = 1 << 14;

// 128 signs come from one draw.
float sign_of(const RandomWords& words, std::int64_t i) {
  return (words.word[(i >> 5) & 3] >> (i & 31)) & 1u ? -1.0f : 1.0f;
}

template <class Body>
void for_signs(const RandomKey& key, std::uint32_t map, std::int64_t size, Body&& body) {
  parallel_chunks(size, kGrain, [&](std::int64_t chunk, std::int64_t begin, std::int64_t end) {
    RandomWords words{};
    for (std::int64_t i = begin; i < end; ++i) {
      if ((i & 127) == 0) words = random_words(key, map, static_cast<std::uint32_t>(i >> 7));
      body(chunk, i, sign_of(words, i));
    }
  });
}

}  // namespace

Tensor random_sign_sum(const std::vector<Tensor>& maps, std::uint64_t seed, std::int64_t step) {
  KT_CHECK(!maps.empty(), "random signs: no map");
  const RandomKey key{seed, kStream, static_cast<std::uint32_t>(step)};
  std::int64_t elements = 0;
  for (const Tensor& map : maps) elements += map.size();
  const float scale = 1 / std::sqrt(static_cast<float>(elements));
  Tensor value = Tensor::empty(maps[0].context(), {1});
  run_on_cpu(value.queue(), "random_sign_sum", [&] {
    double total = 0;
    for (std::size_t m = 0; m < maps.size(); ++m) {
      const Span<const float> x = maps[m].span<float>();
      std::vector<double> partial(static_cast<std::size_t>(num_chunks(x.size, kGrain)));
      for_signs(key, static_cast<std::uint32_t>(m), x.size,
                [&](std::int64_t chunk, std::int64_t i, float sign) {
                  partial[static_cast<std::size_t>(chunk)] += static_cast<double>(sign * x[i]);
                });
      for (const double sum : partial) total += sum;
    }
    value.mutable_span<float>()[0] = scale * static_cast<float>(total);
  });
  std::vector<Shape> shapes;
  for (const Tensor& map : maps) shapes.push_back(map.shape());
  return record(
      "random_sign_sum", maps, value, [key, scale, shapes](const Tensor& dy, const Wanted& wanted) {
        std::vector<Tensor> results(shapes.size());
        for (std::size_t m = 0; m < shapes.size(); ++m) {
          if (!wanted[m]) continue;
          results[m] = Tensor::empty(dy.context(), shapes[m]);
          run_on_cpu(dy.queue(), "random_sign_backward", [&] {
            const float size = scale * dy.span<float>()[0];
            const Span<float> out = results[m].mutable_span<float>();
            for_signs(key, static_cast<std::uint32_t>(m), out.size,
                      [&](std::int64_t, std::int64_t i, float sign) { out[i] = sign * size; });
          });
        }
        return results;
      });
}

}  // namespace ktrain
