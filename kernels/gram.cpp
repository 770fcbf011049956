#include "kernels/gram.h"

#include <algorithm>
#include <cmath>

#include "kernels/check.h"
#include "kernels/device/gram_runs.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace ktrain::cpu {
namespace {

constexpr std::int64_t kGrain = 1 << 14;
constexpr std::int64_t kBlock = 256;  // elements whose vectors fit into the first cache
constexpr int kLanes = 16;

std::int64_t triangle(std::int64_t k) { return k * (k + 1) / 2; }

// Of kBlock elements; each lane sums 16 products in T.
template <class T>
double dot_block(const T* a, const T* b) {
  T lanes[kLanes] = {};
  for (std::int64_t i = 0; i < kBlock; i += kLanes)
    for (int l = 0; l < kLanes; ++l) lanes[l] += a[i + l] * b[i + l];
  double total = 0;
  for (const T lane : lanes) total += static_cast<double>(lane);
  return total;
}

// The K vectors of one block, zeros behind the end.
template <class T>
struct Block {
  T y[kGramVectors][kBlock];
  T p[kBlock], py[kBlock];
};

template <class T>
void load_preconditioner(const SecondMoment<T>& moment, std::int64_t begin, std::int64_t size,
                         T* p) {
  const T root = static_cast<T>(moment.root_scale), eps = static_cast<T>(moment.eps);
  const T* __restrict const v = moment.v.data + begin;
  for (std::int64_t i = 0; i < size; ++i) p[i] = T{1} / (std::sqrt(v[i]) / root + eps);
  std::fill(p + size, p + kBlock, T{0});
}

template <class T>
void add_block(Block<T>& block, std::int64_t count, bool weighted, double* raw, double* weighed) {
  for (std::int64_t i = 0, at = 0; i < count; ++i) {
    if (weighted)
      for (std::int64_t e = 0; e < kBlock; ++e) block.py[e] = block.p[e] * block.y[i][e];
    for (std::int64_t j = i; j < count; ++j, ++at) {
      raw[at] += dot_block(block.y[i], block.y[j]);
      if (weighted) weighed[at] += dot_block(block.py, block.y[j]);
    }
  }
}

}  // namespace

template <class T>
std::int64_t common_size(Span<const Span<const T>> vectors) {
  std::int64_t size = 0;
  for (std::int64_t k = 0; k < vectors.size; ++k) {
    if (vectors[k].empty()) continue;
    KT_CHECK(size == 0 || vectors[k].size == size, "gram: vector {} has {} elements, others {}", k,
             vectors[k].size, size);
    size = vectors[k].size;
  }
  return size;
}

template <class T>
void mixed_elements(Span<const Span<const T>> vectors, const Remainder& remainder, std::int64_t k,
                    std::int64_t begin, Span<T> out) {
  T* __restrict const y = out.data;
  if (vectors[k].empty())
    std::fill(y, y + out.size, T{0});
  else
    std::copy(vectors[k].data + begin, vectors[k].data + begin + out.size, y);
  if (k != remainder.index) return;
  for (std::int64_t other = 0; other < vectors.size; ++other) {
    if (other == k || vectors[other].empty()) continue;
    const T weight = static_cast<T>(remainder.mix[other]);
    const T* __restrict const x = vectors[other].data + begin;
    for (std::int64_t i = 0; i < out.size; ++i) y[i] -= weight * x[i];
  }
  const T scale = static_cast<T>(remainder.scale);
  for (std::int64_t i = 0; i < out.size; ++i) y[i] *= scale;
}

template <class T>
std::int64_t gram_scratch_bytes(Span<const Span<const T>> vectors) {
  Scratch scratch;
  (void)scratch.take<double>(num_chunks(common_size(vectors), kGrain) * 2 * triangle(vectors.size));
  return scratch.bytes();
}

template <class T>
void gram(Span<const Span<const T>> vectors, const Remainder& remainder,
          const SecondMoment<T>& moment, Span<double> raw, Span<double> preconditioned,
          Span<std::byte> scratch) {
  const std::int64_t count = vectors.size, size = common_size(vectors), cells = triangle(count);
  const bool weighted = !moment.v.empty();
  KT_CHECK(count <= kGramVectors, "gram: {} vectors, at most {} fit", count, kGramVectors);
  KT_CHECK(raw.size == cells && (!weighted || preconditioned.size == cells),
           "gram: {} vectors have {} products, room for {} and {}", count, cells, raw.size,
           preconditioned.size);
  KT_CHECK(!weighted || size == 0 || moment.v.size == size, "gram: {} elements, {} second moments",
           size, moment.v.size);
  KT_CHECK(remainder.index < count && (remainder.index < 0 || remainder.mix.size == count),
           "gram: vector {} of {} is the remainder, {} numbers to mix", remainder.index, count,
           remainder.mix.size);
  std::fill(raw.data, raw.data + raw.size, 0.0);
  if (weighted) std::fill(preconditioned.data, preconditioned.data + cells, 0.0);
  const std::int64_t chunks = num_chunks(size, kGrain);
  Scratch carver(scratch);
  const Span<double> partial = carver.take<double>(chunks * 2 * cells);
  parallel_chunks(size, kGrain, [&](std::int64_t chunk, std::int64_t begin, std::int64_t end) {
    double* const sums = partial.data + chunk * 2 * cells;
    std::fill(sums, sums + 2 * cells, 0.0);
    Block<T> block;
    for (std::int64_t at = begin; at < end; at += kBlock) {
      const std::int64_t part = std::min(kBlock, end - at);
      for (std::int64_t k = 0; k < count; ++k) {
        mixed_elements(vectors, remainder, k, at, Span<T>{block.y[k], part});
        std::fill(block.y[k] + part, block.y[k] + kBlock, T{0});
      }
      if (weighted) load_preconditioner(moment, at, part, block.p);
      add_block(block, count, weighted, sums, sums + cells);
    }
  });
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk)
    for (std::int64_t i = 0; i < cells; ++i) {
      raw[i] += partial[chunk * 2 * cells + i];
      if (weighted) preconditioned[i] += partial[chunk * 2 * cells + cells + i];
    }
}

#define KT_INSTANTIATE(T)                                                                 \
  template std::int64_t common_size(Span<const Span<const T>>);                           \
  template void mixed_elements(Span<const Span<const T>>, const Remainder&, std::int64_t, \
                               std::int64_t, Span<T>);                                    \
  template std::int64_t gram_scratch_bytes(Span<const Span<const T>>);                    \
  template void gram(Span<const Span<const T>>, const Remainder&, const SecondMoment<T>&, \
                     Span<double>, Span<double>, Span<std::byte>);
KT_INSTANTIATE(float)
KT_INSTANTIATE(double)
#undef KT_INSTANTIATE

}  // namespace ktrain::cpu

std::int64_t ktrain::cuda::gram_scratch_bytes(Span<const Span<const float>> vectors) {
  Scratch scratch;
  (void)scratch.take<double>(GramRuns(vectors.size, cpu::common_size(vectors)).partials() *
                             vectors.size * (vectors.size + 1));
  return scratch.bytes();
}
