// The safetensors container: a u64 length, that many bytes of JSON, then raw little-endian arrays.
//   {"__metadata__": {"key": "text"}, "name": {"dtype": "F32", "shape": [2, 3],
//    "data_offsets": [0, 24]}}
// Offsets count from the end of the header. Reading is strict: the arrays must cover the rest of
// the file exactly, without overlap or gap, and every size is checked before anything that large is
// allocated. What is refused is refused with an Error that names the array; nothing else is thrown.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ktrain {

enum class ArrayType : std::uint8_t { kF64, kF32, kF16, kBF16, kI64, kI32, kI16, kI8, kU8, kBool };
[[nodiscard]] std::uint64_t element_bytes(ArrayType type);
[[nodiscard]] std::string_view type_name(ArrayType type);  // "F32", as in the file

// What an array is, without its contents.
struct ArraySpec {
  std::string name;
  ArrayType type = ArrayType::kF32;
  std::vector<std::int64_t> shape;  // empty: one element

  [[nodiscard]] std::uint64_t bytes() const;
  [[nodiscard]] std::string text() const;  // "F32 [64, 3]"
};

// An array whose bytes somebody else owns, or that brought a copy of them along.
struct NamedArray {
  ArraySpec spec;
  std::span<const std::byte> bytes;
  std::shared_ptr<const std::vector<std::byte>> copy = nullptr;
};
[[nodiscard]] NamedArray named_array(std::string name, std::vector<std::int64_t> shape,
                                     std::span<const float> values);
[[nodiscard]] NamedArray named_array(std::string name, std::vector<std::int64_t> shape,
                                     std::span<const std::int64_t> values);

using Metadata = std::map<std::string, std::string>;

struct SafetensorsLimits {
  std::uint64_t header_bytes = std::uint64_t{16} << 20;
  std::size_t arrays = 65'536;
  std::size_t name_bytes = 512;  // of UTF-8, without control characters
  std::size_t dimensions = 16;
};

struct SafetensorsEntry {
  ArraySpec spec;
  std::uint64_t begin = 0;  // counted from the end of the header
  std::uint64_t end = 0;
};

struct SafetensorsHeader {
  Metadata metadata;
  std::vector<SafetensorsEntry> entries;  // in the order of their bytes
  std::vector<std::size_t> by_name;       // indices into entries, sorted by name
  std::uint64_t header_end = 0;           // where in the file the arrays begin

  [[nodiscard]] const SafetensorsEntry* find(std::string_view name) const;
};

// Where the header ends, from the first eight bytes of a file of `file_bytes`.
[[nodiscard]] std::uint64_t safetensors_header_end(std::span<const std::byte> first_bytes,
                                                   std::uint64_t file_bytes,
                                                   const SafetensorsLimits& limits = {});

// The header of a file of `file_bytes` whose bytes up to the header's end are `first_bytes`.
[[nodiscard]] SafetensorsHeader parse_safetensors(std::span<const std::byte> first_bytes,
                                                  std::uint64_t file_bytes,
                                                  const SafetensorsLimits& limits = {});

// Where each array goes in a file to be written.
struct SafetensorsPlan {
  std::string head;                // the length and the header, as they stand in the file
  std::vector<std::size_t> order;  // indices into the specs, in the order of their bytes
  std::uint64_t file_bytes = 0;
};

// Large elements first, then by name, so that every array is aligned; `last` (if any) at the end.
[[nodiscard]] SafetensorsPlan plan_safetensors(std::span<const ArraySpec> specs,
                                               const Metadata& metadata, std::string_view last = {},
                                               const SafetensorsLimits& limits = {});

// A whole file in memory.
[[nodiscard]] std::vector<std::byte> write_safetensors(std::span<const NamedArray> arrays,
                                                       const Metadata& metadata);

}  // namespace ktrain
