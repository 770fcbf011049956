#include "runtime/crc32c.h"

#include <array>
#include <bit>
#include <cstring>

#ifdef __SSE4_2__
#include <nmmintrin.h>
#endif

namespace ktrain {
namespace {

static_assert(std::endian::native == std::endian::little);

#ifdef __SSE4_2__

std::uint64_t step8(std::uint64_t crc, std::uint64_t word) { return _mm_crc32_u64(crc, word); }
std::uint32_t step1(std::uint32_t crc, std::uint8_t byte) { return _mm_crc32_u8(crc, byte); }

#else

// kTable[k][b]: what byte b leaves in the register after k more zero bytes have passed.
constexpr std::array<std::array<std::uint32_t, 256>, 8> make_table() {
  constexpr std::uint32_t kPolynomial = 0x82f63b78;  // reflected
  std::array<std::array<std::uint32_t, 256>, 8> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? kPolynomial : 0);
    table[0][byte] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k)
    for (std::size_t byte = 0; byte < 256; ++byte)
      table[k][byte] = table[k - 1][byte] >> 8 ^ table[0][table[k - 1][byte] & 255];
  return table;
}

constexpr auto kTable = make_table();

std::uint64_t step8(std::uint64_t crc, std::uint64_t word) {
  const std::uint64_t mixed = crc ^ word;
  std::uint32_t out = 0;
  for (std::size_t i = 0; i < 8; ++i) out ^= kTable[7 - i][mixed >> (8 * i) & 255];
  return out;
}

std::uint32_t step1(std::uint32_t crc, std::uint8_t byte) {
  return crc >> 8 ^ kTable[0][(crc ^ byte) & 255];
}

#endif

}  // namespace

std::uint32_t crc32c(const void* data, std::size_t size, std::uint32_t before) {
  const auto* bytes = static_cast<const std::uint8_t*>(data);
  std::uint64_t crc = before ^ 0xffffffffu;
  for (; size >= 8; size -= 8, bytes += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes, 8);
    crc = step8(crc, word);
  }
  auto narrow = static_cast<std::uint32_t>(crc);
  for (; size > 0; --size, ++bytes) narrow = step1(narrow, *bytes);
  return narrow ^ 0xffffffffu;
}

}  // namespace ktrain
