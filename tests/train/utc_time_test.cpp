#include "train/utc_time.h"

#include <gtest/gtest.h>

namespace ktrain {
namespace {

TEST(UtcTime, IsIso8601WhateverTheZone) {
  EXPECT_EQ(utc_text(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(utc_text(951782399), "2000-02-28T23:59:59Z");
  EXPECT_EQ(utc_text(951782400), "2000-02-29T00:00:00Z");
  const std::time_t before = std::time(nullptr);
  const std::string now = utc_now();
  EXPECT_LE(utc_text(before), now);
  EXPECT_LE(now, utc_text(std::time(nullptr)));
}

}  // namespace
}  // namespace ktrain
