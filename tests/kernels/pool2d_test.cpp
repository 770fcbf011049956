#include "kernels/pool2d.h"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/gradcheck.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::random_vec;
using test::Vec;

struct Map {
  std::int64_t batch, height, width, channels;
};

struct Pooled {
  Vec y;
  std::vector<std::uint8_t> taken;
};

Nhwc<const double> view(const Vec& v, const Map& m) {
  return {v.data(), m.batch, m.height, m.width, m.channels};
}

Map pooled_map(const Map& m, const PoolOptions& options) {
  return {m.batch, pool_out_size(m.height, options), pool_out_size(m.width, options), m.channels};
}

Pooled pool(const Vec& x, const Map& m, const PoolOptions& options, bool keep = true) {
  const Map o = pooled_map(m, options);
  const auto size = static_cast<std::size_t>(o.batch * o.height * o.width * o.channels);
  Pooled out{Vec(size, NAN), std::vector<std::uint8_t>(keep ? size : 0, 255)};
  const Nhwc<std::uint8_t> taken =
      keep ? Nhwc<std::uint8_t>{out.taken.data(), o.batch, o.height, o.width, o.channels}
           : Nhwc<std::uint8_t>{};
  cpu::max_pool_forward<double>(view(x, m), {out.y.data(), o.batch, o.height, o.width, o.channels},
                                taken, options);
  return out;
}

Vec pool_backward(const Vec& dy, const Pooled& pooled, const Map& m, const PoolOptions& options) {
  const Map o = pooled_map(m, options);
  Vec dx(static_cast<std::size_t>(m.batch * m.height * m.width * m.channels), NAN);
  const Nhwc<const std::uint8_t> taken =
      pooled.taken.empty()
          ? Nhwc<const std::uint8_t>{}
          : Nhwc<const std::uint8_t>{pooled.taken.data(), o.batch, o.height, o.width, o.channels};
  cpu::max_pool_backward<double>(view(dy, o), taken,
                                 {dx.data(), m.batch, m.height, m.width, m.channels}, options);
  return dx;
}

TEST(MaxPool, AgreesWithAHandComputedMap) {
  // 3x3/2 with padding 1 over a 3x4 map.
  const Vec x = {1, 5, 2, 0, 3, 4, 9, 1, 7, 8, 6, 2};
  const Pooled got = pool(x, {1, 3, 4, 1}, {});
  EXPECT_EQ(got.y, (Vec{5, 9, 8, 9}));
  EXPECT_EQ(got.taken, (std::vector<std::uint8_t>{5, 7, 5, 1}));
  EXPECT_EQ(pool_backward({1, 2, 3, 4}, got, {1, 3, 4, 1}, {}),
            (Vec{0, 1, 0, 0, 0, 0, 6, 0, 0, 3, 0, 0}));
}

TEST(MaxPool, BackwardIsTheDerivative) {
  const Map maps[] = {{1, 1, 1, 1}, {2, 5, 4, 3}, {1, 6, 7, 2}};
  const PoolOptions all_options[] = {{3, 2, 1}, {2, 2, 0}, {1, 2, 0}, {3, 1, 1}, {3, 3, 0}};
  for (const Map& m : maps)
    for (const PoolOptions& options : all_options) {
      // Distinct values: at a tie the maximum has no derivative.
      const Vec x =
          random_vec(static_cast<std::size_t>(m.batch * m.height * m.width * m.channels), 1);
      const Pooled pooled = pool(x, m, options);
      const Vec dy = random_vec(pooled.y.size(), 2);
      EXPECT_LT(test::gradient_error([&](const Vec& v) { return pool(v, m, options).y; }, x, dy,
                                     pool_backward(dy, pooled, m, options)),
                1e-8)
          << m.height << 'x' << m.width << " taps " << options.taps;
    }
}

TEST(MaxPool, SubsamplingNeedsNoIndices) {
  const Vec x = random_vec(2 * 5 * 3 * 2, 1);
  const Map m{2, 5, 3, 2};
  const PoolOptions options{1, 2, 0};
  const Pooled pooled = pool(x, m, options, false);
  EXPECT_EQ(pooled.y[2 * 2 * 2 + 1], x[(2 * 3 + 2 * 0) * 2 + 2 * 3 * 2 + 1]);
  EXPECT_EQ(pooled.y, pool(x, m, options).y);
  const Vec dy = random_vec(pooled.y.size(), 2);
  EXPECT_EQ(pool_backward(dy, pooled, m, options),
            pool_backward(dy, pool(x, m, options), m, options));
}

TEST(MaxPool, TheFirstOfEqualsTakesTheGradient) {
  const Pooled got = pool({3, 3, 3, 3}, {1, 2, 2, 1}, {2, 2, 0});
  EXPECT_EQ(pool_backward({1}, got, {1, 2, 2, 1}, {2, 2, 0}), (Vec{1, 0, 0, 0}));
}

TEST(MaxPool, ANaNIsTheMaximumWhereverItStands) {
  for (std::size_t at = 0; at < 4; ++at) {
    Vec x = {1, 2, 3, INFINITY};
    x[at] = NAN;
    EXPECT_TRUE(std::isnan(pool(x, {1, 2, 2, 1}, {2, 2, 0}).y[0])) << at;
  }
  EXPECT_EQ(pool(Vec(4, -INFINITY), {1, 2, 2, 1}, {2, 2, 0}).y, Vec(1, -INFINITY));
}

TEST(MaxPool, EmptyMapsAreNoWork) {
  EXPECT_TRUE(pool({}, {0, 4, 4, 2}, {}).y.empty());
  // A map smaller than the window without padding has no output, and its gradient is zero.
  EXPECT_EQ(pool_backward({}, pool({1, 2}, {1, 1, 2, 1}, {3, 1, 0}), {1, 1, 2, 1}, {3, 1, 0}),
            Vec(2, 0.0));
}

TEST(MaxPool, WrongCallsSayWhatWasWanted) {
  using ::testing::HasSubstr;
  Vec x(16), y(16);
  const auto run = [&](Nhwc<double> out, const PoolOptions& options) {
    return test::message_of([&] {
      cpu::max_pool_forward<double>({x.data(), 1, 4, 4, 1}, out, {}, options);
    });
  };
  EXPECT_THAT(run({y.data(), 1, 2, 3, 1}, {}), HasSubstr("y is 1x2x3x1, wanted 1x2x2x1"));
  EXPECT_THAT(run({y.data(), 1, 2, 2, 1}, {3, 2, 2}), HasSubstr("at most half a window"));
  EXPECT_THAT(
      test::message_of([&] {
        cpu::max_pool_backward<double>({y.data(), 1, 2, 2, 1}, {}, {x.data(), 1, 4, 4, 1}, {});
      }),
      HasSubstr("max_pool_backward: taken is missing"));
}

}  // namespace
}  // namespace ktrain
