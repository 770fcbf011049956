#include "kernels/convert_list.h"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/message.h"

namespace ktrain {
namespace {

TEST(ConvertList, RoundsEachArrayToTheNearest) {
  const std::vector<float> a = {1.0f, -2.5f, 1.0f + 0x1p-8f, 1.0f + 3 * 0x1p-8f,
                                1.0f + 0x1p-8f + 0x1p-20f},
                           b = {-0.0f, INFINITY, NAN};
  std::vector<Bfloat16> y(9, Bfloat16{0x1234});
  const std::vector<Conversion> list = {
      {{a.data(), 5}, {y.data(), 5}}, {{}, {}}, {{b.data(), 3}, {y.data() + 5, 3}}};
  cpu::convert_list(list);
  const std::vector<float> want = {1.0f, -2.5f, 1.0f, 1.0f + 0x1p-6f, 1.0f + 0x1p-7f, -0.0f};
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_EQ(to_float(y[i]), want[i]) << i;
  EXPECT_TRUE(std::signbit(to_float(y[5])));
  EXPECT_EQ(to_float(y[6]), INFINITY);
  EXPECT_TRUE(std::isnan(to_float(y[7])));
  EXPECT_EQ(y[8].bits, 0x1234) << "past the end";
  cpu::convert_list({});
}

TEST(ConvertList, SizesMustAgree) {
  std::vector<float> x(3);
  std::vector<Bfloat16> y(2);
  const Conversion uneven{{x.data(), 3}, {y.data(), 2}};
  EXPECT_THAT(test::message_of([&] {
                cpu::convert_list({&uneven, 1});
              }),
              testing::HasSubstr("convert_list: 2 elements from 3"));
}

}  // namespace
}  // namespace ktrain
