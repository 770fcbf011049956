#include "kernels/mixed_sum.h"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"
#include "tests/support/close.h"
#include "tests/support/gradcheck.h"

namespace ktrain {
namespace {

using test::Vec;
using testing::ElementsAre;

// Three vectors: the second is what the sum `total` leaves, the third is zeros.
struct Input {
  Vec first, total;
  std::vector<Span<const double>> spans;
  std::vector<double> mix = {0.5, 0, 7};
  explicit Input(std::size_t size)
      : first(test::random_vec(size, 1)), total(test::random_vec(size, 2)) {
    spans = {{first.data(), std::ssize(first)}, {total.data(), std::ssize(total)}, {}};
  }
  [[nodiscard]] Span<const Span<const double>> all() const { return {spans.data(), 3}; }
  [[nodiscard]] Remainder rest() const { return {1, 2.0, {mix.data(), 3}}; }
  [[nodiscard]] double second(std::size_t e) const { return (total[e] - 0.5 * first[e]) * 2.0; }
};

TEST(MixedSum, AddsWeightedVectorsAndTheExtraOne) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{300}, std::size_t{20000}}) {
    const Input in(size);
    const Vec extra = test::random_vec(size, 3);
    const std::vector<double> weights = {3, -1, 5};
    Vec out(size, NAN), want;
    cpu::mixed_sum<double>(in.all(), in.rest(),
                           {{weights.data(), 3}, {extra.data(), std::ssize(extra)}, 0.25},
                           {out.data(), std::ssize(out)});
    for (std::size_t e = 0; e < size; ++e)
      want.push_back(0 + 3 * in.first[e] + -1 * in.second(e) + 5 * 0.0 + 0.25 * extra[e]);
    EXPECT_TRUE(test::all_close(out, want, 0, 0));  // the same operations in the same order
  }
}

TEST(MixedSum, DoesNotReadWhatHasNoWeight) {
  const Vec broken = {NAN, NAN}, good = {1, 2};
  const std::vector<Span<const double>> spans = {{broken.data(), 2}, {good.data(), 2}};
  const std::vector<double> weights = {0, 2};
  Vec out(2);
  cpu::mixed_sum<double>({spans.data(), 2}, {}, {{weights.data(), 2}, {broken.data(), 2}, 0},
                         {out.data(), 2});
  EXPECT_THAT(out, ElementsAre(2, 4));
}

TEST(ChangeProducts, AreThoseOfEachVectorWithTheChange) {
  const Input in(5000);
  const Vec before = test::random_vec(5000, 4), now = test::random_vec(5000, 5);
  Vec out(3, NAN), want(3, 0.0);
  cpu::change_products<double>(in.all(), in.rest(), {before.data(), 5000}, {now.data(), 5000},
                               {out.data(), 3}, {});
  for (std::size_t e = 0; e < 5000; ++e) {
    want[0] += in.first[e] * (now[e] - before[e]);
    want[1] += in.second(e) * (now[e] - before[e]);
  }
  EXPECT_TRUE(test::all_close(out, want, 0, 0));
}

TEST(MixedSum, RefusesSizesThatDoNotAgree) {
  const Input in(4);
  Vec out(5), two(2);
  EXPECT_THAT(
      [&] {
        cpu::mixed_sum<double>(in.all(), in.rest(), {{two.data(), 2}}, {out.data(), 4});
      },
      testing::ThrowsMessage<Error>(testing::HasSubstr("2 weights")));
  EXPECT_THAT(
      [&] {
        cpu::mixed_sum<double>(in.all(), in.rest(), {{two.data(), 2}}, {out.data(), 5});
      },
      testing::ThrowsMessage<Error>(testing::HasSubstr("vector 0 has 4 elements, 5 wanted")));
  EXPECT_THAT(
      [&] {
        cpu::change_products<double>(in.all(), in.rest(), {out.data(), 5}, {out.data(), 4},
                                     {out.data(), 3}, {});
      },
      testing::ThrowsMessage<Error>(testing::HasSubstr("5 elements before, 4 now")));
}

}  // namespace
}  // namespace ktrain
