#include "runtime/crc32c.h"

#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace ktrain {
namespace {

// One bit at a time, straight from the definition.
std::uint32_t by_bits(const std::vector<std::uint8_t>& bytes) {
  std::uint32_t crc = 0xffffffff;
  for (const std::uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
  }
  return ~crc;
}

TEST(Crc32c, KnownAnswers) {
  EXPECT_EQ(crc32c("123456789", 9), 0xe3069283u);
  EXPECT_EQ(crc32c(nullptr, 0), 0u);
  // RFC 3720, B.4: 32 bytes of zeros, of ones, and rising.
  EXPECT_EQ(crc32c(std::string(32, '\0').data(), 32), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff').data(), 32), 0x62a8ab43u);
  std::string rising;
  for (char c = 0; c < 32; ++c) rising += c;
  EXPECT_EQ(crc32c(rising.data(), 32), 0x46dd794eu);
}

TEST(Crc32c, EveryLengthAndEverySplitAgreeWithTheDefinition) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t size = 0; size <= 67; ++size) {
    const std::uint32_t want = by_bits(bytes);
    EXPECT_EQ(crc32c(bytes.data(), size), want) << size;
    for (std::size_t cut = 0; cut <= size; ++cut)
      EXPECT_EQ(crc32c(bytes.data() + cut, size - cut, crc32c(bytes.data(), cut)), want)
          << size << " cut at " << cut;
    bytes.push_back(static_cast<std::uint8_t>(size * 37 + 11));
  }
}

}  // namespace
}  // namespace ktrain
