// The vectors of kernels/gram.h as a kernel takes them, one of which may be what a sum leaves when
// the others are taken out of it.
#pragma once

#include "kernels/check.h"
#include "kernels/device/port.cuh"
#include "kernels/gram.h"

namespace ktrain::cuda {

struct MixedVectors {
  const float* data[kGramVectors];  // null: zeros
  float mix[kGramVectors];
  float scale;
  int remainder;  // -1: none
  int count;

  // Element e of the remainder, in the order of cpu::mixed_elements.
  [[nodiscard]] __device__ float left_over(std::int64_t e) const {
    float y = data[remainder] ? data[remainder][e] : 0.0f;
    for (int k = 0; k < count; ++k)
      if (k != remainder && data[k]) y -= mix[k] * data[k][e];
    return y * scale;
  }
};

inline MixedVectors mixed_vectors(const char* who, Span<const Span<const float>> vectors,
                                  const Remainder& remainder) {
  KT_CHECK(vectors.size <= kGramVectors, "{}: {} vectors, at most {} fit", who, vectors.size,
           kGramVectors);
  KT_CHECK(
      remainder.index < vectors.size && (remainder.index < 0 || remainder.mix.size == vectors.size),
      "{}: vector {} of {} is the remainder, {} numbers to mix", who, remainder.index, vectors.size,
      remainder.mix.size);
  MixedVectors mixed{};
  mixed.count = static_cast<int>(vectors.size);
  mixed.remainder = remainder.index < 0 ? -1 : static_cast<int>(remainder.index);
  mixed.scale = static_cast<float>(remainder.scale);
  for (std::int64_t k = 0; k < vectors.size; ++k) {
    mixed.data[k] = vectors[k].empty() ? nullptr : vectors[k].data;
    if (remainder.index >= 0 && k != remainder.index)
      mixed.mix[k] = static_cast<float>(remainder.mix[k]);
  }
  return mixed;
}

}  // namespace ktrain::cuda
