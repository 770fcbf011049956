#include "kernels/count_sketch.h"

#include <algorithm>

#include "kernels/check.h"
#include "kernels/device/sketch_pieces.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {
namespace {

constexpr std::int64_t kBlock = 512;

template <class T>
void add_hashed(const T* y, std::int64_t size, std::uint32_t first, std::uint32_t key,
                std::uint32_t mask, T* out) {
  std::uint32_t hashes[kBlock];
  for (std::int64_t i = 0; i < size; ++i)
    hashes[i] = sketch_bits(first + static_cast<std::uint32_t>(i) + key, key);
  for (std::int64_t i = 0; i < size; ++i)
    out[hashes[i] & mask] += (hashes[i] >> 31) != 0 ? -y[i] : y[i];
}

}  // namespace

template <class T>
void count_sketch(Span<const Span<const T>> vectors, const Remainder& remainder,
                  const SketchHash& hash, std::int64_t offset, Rows<T> out, Span<std::byte>) {
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
  const std::uint32_t key = sketch_key(hash.seed);
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
                           std::int64_t, Rows<float>, Span<std::byte>);
template void count_sketch(Span<const Span<const double>>, const Remainder&, const SketchHash&,
                           std::int64_t, Rows<double>, Span<std::byte>);

}  // namespace ktrain::cpu

std::int64_t ktrain::cuda::count_sketch_scratch_bytes(Span<const Span<const float>> vectors,
                                                      const Remainder& remainder,
                                                      const SketchHash& hash,
                                                      std::int64_t buckets) {
  Scratch scratch;
  (void)SketchPieces(scratch, vectors, remainder, hash, buckets);
  return scratch.bytes();
}
