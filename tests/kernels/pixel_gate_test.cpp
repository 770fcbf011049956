#include "kernels/pixel_gate.h"

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

template <class T>
PixelGate<T> gate_of(const std::vector<T>& w, const std::vector<T>& b, const std::vector<T>& s) {
  return {{w.data(), std::ssize(w)}, {b.data(), std::ssize(b)}, {s.data(), std::ssize(s)}};
}

template <class T>
std::vector<T> forward(const std::vector<T>& x, const std::vector<T>& w, const std::vector<T>& b,
                       const std::vector<T>& s) {
  const auto cols = std::ssize(w);
  std::vector<T> y(x.size(), T(NAN));
  cpu::pixel_gate_forward<T>({x.data(), std::ssize(x) / cols, cols}, gate_of(w, b, s),
                             {y.data(), std::ssize(x) / cols, cols});
  return y;
}

template <class T>
struct Gradients {
  std::vector<T> dx, dw, db, ds;
};

template <class T>
Gradients<T> backward(const std::vector<T>& x, const std::vector<T>& w, const std::vector<T>& b,
                      const std::vector<T>& s, const std::vector<T>& dy) {
  const std::int64_t cols = std::ssize(w), rows = std::ssize(x) / cols;
  Gradients<T> d{
      std::vector<T>(x.size(), T(NAN)), std::vector<T>(w.size(), T(NAN)), {T(NAN)}, {T(NAN)}};
  std::vector<std::byte> scratch(static_cast<std::size_t>(pixel_gate_scratch_bytes(rows, cols)));
  cpu::pixel_gate_backward<T>(
      {x.data(), rows, cols}, gate_of(w, b, s), {dy.data(), rows, cols},
      {{d.dx.data(), rows, cols}, {d.dw.data(), cols}, {d.db.data(), 1}, {d.ds.data(), 1}},
      {scratch.data(), std::ssize(scratch)});
  return d;
}

TEST(PixelGate, AmplifiesByTheProductOfTwoSigmoids) {
  // w x + b = log 3 opens to 3/4; a strength of 0 is 1/2; 800 and -800 saturate.
  const Vec y = forward<double>({std::log(3.0), 2, 800, 1, -800, 4}, {1, 0}, {0}, {0});
  EXPECT_TRUE(test::all_close(y, Vec{std::log(3.0) * 1.375, 2.75, 1200, 1.5, -800, 4}, 0, 1e-15));
  // A gate that has learned nothing, with the strength it starts with: 1 + 0.622 / 2.
  EXPECT_NEAR(forward<double>({1}, {0}, {0}, {0.5})[0], 1.3112, 1e-4);
}

TEST(PixelGate, GradientsMatchCentralDifferences) {
  for (const auto& [rows, cols] : {std::pair<std::size_t, std::size_t>{1, 1}, {7, 3}, {300, 2}}) {
    const Vec x = random_vec(rows * cols, 1), w = random_vec(cols, 2), b = {0.3}, s = {-0.4};
    const Vec dy = random_vec(rows * cols, 3);
    const auto d = backward(x, w, b, s, dy);
    // Values of order one: 1e-10 from the third derivative, 1e-11 by rounding, times 600 terms.
    EXPECT_LT(test::gradient_error([&](const Vec& v) { return forward(v, w, b, s); }, x, dy, d.dx),
              1e-8);
    EXPECT_LT(test::gradient_error([&](const Vec& v) { return forward(x, v, b, s); }, w, dy, d.dw),
              1e-8);
    EXPECT_LT(test::gradient_error([&](const Vec& v) { return forward(x, w, v, s); }, b, dy, d.db),
              1e-8);
    EXPECT_LT(test::gradient_error([&](const Vec& v) { return forward(x, w, b, v); }, s, dy, d.ds),
              1e-8);
  }
}

TEST(PixelGate, FloatAgreesWithDouble) {
  const Vec x = random_vec(600 * 8, 1), w = random_vec(8, 2), b = {0.3}, s = {-0.4};
  const Vec dy = random_vec(600 * 8, 3);
  const auto narrow = [](const Vec& v) { return std::vector<float>(v.begin(), v.end()); };
  EXPECT_TRUE(test::all_close(forward(narrow(x), narrow(w), narrow(b), narrow(s)),
                              forward(x, w, b, s), 1e-7, 5e-7));
  const auto want = backward(x, w, b, s, dy);
  const auto got = backward(narrow(x), narrow(w), narrow(b), narrow(s), narrow(dy));
  // Inputs are rounded to float; sums of 600 terms are taken in double.
  EXPECT_TRUE(test::all_close(got.dx, want.dx, 1e-6, 1e-6));
  EXPECT_TRUE(test::all_close(got.dw, want.dw, 5e-6, 1e-6));
  EXPECT_TRUE(test::all_close(got.db, want.db, 5e-6, 1e-6));
  EXPECT_TRUE(test::all_close(got.ds, want.ds, 5e-6, 1e-6));
}

TEST(PixelGate, NoPixelsGiveNoGradientAndWrongSizesThrow) {
  const auto d = backward<double>({}, {1, 2}, {0}, {0}, {});
  EXPECT_THAT(d.dw, testing::Each(0));
  EXPECT_EQ(d.ds[0], 0);
  Vec y(2);
  const Vec x = {1, 2}, w = {1, 2, 3}, one = {0};
  EXPECT_THAT(
      [&] {
        cpu::pixel_gate_forward<double>({x.data(), 1, 2}, gate_of(w, one, one), {y.data(), 1, 2});
      },
      testing::ThrowsMessage<Error>(testing::HasSubstr("w has 3 elements")));
}

}  // namespace
}  // namespace ktrain
