// The CUDA sums with mixed vectors against the CPU's, in double and in float.
#include "kernels/mixed_sum.h"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/boxes.h"
#include "tests/support/close.h"
#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using test::span;
using Floats = std::vector<float>;
using Doubles = std::vector<double>;

struct Case {
  std::int64_t vectors, size, remainder;  // -1: none
  std::int64_t offset = 0;
};

// Every third vector is empty but for the remainder; every fourth weight is 0.
struct Input {
  std::vector<Floats> vectors;
  Floats extra, before, now;
  Doubles mix, weights;
  Case c;

  explicit Input(const Case& shape) : c(shape) {
    for (std::int64_t k = 0; k < c.vectors; ++k) {
      const bool empty = k % 3 == 2 && k != c.remainder;
      vectors.push_back(test::random_floats(empty ? 0 : c.size, static_cast<unsigned>(k)));
      mix.push_back(0.1 * static_cast<double>(k) - 0.2);
      weights.push_back(k % 4 == 3 ? 0 : 0.3 * static_cast<double>(k) - 0.5);
    }
    extra = test::random_floats(c.size, 90);
    before = test::random_floats(c.size, 91);
    now = test::random_floats(c.size, 92);
  }
  [[nodiscard]] Remainder rest() const {
    return {c.remainder, 0.5, {mix.data(), c.remainder < 0 ? 0 : c.vectors}};
  }
};

template <class T>
struct Result {
  std::vector<T> sum;
  Doubles products;
};

template <class T>
Result<T> on_cpu(const Input& in) {
  std::vector<std::vector<T>> values;
  std::vector<Span<const T>> spans;
  for (const Floats& x : in.vectors) values.push_back(test::cast<T>(x));
  for (const std::vector<T>& x : values) spans.push_back(span(x));
  const std::vector<T> extra = test::cast<T>(in.extra), before = test::cast<T>(in.before),
                       now = test::cast<T>(in.now);
  Result<T> r{std::vector<T>(extra.size()), Doubles(values.size())};
  const Span<const Span<const T>> all = span(std::as_const(spans));
  cpu::mixed_sum<T>(all, in.rest(), {span(in.weights), span(extra), -0.7}, span(r.sum));
  cpu::change_products<T>(all, in.rest(), span(before), span(now), span(r.products), {});
  return r;
}

Result<float> on_device(const Input& in) {
  const Stream stream;
  CudaStream const s = stream.get();
  std::vector<DeviceView<float>> views;
  std::vector<Span<const float>> spans;
  views.reserve(in.vectors.size());
  for (const Floats& x : in.vectors) views.emplace_back(s, x, in.c.offset);
  for (const auto& view : views) spans.push_back(view.in());
  const DeviceView<float> extra(s, in.extra), before(s, in.before), now(s, in.now), sum(in.c.size);
  const DeviceView<double> products(in.c.vectors);
  const DeviceView<std::byte> scratch(change_products_scratch_bytes(in.c.vectors, in.c.size));
  const Span<const Span<const float>> all = span(std::as_const(spans));
  cuda::mixed_sum(s, all, in.rest(), {span(in.weights), extra.in(), -0.7}, sum.span());
  cuda::change_products(s, all, in.rest(), before.in(), now.in(), products.span(), scratch.span());
  return {sum.to_host(s), products.to_host(s)};
}

class MixedSumCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, MixedSumCuda,
                         testing::Values(Case{0, 5, -1}, Case{1, 0, -1}, Case{1, 1, 0},
                                         Case{2, 255, -1, 1}, Case{3, 2049, 2}, Case{8, 5000, 0},
                                         Case{16, 3001, 15, 1}, Case{7, test::large(400000), 3}));

TEST_P(MixedSumCuda, AgreesWithTheCpu) {
  KT_NEEDS_GPU();
  const Input in(GetParam());
  const Result<float> got = on_device(in), narrow = on_cpu<float>(in);
  const Result<double> wide = on_cpu<double>(in);
  EXPECT_TRUE(test::same_bits(got.sum, narrow.sum));
  // At most 18 terms below 5 are added as floats, whose remainder is a sum of 16 below 2.
  EXPECT_TRUE(test::all_close(got.sum, wide.sum, 34 * 5 * 6e-8, 0));
  // Doubles of the same floats, added in another order: numbers below 32, as many as elements.
  const double terms = 32.0 * static_cast<double>(in.c.size);
  EXPECT_TRUE(test::all_close(got.products, narrow.products, terms * 1e-14, 0));
  EXPECT_TRUE(test::all_close(got.products, wide.products, terms * 16 * 6e-8, 0));
}

TEST_P(MixedSumCuda, IsTheSameToTheBitAgain) {
  KT_NEEDS_GPU();
  const Input in(GetParam());
  const Result<float> first = on_device(in), again = on_device(in);
  EXPECT_TRUE(test::same_bits(again.sum, first.sum));
  EXPECT_TRUE(test::same_bits(again.products, first.products));
}

TEST(MixedSumCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const DeviceView<float> x(4), y(5);
  const std::vector<Span<const float>> spans = {x.in()};
  const Doubles weights = {1};
  const DeviceView<double> products(1);
  const auto all = span(spans);
  EXPECT_THAT(
      test::message_of([&] { cuda::mixed_sum(nullptr, all, {}, {span(weights)}, y.span()); }),
      testing::StartsWith("mixed_sum: vector 0 has 4 elements, 5 wanted"));
  EXPECT_THAT(test::message_of([&] {
                cuda::change_products(nullptr, all, {}, y.in(), x.in(), products.span(), {});
              }),
              testing::StartsWith("change_products: 5 elements before, 4 now"));
}

}  // namespace
}  // namespace ktrain
