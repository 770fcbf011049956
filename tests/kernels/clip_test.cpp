#include "kernels/clip.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"
#include "kernels/parallel.h"
#include "tests/support/boxes.h"
#include "tests/support/close.h"
#include "tests/support/gradcheck.h"
#include "tests/support/reference.h"

namespace ktrain {
namespace {

using test::span;

template <class T>
struct Clip {
  T norm;
  T factor;
};

template <class T>
Clip<T> run(const std::vector<Span<const T>>& gradients, double most) {
  std::vector<T> norm(1), factor(1);
  std::vector<std::byte> scratch(static_cast<std::size_t>(clip_scratch_bytes(span(gradients))));
  cpu::clip_factor(span(gradients), span(norm), span(factor), span(scratch), most);
  return {norm[0], factor[0]};
}

TEST(Clip, AgreesWithPyTorch) {
  const test::Reference reference("clip.txt");
  const auto x = reference.get("x");
  const std::vector<Span<const double>> parts = {
      {&x[0], 1}, {&x[1], 20}, {nullptr, 0}, {&x[21], 9}};
  for (const auto& [name, most] : {std::pair<std::string, double>{"tight", 1.5}, {"loose", 100}}) {
    const Clip<double> got = run(parts, most);
    EXPECT_NEAR(got.norm, reference.get(name + "_norm").at(0), 1e-14);
    std::vector<double> clipped = x;
    for (double& v : clipped) v *= got.factor;
    EXPECT_TRUE(test::all_close(clipped, reference.get(name + "_clipped"), 1e-15, 1e-14));
  }
}

TEST(Clip, SameBitsOnAnyNumberOfThreads) {
  std::vector<float> x;
  for (const double v : test::random_vec(300007, 1)) x.push_back(static_cast<float>(v));
  const std::vector<Span<const float>> parts = {
      {&x[0], 200001}, {&x[200001], 6}, {&x[200007], 100000}};
  const int threads = num_threads();
  set_num_threads(1);
  const Clip<float> one = run(parts, 3.0);
  set_num_threads(3);
  const Clip<float> many = run(parts, 3.0);
  set_num_threads(threads);
  EXPECT_EQ(one.norm, many.norm);
  EXPECT_EQ(one.factor, many.factor);
  double total = 0;
  for (const float v : x) total += static_cast<double>(v) * static_cast<double>(v);
  EXPECT_FLOAT_EQ(one.norm, static_cast<float>(std::sqrt(total)));
}

TEST(Clip, NothingAndBrokenGradients) {
  EXPECT_EQ(run<double>({}, 1).norm, 0.0);
  EXPECT_EQ(run<double>({}, 1).factor, 1.0);
  const double nan = NAN, inf = INFINITY, one = 1;
  EXPECT_TRUE(std::isnan(run<double>({{&one, 1}, {&nan, 1}}, 1).factor));
  EXPECT_EQ(run<double>({{&inf, 1}}, 1).norm, inf);
  EXPECT_EQ(run<double>({{&inf, 1}}, 1).factor, 0.0);
  EXPECT_EQ(run<double>({{&one, 1}}, inf).factor, 1.0);
}

TEST(Clip, AFloatGradientTooLargeToSquareIsMeasured) {
  const float huge = 1e30f;
  EXPECT_FLOAT_EQ(run<float>({{&huge, 1}}, 1).norm, 1e30f);
}

TEST(Clip, WrongLimitIsAnError) {
  try {
    (void)run<double>({}, 0);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::StartsWith("clip_factor: max_norm is 0"));
  }
}

}  // namespace
}  // namespace ktrain
