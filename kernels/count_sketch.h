// Count sketch (Charikar, Chen and Farach-Colton 2002): a long vector's short random projection,
//   out[bucket(e)] += sign(e) * y[e],   e = offset + element,
// linear in y, so that sketches of sums are sums of sketches, and with <sketch a, sketch b> an
// unbiased estimate of <a, b> whose error relative to |a| |b| is about 1 / sqrt(buckets).
//
// bucket and sign are functions of (seed, e). With as many buckets as places, or more, bucket(e) =
// e and sign = 1: the vector itself. The order of sums is that of the elements, whatever the
// threads; on CUDA sums are taken in whole numbers of 2^-32 of the largest among 32768 elements
// (2^-142 at least), and depend on the sizes alone. There a bucket that gets an infinite element
// becomes NaN.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/gram.h"
#include "kernels/host_device.h"
#include "kernels/view.h"

namespace ktrain {

struct SketchHash {
  std::uint32_t seed = 0;
  bool identity = false;  // out has at least offset + size columns
};

// The finalizer of MurmurHash3 (Appleby, public domain) over element and seed, twice, so that seeds
// that differ by little give unrelated hashes. The highest bit is the sign, the lowest are the
// bucket.
KT_HOST_DEVICE inline std::uint32_t mix_bits(std::uint32_t x) {
  x ^= x >> 16;
  x *= 0x85EBCA6Bu;
  x ^= x >> 13;
  x *= 0xC2B2AE35u;
  return x ^ (x >> 16);
}
KT_HOST_DEVICE inline std::uint32_t sketch_key(std::uint32_t seed) {
  return mix_bits(seed + 0x9E3779B9u);
}
// `keyed`: element + key.
KT_HOST_DEVICE inline std::uint32_t sketch_bits(std::uint32_t keyed, std::uint32_t key) {
  return mix_bits(mix_bits(keyed) ^ key);
}

namespace cpu {

// Adds the sketch of y_k to row k of `out`; vectors and remainder as in kernels/gram.h. Unless the
// hash is the identity, the columns are a power of two of 2^30 or less. Throws Error for sizes that
// do not fit. It needs no scratch and has the argument for the sake of one call for both devices.
template <class T>
void count_sketch(Span<const Span<const T>> vectors, const Remainder& remainder,
                  const SketchHash& hash, std::int64_t offset, Rows<T> out,
                  Span<std::byte> scratch = {});

}  // namespace cpu

namespace cuda {

// The list of vectors and the remainder's mix lie on the host.
void count_sketch(CudaStream stream, Span<const Span<const float>> vectors,
                  const Remainder& remainder, const SketchHash& hash, std::int64_t offset,
                  Rows<float> out, Span<std::byte> scratch);
[[nodiscard]] std::int64_t count_sketch_scratch_bytes(Span<const Span<const float>> vectors,
                                                      const Remainder& remainder,
                                                      const SketchHash& hash, std::int64_t buckets);

}  // namespace cuda
}  // namespace ktrain
