// Types of tensor elements.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/bfloat16.h"

namespace ktrain {

enum class DType : std::uint8_t { kF32, kI32, kU8, kBf16 };

[[nodiscard]] constexpr std::int64_t size_bytes(DType type) {
  return type == DType::kU8 ? 1 : type == DType::kBf16 ? 2 : 4;
}

[[nodiscard]] constexpr std::string_view name(DType type) {
  return type == DType::kF32    ? "f32"
         : type == DType::kI32  ? "i32"
         : type == DType::kBf16 ? "bf16"
                                : "u8";
}

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::kF32;
};
template <>
struct DTypeOf<std::int32_t> {
  static constexpr DType value = DType::kI32;
};
template <>
struct DTypeOf<std::uint8_t> {
  static constexpr DType value = DType::kU8;
};
template <>
struct DTypeOf<Bfloat16> {
  static constexpr DType value = DType::kBf16;
};

}  // namespace ktrain
