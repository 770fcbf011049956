#include "runtime/product_precision.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/message.h"

namespace ktrain {
namespace {

TEST(ProductPrecision, ScopesNestAndEndAsTheyBegan) {
  EXPECT_EQ(product_precision(), Precision::kFloat);
  {
    const ProductPrecisionScope tf32(Precision::kTf32);
    EXPECT_EQ(product_precision(), Precision::kTf32);
    {
      const ProductPrecisionScope exact(Precision::kFloat);
      EXPECT_EQ(product_precision(), Precision::kFloat);
    }
    EXPECT_THAT(test::message_of([] { const ProductPrecisionScope bf16(Precision::kBf16); }),
                testing::HasSubstr("maps of float in bf16"));
    EXPECT_EQ(product_precision(), Precision::kTf32);
  }
  EXPECT_EQ(product_precision(), Precision::kFloat);
}

}  // namespace
}  // namespace ktrain
