#include "kernels/gemm.h"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/bias_relu.h"
#include "tests/support/close.h"
#include "tests/support/gradcheck.h"
#include "tests/support/gradient_end.h"
#include "tests/support/message.h"
#include "tests/support/same_bits.h"
#include "tests/support/span.h"

namespace ktrain {
namespace {

using test::all_close;
using test::random_vec;

template <class T>
std::vector<T> draw(std::int64_t size, unsigned seed) {
  std::vector<T> values;
  for (const double v : random_vec(static_cast<std::size_t>(size), seed))
    values.push_back(narrow<T>(static_cast<Wide<T>>(v)));
  return values;
}

template <class T>
std::vector<T> multiply(std::int64_t m, std::int64_t n, std::int64_t k, bool with_bias,
                        const GemmOptions& options) {
  const auto a = draw<T>(m * k, 1), b = draw<T>(k * n, 2), bias = draw<T>(with_bias ? n : 0, 3);
  const Rows<const T> a_rows{a.data(), options.transpose_a ? k : m, options.transpose_a ? m : k};
  const Rows<const T> b_rows{b.data(), options.transpose_b ? n : k, options.transpose_b ? k : n};
  const Span<const T> bias_span{bias.data(), static_cast<std::int64_t>(bias.size())};
  std::vector<T> c(static_cast<std::size_t>(m * n), static_cast<T>(NAN));
  std::vector<T> workspace(static_cast<std::size_t>(
      cpu::gemm_workspace<T>(a_rows, b_rows, bias_span, {c.data(), m, n}, options)));
  cpu::gemm<T>(a_rows, b_rows, bias_span,
               {workspace.data(), static_cast<std::int64_t>(workspace.size())}, {c.data(), m, n},
               options);
  return c;
}

TEST(Gemm, AgreesWithAHandComputedProduct) {
  const std::vector<double> a = {1, 2, 3, 4, 5, 6}, b = {1, 0, -1, 2, 1, 0}, bias = {1, -20};
  std::vector<double> c(4);
  // [1 2 3; 4 5 6] [1 0; -1 2; 1 0] + bias
  cpu::gemm<double>({a.data(), 2, 3}, {b.data(), 3, 2}, {bias.data(), 2}, {}, {c.data(), 2, 2},
                    {.relu = true});
  EXPECT_EQ(c, (std::vector<double>{3, 0, 6, 0}));
}

TEST(Gemm, EnginesAgreeOnEveryForm) {
  const std::int64_t sizes[][3] = {{1, 1, 1},    {3, 5, 7},     {16, 16, 16}, {31, 33, 32},
                                   {128, 2, 65}, {64, 48, 300}, {5, 3, 0},    {0, 4, 4}};
  for (const auto& [m, n, k] : sizes)
    for (int form = 0; form < 16; ++form) {
      GemmOptions options{(form & 1) != 0, (form & 2) != 0, (form & 4) != 0,
                          GemmEngine::kReference};
      const bool with_bias = (form & 8) != 0;
      const auto want = multiply<double>(m, n, k, with_bias, options);
      for (const auto engine : {GemmEngine::kReference, GemmEngine::kOneDnn, GemmEngine::kAuto}) {
        options.engine = engine;
        // A sum of k + 1 terms in [-1, 1], rounded in any order: about eps * terms, times 4.
        const double tolerance = 4 * 1.2e-7 * static_cast<double>(k + 1);
        EXPECT_TRUE(all_close(multiply<float>(m, n, k, with_bias, options), want, tolerance, 1e-6))
            << m << 'x' << n << 'x' << k << " form " << form << " engine "
            << static_cast<int>(engine);
      }
    }
}

TEST(Gemm, TheSameCallGivesTheSameBits) {
  const auto first = multiply<float>(96, 130, 257, true, {.transpose_b = true, .relu = true});
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(multiply<float>(96, 130, 257, true, {.transpose_b = true, .relu = true}), first);
}

// What a product does beside c is what separate passes do afterwards.
template <class T>
void expect_sides(std::int64_t m, std::int64_t n, std::int64_t k) {
  const auto a = draw<T>(k * m, 1), b = draw<T>(k * n, 2), add = draw<T>(m * n, 3);
  auto positive = draw<T>(m * n, 4);
  test::plant_borders(positive);
  const Rows<const T> a_rows{a.data(), k, m}, b_rows{b.data(), k, n};
  std::vector<Wide<T>> sums(static_cast<std::size_t>(m), NAN), want_sums(sums.size());
  const auto product = [&](const GemmSides<T>& sides) {
    std::vector<T> c(static_cast<std::size_t>(m * n));
    const GemmOptions options{.transpose_a = true};
    std::vector<Wide<T>> workspace(static_cast<std::size_t>(
        cpu::gemm_workspace<T>(a_rows, b_rows, {}, {nullptr, m, n}, options, sides)));
    cpu::gemm<T>(a_rows, b_rows, {}, test::mutable_span(workspace), {c.data(), m, n}, options,
                 sides);
    return c;
  };
  std::vector<Wide<T>> workspace(static_cast<std::size_t>(cpu::bias_relu_backward_workspace(k, m)));
  cpu::bias_relu_backward<T>({}, a_rows, test::mutable_span(workspace), {},
                             test::mutable_span(want_sums));
  const GemmSides<T> sides{{test::span(add), test::span(positive)}, test::mutable_span(sums)};
  EXPECT_TRUE(test::same_bits(product(sides), test::with_end(product({}), add, positive, 3)));
  EXPECT_TRUE(test::same_bits(sums, want_sums));
}

TEST(Gemm, SidesHaveTheBitsOfSeparatePasses) {
  const std::int64_t sizes[][3] = {{1, 1, 1}, {3, 5, 7}, {31, 33, 320}, {5, 3, 0}, {4, 0, 9}};
  for (const auto& [m, n, k] : sizes) {
    expect_sides<float>(m, n, k);
    expect_sides<double>(m, n, k);
    expect_sides<Bfloat16>(m, n, k);
  }
}

TEST(Gemm, WrongShapesSayWhatWasFound) {
  std::vector<float> data(64), c(64);
  using ::testing::HasSubstr;
  EXPECT_THAT(
      test::message_of([&] {
        cpu::gemm<float>({data.data(), 2, 3}, {data.data(), 2, 3}, {}, {}, {c.data(), 2, 3}, {});
      }),
      HasSubstr("gemm: op(a) is 2x3, op(b) 2x3, c 2x3"));
  EXPECT_THAT(test::message_of([&] {
                cpu::gemm<float>({data.data(), 2, 3}, {data.data(), 2, 3}, {data.data(), 3}, {},
                                 {c.data(), 2, 2}, {.transpose_b = true});
              }),
              HasSubstr("gemm: bias has 3 elements, wanted 2 or none"));
  std::vector<double> one(1);
  EXPECT_THAT(test::message_of([&] {
                cpu::gemm<double>({one.data(), 1, 1}, {one.data(), 1, 1}, {}, {},
                                  {one.data(), 1, 1}, {.engine = GemmEngine::kOneDnn});
              }),
              HasSubstr("engine onednn computes in float only"));
}

}  // namespace
}  // namespace ktrain
