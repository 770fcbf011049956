// Random numbers without a state: Philox 4x32-10 (Salmon et al., SC 2011) as a pure function of
// (seed, stream, epoch, sample, index). The same five numbers give the same words on every machine,
// whatever the number of threads, workers or ranks, and in whatever order they are asked for.
//   seed    of the run                     stream  who draws (below 2^24), so that users never meet
//   epoch   or step                        sample  the image pair, the parameter, ...
//   index   the draw within the sample
// Philox' counter is {index, sample, epoch, stream}, its key {seed low, seed high}. One block of
// four words belongs to an index; functions below read the words they name.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/host_device.h"
#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

struct RandomWords {
  std::uint32_t word[4];
};

// Plain words, so that a key can live in device memory and change between steps.
struct RandomKey {
  std::uint64_t seed = 0;
  std::uint32_t stream = 0;
  std::uint32_t epoch = 0;
};

[[nodiscard]] KT_HOST_DEVICE constexpr RandomWords philox(RandomWords counter, std::uint32_t key0,
                                                          std::uint32_t key1) {
  RandomWords c = counter;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53u} * c.word[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * c.word[2];
    c = {{static_cast<std::uint32_t>(b >> 32) ^ c.word[1] ^ key0, static_cast<std::uint32_t>(b),
          static_cast<std::uint32_t>(a >> 32) ^ c.word[3] ^ key1, static_cast<std::uint32_t>(a)}};
    key0 += 0x9E3779B9u;  // the golden ratio and sqrt(3) - 1, Weyl sequences of the paper
    key1 += 0xBB67AE85u;
  }
  return c;
}

// The four words of one index. `redraw` counts attempts of a function that may reject.
[[nodiscard]] KT_HOST_DEVICE constexpr RandomWords random_words(const RandomKey& key,
                                                                std::uint32_t sample,
                                                                std::uint32_t index,
                                                                std::uint32_t redraw = 0) {
  return philox({{index, sample, key.epoch, key.stream + (redraw << 24)}},
                static_cast<std::uint32_t>(key.seed), static_cast<std::uint32_t>(key.seed >> 32));
}

// What a random choice or a permutation sorts by: ascending, ties by index. Word 0.
[[nodiscard]] KT_HOST_DEVICE constexpr std::uint32_t order_key(const RandomKey& key,
                                                               std::uint32_t sample,
                                                               std::uint32_t index) {
  return random_words(key, sample, index).word[0];
}

// Even on [0, 1): a multiple of 2^-24 (word 0).
[[nodiscard]] KT_HOST_DEVICE constexpr float uniform_float(const RandomWords& words) {
  return static_cast<float>(words.word[0] >> 8) * 0x1p-24f;
}

// Even on [0, 1): a multiple of 2^-53 (words `first` and `first` + 1).
[[nodiscard]] KT_HOST_DEVICE constexpr double uniform_double(const RandomWords& words,
                                                             int first = 0) {
  const std::uint64_t bits = (std::uint64_t{words.word[first]} << 32) | words.word[first + 1];
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

// An integer of [0, bound), each exactly as likely as the other (Lemire, ACM TOMACS 2019). bound >
// 0.
[[nodiscard]] KT_HOST_DEVICE constexpr std::uint32_t uniform_integer(const RandomKey& key,
                                                                     std::uint32_t sample,
                                                                     std::uint32_t index,
                                                                     std::uint32_t bound) {
  const std::uint32_t rejected = (0u - bound) % bound;
  std::uint64_t product = 0;
  for (std::uint32_t redraw = 0; redraw < 256; ++redraw) {
    const RandomWords words = random_words(key, sample, index, redraw);
    for (int i = 0; i < 4; ++i) {
      product = std::uint64_t{words.word[i]} * bound;
      if (static_cast<std::uint32_t>(product) >= rejected)
        return static_cast<std::uint32_t>(product >> 32);
    }
  }
  return static_cast<std::uint32_t>(product >> 32);  // chance below 2^-1024
}

struct NormalPair {
  double first = 0;
  double second = 0;
};

// Two independent N(0, 1) by Box and Muller; all four words.
[[nodiscard]] KT_HOST_DEVICE inline NormalPair normal_pair(const RandomWords& words) {
  const double radius = sqrt(-2.0 * log(1.0 - uniform_double(words, 0)));  // of (0, 1]
  const double angle = 6.283185307179586476925 * uniform_double(words, 2);
  return {radius * cos(angle), radius * sin(angle)};
}

namespace cpu {

// x[i] = low + (high - low) * u(index i), even on [low, high).
template <class T>
void fill_uniform(const RandomKey& key, std::uint32_t sample, Span<T> x, double low, double high);

// x[2i], x[2i+1] = mean + std * the normal pair of index i.
template <class T>
void fill_normal(const RandomKey& key, std::uint32_t sample, Span<T> x, double mean, double std);

// `order` becomes a permutation of 0 .. size-1, every one as likely (but for ties of 32 bit keys,
// which keep the lower index first).
void random_order(const RandomKey& key, std::uint32_t sample, Span<std::int64_t> order);

}  // namespace cpu

// The CPU's numbers to the last bit, those of fill_normal but for the rare one that differs by a
// unit in the last place: log, sine and cosine in double are other libraries' here.
namespace cuda {

void fill_uniform(CudaStream stream, const RandomKey& key, std::uint32_t sample, Span<float> x,
                  double low, double high);
void fill_normal(CudaStream stream, const RandomKey& key, std::uint32_t sample, Span<float> x,
                 double mean, double std);
void random_order(CudaStream stream, const RandomKey& key, std::uint32_t sample,
                  Span<std::int64_t> order);

}  // namespace cuda
}  // namespace ktrain
