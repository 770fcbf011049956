#include "kernels/count_sketch.h"

#include <algorithm>

#include "kernels/check.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {
namespace {

constexpr std::int64_t kBlock = 512;

// The finalizer of MurmurHash3 (Appleby, public domain) over element and seed, twice, so that seeds
// that differ by little give unrelated hashes.
std::uint32_t mix_bits(std::uint32_t x) {
  x ^= x >> 16;
  x *= 0x85EBCA6Bu;
  x ^= x >> 13;
  x *= 0xC2B2AE35u;
  return x ^ (x >> 16);
}

template <class T>
void add_hashed(const T* y, std::int64_t size, std::uint32_t first, std::uint32_t key,
                std::uint32_t mask, T* out) {
  std::uint32_t hashes[kBlock];
  for (std::int64_t i = 0; i < size; ++i)
    hashes[i] = mix_bits(mix_bits(first + static_cast<std::uint32_t>(i) + key) ^ key);
  // The highest bit is the sign, the lowest are the bucket.
  for (std::int64_t i = 0; i < size; ++i)
    out[hashes[i] & mask] += (hashes[i] >> 31) != 0 ? -y[i] : y[i];
}

}  // namespace

template <class T>
void count_sketch(Span<const Span<const T>> vectors, const Remainder& remainder,
                  const SketchHash& hash, std::int64_t offset, Rows<T> out) {
  const std::int64_t size = common_size(vectors);
  KT_CHECK(out.rows == vectors.size, "count_sketch: {} vectors, {} rows", vectors.size, out.rows);
  KT_CHECK(offset >= 0 && offset + size <= std::int64_t{1} << 32,
           "count_sketch: elements {} to {} of a vector", offset, offset + size);
  if (hash.identity)
    KT_CHECK(offset + size <= out.cols, "count_sketch: {} places, {} columns", offset + size,
             out.cols);
  else
    KT_CHECK(out.cols > 0 && out.cols <= 1 << 30 && (out.cols & (out.cols - 1)) == 0,
             "count_sketch: {} buckets, wanted a power of two", out.cols);
  const std::uint32_t key = mix_bits(hash.seed + 0x9E3779B9u);
  parallel_for(vectors.size, 1, [&](std::int64_t k) {
    if (vectors[k].empty() && k != remainder.index) return;
    T block[kBlock];
    T* const row = out.data + k * out.cols;
    for (std::int64_t at = 0; at < size; at += kBlock) {
      const std::int64_t part = std::min(kBlock, size - at);
      mixed_elements(vectors, remainder, k, at, Span<T>{block, part});
      if (hash.identity)
        for (std::int64_t i = 0; i < part; ++i) row[offset + at + i] += block[i];
      else
        add_hashed(block, part, static_cast<std::uint32_t>(offset + at), key,
                   static_cast<std::uint32_t>(out.cols - 1), row);
    }
  });
}

template void count_sketch(Span<const Span<const float>>, const Remainder&, const SketchHash&,
                           std::int64_t, Rows<float>);
template void count_sketch(Span<const Span<const double>>, const Remainder&, const SketchHash&,
                           std::int64_t, Rows<double>);

}  // namespace ktrain::cpu
