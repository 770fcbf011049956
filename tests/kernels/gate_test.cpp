#include "kernels/gate.h"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/check.h"
#include "tests/support/close.h"
#include "tests/support/gradcheck.h"

namespace ktrain {
namespace {

using test::random_vec;
using test::Vec;

Span<const double> view(const Vec& x) { return {x.data(), static_cast<std::int64_t>(x.size())}; }
Span<double> view(Vec& x) { return {x.data(), static_cast<std::int64_t>(x.size())}; }

Vec gate(const Vec& z, const Vec& a, const Vec& b) {
  Vec y(z.size(), NAN);
  cpu::gate_forward(view(z), view(a), view(b), view(y));
  return y;
}

TEST(Gate, BlendsByTheSigmoid) {
  const Vec y = gate({0, 800, -800, std::log(3.0)}, {1, 2, 3, 4}, {3, 5, 7, 8});
  // log(3) gives a gate of 3/4; +-800 saturate without overflow.
  EXPECT_TRUE(test::all_close(y, Vec{2, 2, 7, 5}, 0, 1e-15));
  EXPECT_TRUE(std::isnan(gate({NAN}, {1}, {2})[0]));
}

TEST(Gate, GradientsMatchCentralDifferences) {
  for (const std::size_t size : {0u, 1u, 33u}) {
    const Vec z = random_vec(size, 1, -3, 3), a = random_vec(size, 2), b = random_vec(size, 3);
    const Vec dy = random_vec(size, 4);
    Vec dz(size), da(size), db(size);
    cpu::gate_backward<double>(view(z), view(a), view(b), view(dy), view(dz), view(da), view(db));
    // Central differences of step 1e-5 are good to about 1e-10 on values of order one.
    EXPECT_LT(test::gradient_error([&](const Vec& v) { return gate(v, a, b); }, z, dy, dz), 1e-9);
    EXPECT_LT(test::gradient_error([&](const Vec& v) { return gate(z, v, b); }, a, dy, da), 1e-9);
    EXPECT_LT(test::gradient_error([&](const Vec& v) { return gate(z, a, v); }, b, dy, db), 1e-9);
  }
}

TEST(Gate, LeavesOutWhatIsNotWanted) {
  const Vec x = {0.5}, dy = {2};
  Vec da(1, NAN);
  cpu::gate_backward<double>(view(x), view(x), view(x), view(dy), {}, view(da), {});
  EXPECT_NEAR(da[0], 2 / (1 + std::exp(-0.5)), 1e-15);
}

TEST(Gate, RefusesSizesThatDoNotAgree) {
  EXPECT_THAT(
      [] {
        gate({1, 2}, {1}, {1, 2});
      },
      testing::ThrowsMessage<Error>(testing::HasSubstr("z has 2 elements, a 1, b 2, y 2")));
}

}  // namespace
}  // namespace ktrain
