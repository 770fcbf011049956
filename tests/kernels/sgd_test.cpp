#include "kernels/sgd.h"

#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"
#include "tests/support/boxes.h"
#include "tests/support/close.h"
#include "tests/support/reference.h"

namespace ktrain {
namespace {

using test::span;

template <class T>
void step(const SgdOptions& options, std::vector<T> gradient, T scale, std::vector<T>& weight,
          std::vector<T>& velocity) {
  const auto numbers = sgd_numbers<T>(options);
  const Span<const T> numbers_view{numbers.data(), kSgdNumbers};
  const std::vector<T> scales = {scale};
  const SgdTensor<T> all{span(std::as_const(gradient)), span(weight), span(velocity)};
  cpu::sgd<T>({&all, 1}, numbers_view, span(scales));
}

template <class T>
void compare_with_pytorch(const char* name, double tolerance) {
  const test::Reference reference("sgd.txt");
  auto weight = reference.get<T>("weight");
  const auto gradients = reference.get<T>("gradients");
  std::vector<T> velocity(10, T{0});
  int i = 0;
  for (const double rate : {0.02, 0.05, 0.001, 0.01}) {
    const auto first = gradients.begin() + 10 * i++;
    // Given twice as large and halved by the clip's factor.
    std::vector<T> gradient(first, first + 10);
    for (T& g : gradient) g *= T{2};
    step<T>({rate, 0.9, 0.01}, gradient, T(0.5), weight, velocity);
  }
  EXPECT_TRUE(test::all_close(weight, reference.get<T>(name), tolerance, tolerance));
}

// Four steps of three roundings each; PyTorch may fuse multiply and add.
TEST(Sgd, DoubleAgreesWithPyTorch) { compare_with_pytorch<double>("double", 2e-15); }
TEST(Sgd, FloatAgreesWithPyTorch) { compare_with_pytorch<float>("float", 8e-7); }

TEST(Sgd, WithoutMomentumItIsPlainDescent) {
  std::vector<double> weight(40000, 1.0), velocity(40000, 5.0);
  step<double>({0.5, 0, 0.1}, std::vector<double>(40000, 2.0), 1, weight, velocity);
  EXPECT_THAT(weight, testing::Each(testing::DoubleEq(1 - 0.5 * 2.1)));
  EXPECT_THAT(velocity, testing::Each(testing::DoubleEq(2.1)));
}

TEST(Sgd, EmptyAndWrongSizes) {
  std::vector<float> none, two(2), three(3);
  step<float>({}, {}, 1, none, none);
  try {
    step<float>({}, two, 1, three, two);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::StartsWith("sgd: 3 weights, 2 gradients, 2 velocities"));
  }
}

}  // namespace
}  // namespace ktrain
