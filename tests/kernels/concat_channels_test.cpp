#include "kernels/concat_channels.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/gradcheck.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::random_vec;
using test::Vec;

TEST(ConcatChannels, PutsChannelsSideBySideAndTakesThemApart) {
  for (const std::int64_t a_channels : {0, 1, 3, 16})
    for (const std::int64_t b_channels : {1, 5, 32}) {
      const std::int64_t pixels = 2 * 5 * 13, channels = a_channels + b_channels;
      const Vec a = random_vec(static_cast<std::size_t>(pixels * a_channels), 1);
      const Vec b = random_vec(static_cast<std::size_t>(pixels * b_channels), 2);
      Vec y(a.size() + b.size());
      cpu::concat_channels_forward<double>({a.data(), 2, 5, 13, a_channels},
                                           {b.data(), 2, 5, 13, b_channels},
                                           {y.data(), 2, 5, 13, channels});
      for (std::int64_t pixel = 0; pixel < pixels; ++pixel)
        for (std::int64_t c = 0; c < channels; ++c) {
          const double want =
              c < a_channels ? a[static_cast<std::size_t>(pixel * a_channels + c)]
                             : b[static_cast<std::size_t>(pixel * b_channels + c - a_channels)];
          ASSERT_EQ(y[static_cast<std::size_t>(pixel * channels + c)], want);
        }
      Vec da(a.size()), db(b.size());
      cpu::concat_channels_backward<double>({y.data(), 2, 5, 13, channels},
                                            {da.data(), 2, 5, 13, a_channels},
                                            {db.data(), 2, 5, 13, b_channels}, a_channels);
      EXPECT_EQ(da, a);
      EXPECT_EQ(db, b);
      // One part alone.
      Vec only(b.size());
      cpu::concat_channels_backward<double>({y.data(), 2, 5, 13, channels}, {},
                                            {only.data(), 2, 5, 13, b_channels}, a_channels);
      EXPECT_EQ(only, b);
    }
}

TEST(ConcatChannels, WrongShapesSayWhatWasFound) {
  Vec v(64);
  EXPECT_THAT(test::message_of([&] {
                cpu::concat_channels_forward<double>({v.data(), 1, 2, 2, 2}, {v.data(), 1, 2, 2, 3},
                                                     {v.data(), 1, 2, 2, 6});
              }),
              ::testing::HasSubstr("a is 1x2x2x2, b 1x2x2x3, y 1x2x2x6"));
  EXPECT_THAT(test::message_of([&] {
                cpu::concat_channels_backward<double>({v.data(), 1, 2, 2, 5},
                                                      {v.data(), 1, 2, 2, 3}, {}, 2);
              }),
              ::testing::HasSubstr("da is 4 pixels of 3 channels, wanted 4 of 2"));
}

}  // namespace
}  // namespace ktrain
