// The last array of a checkpoint, `ktrain.integrity`, which proves all bytes before it. U8, little
// endian: "KTSUM" 0 0 1; u64 payload bytes; u64 chunk bytes; SHA-256 of the file up to the header's
// end; SHA-256 of the payload; CRC-32C of each chunk of the payload; CRC-32C of all of this.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/sha256.h"

namespace ktrain {

inline constexpr std::string_view kIntegrityName = "ktrain.integrity";
inline constexpr std::uint64_t kIntegrityChunk = std::uint64_t{1} << 20;

// The array's size for a payload of so many bytes.
[[nodiscard]] std::uint64_t integrity_bytes(std::uint64_t payload_bytes);

// Sums the payload as it passes by.
class IntegritySum {
 public:
  // `head` is the file up to the header's end.
  explicit IntegritySum(std::span<const std::byte> head);
  void update(std::span<const std::byte> payload);

  // The array for what has passed.
  [[nodiscard]] std::vector<std::byte> array() const;
  // "" when `array` is what stands in the file for these bytes; else what is damaged and where.
  [[nodiscard]] std::string difference(std::span<const std::byte> array) const;
  // Hexadecimal SHA-256 of the payload.
  [[nodiscard]] std::string payload_hash() const { return payload_.hex(); }

 private:
  Sha256 head_;
  Sha256 payload_;
  std::uint64_t payload_bytes_ = 0;
  std::vector<std::uint32_t> chunks_;
};

}  // namespace ktrain
