// The upper half of a float: 8 bits of precision (7 of fraction) and a float's range.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/host_device.h"

namespace ktrain {

struct Bfloat16 {
  std::uint16_t bits;
};

// Exact.
[[nodiscard]] KT_HOST_DEVICE inline float to_float(Bfloat16 h) {
  const std::uint32_t bits = std::uint32_t{h.bits} << 16;
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// To the nearest, ties to even; above the largest it is infinity. A NaN stays one.
[[nodiscard]] KT_HOST_DEVICE inline Bfloat16 to_bfloat16(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const bool is_nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
  const std::uint32_t rounded = bits + 0x7FFFu + (bits >> 16 & 1u);
  return {static_cast<std::uint16_t>(is_nan ? bits >> 16 | 0x40u : rounded >> 16)};
}

// What numbers stored as T are computed in: float for Bfloat16, T itself for the others. An op on
// elements of T widens what it reads, which is exact, computes in Wide<T> and narrows a result
// once.
template <class T>
struct WideOf {
  using type = T;
};
template <>
struct WideOf<Bfloat16> {
  using type = float;
};
template <class T>
using Wide = typename WideOf<T>::type;

[[nodiscard]] KT_HOST_DEVICE inline float widen(float x) { return x; }
[[nodiscard]] KT_HOST_DEVICE inline double widen(double x) { return x; }
[[nodiscard]] KT_HOST_DEVICE inline float widen(Bfloat16 x) { return to_float(x); }

template <class T>
[[nodiscard]] KT_HOST_DEVICE T narrow(Wide<T> x) {
  return x;
}
template <>
[[nodiscard]] KT_HOST_DEVICE inline Bfloat16 narrow<Bfloat16>(float x) {
  return to_bfloat16(x);
}

}  // namespace ktrain
