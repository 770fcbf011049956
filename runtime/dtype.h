// Types of tensor elements.
#pragma once

#include <cstdint>
#include <string_view>

namespace ktrain {

enum class DType : std::uint8_t { kF32, kI32, kU8 };

[[nodiscard]] constexpr std::int64_t size_bytes(DType type) { return type == DType::kU8 ? 1 : 4; }

[[nodiscard]] constexpr std::string_view name(DType type) {
  return type == DType::kF32 ? "f32" : type == DType::kI32 ? "i32" : "u8";
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

}  // namespace ktrain
