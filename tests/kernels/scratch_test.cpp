#include "kernels/scratch.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ktrain {
namespace {

std::int64_t carve(Scratch& scratch) {
  const Span<double> a = scratch.take<double>(3);
  const Span<std::uint8_t> b = scratch.take<std::uint8_t>(65);
  const Span<float> none = scratch.take<float>(0);
  EXPECT_EQ(a.size, 3);
  EXPECT_EQ(b.size, 65);
  EXPECT_EQ(none.size, 0);
  if (a.data) {
    EXPECT_EQ(reinterpret_cast<std::byte*>(b.data) - reinterpret_cast<std::byte*>(a.data), 64);
  }
  return scratch.bytes();
}

TEST(Scratch, CountingAndCarvingAgree) {
  Scratch counter;
  const std::int64_t bytes = carve(counter);
  EXPECT_EQ(bytes, 64 + 128);
  std::vector<std::byte> memory(static_cast<std::size_t>(bytes));
  Scratch carver(Span<std::byte>{memory.data(), bytes});
  EXPECT_EQ(carve(carver), bytes);
}

TEST(Scratch, EndsBeforeTheMemoryDoes) {
  std::vector<std::byte> memory(100);
  Scratch carver(Span<std::byte>{memory.data(), 100});
  (void)carver.take<double>(8);
  try {
    (void)carver.take<double>(1);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::StartsWith("scratch has 100 bytes, 128 or more wanted"));
  }
}

}  // namespace
}  // namespace ktrain
