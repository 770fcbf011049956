// CRC-32C (Castagnoli): finds accidental damage to a run of bytes, and is TensorBoard's record sum.
// crc32c("123456789") is 0xe3069283.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ktrain {

// The checksum of `size` bytes that follow bytes whose checksum is `before`; 0 starts a new run.
[[nodiscard]] std::uint32_t crc32c(const void* data, std::size_t size, std::uint32_t before = 0);

}  // namespace ktrain
