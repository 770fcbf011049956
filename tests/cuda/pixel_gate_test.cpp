// The CUDA gate of pixels against the CPU's, in double and in float.
#include "kernels/pixel_gate.h"

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
using Floats = std::vector<float>;

struct Case {
  std::int64_t pixels, channels;
};
class PixelGateCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, PixelGateCuda,
                         testing::Values(Case{1, 1}, Case{7, 3}, Case{31, 4}, Case{33, 64},
                                         Case{64, 33}, Case{50, 260}, Case{9, 700},
                                         Case{test::large(3000), 5}));

template <class T>
struct Result {
  std::vector<T> y, dx, dw, db, ds;
};

struct Inputs {
  Floats x, w, b, strength, dy;
};
Inputs inputs_of(Case c) {
  return {test::random_floats(c.pixels * c.channels, 1),
          test::random_floats(c.channels, 2),
          {0.3f},
          {-0.4f},
          test::random_floats(c.pixels * c.channels, 3)};
}

template <class T>
Result<T> on_cpu(const Inputs& in, Case c) {
  const std::vector<T> x = test::cast<T>(in.x), w = test::cast<T>(in.w), b = test::cast<T>(in.b),
                       s = test::cast<T>(in.strength), dy = test::cast<T>(in.dy);
  Result<T> r{std::vector<T>(x.size()), std::vector<T>(x.size()), std::vector<T>(w.size()),
              std::vector<T>(1), std::vector<T>(1)};
  const PixelGate<T> gate{test::span(w), test::span(b), test::span(s)};
  std::vector<std::byte> scratch(
      static_cast<std::size_t>(pixel_gate_scratch_bytes(c.pixels, c.channels)));
  cpu::pixel_gate_forward<T>({x.data(), c.pixels, c.channels}, gate,
                             {r.y.data(), c.pixels, c.channels});
  cpu::pixel_gate_backward<T>(
      {x.data(), c.pixels, c.channels}, gate, {dy.data(), c.pixels, c.channels},
      {{r.dx.data(), c.pixels, c.channels}, test::span(r.dw), test::span(r.db), test::span(r.ds)},
      test::span(scratch));
  return r;
}

Result<float> on_device(const Inputs& in, Case c, std::int64_t offset = 0, bool in_place = false) {
  const Stream stream;
  CudaStream const s = stream.get();
  const std::int64_t size = c.pixels * c.channels;
  const DeviceView<float> x(s, in.x, offset), w(s, in.w, offset), b(s, in.b),
      strength(s, in.strength), dy(s, in.dy, offset), y_own(size, offset), dx_own(size, offset),
      dw(c.channels, offset), db(1), ds(1);
  const DeviceView<std::byte> scratch(pixel_gate_scratch_bytes(c.pixels, c.channels));
  const DeviceView<float>&y = in_place ? x : y_own, &dx = in_place ? dy : dx_own;
  const PixelGate<float> gate{w.in(), b.in(), strength.in()};
  Result<float> r;
  cuda::pixel_gate_backward<float>(
      s, {x.data(), c.pixels, c.channels}, gate, {dy.data(), c.pixels, c.channels},
      {{dx.data(), c.pixels, c.channels}, dw.span(), db.span(), ds.span()}, scratch.span());
  r.dx = dx.to_host(s);
  r.dw = dw.to_host(s);
  r.db = db.to_host(s);
  r.ds = ds.to_host(s);
  cuda::pixel_gate_forward<float>(s, {x.data(), c.pixels, c.channels}, gate,
                                  {y.data(), c.pixels, c.channels});
  r.y = y.to_host(s);
  return r;
}

TEST_P(PixelGateCuda, AgreesWithTheCpu) {
  KT_NEEDS_GPU();
  const Case c = GetParam();
  const Inputs in = inputs_of(c);
  const Result<float> got = on_device(in, c), want = on_cpu<float>(in, c);
  const Result<double> wide = on_cpu<double>(in, c);
  // The same numbers in double, added in another order and rounded once: below 1e-13 by term. The
  // gain is a float, y its product with another: two roundings.
  EXPECT_TRUE(test::all_close(got.y, want.y, 0, 2.4e-7));
  EXPECT_TRUE(test::all_close(got.y, wide.y, 0, 2.4e-7));
  const double sums = 1e-13 * static_cast<double>(c.pixels);
  EXPECT_TRUE(test::all_close(got.dx, want.dx, 1e-13, 1.2e-7));
  EXPECT_TRUE(test::all_close(got.dw, want.dw, sums, 1.2e-7));
  EXPECT_TRUE(test::all_close(got.db, want.db, sums, 1.2e-7));
  EXPECT_TRUE(test::all_close(got.ds, want.ds, sums, 1.2e-7));
  EXPECT_TRUE(test::all_close(got.dx, wide.dx, 1e-13, 6.1e-8));
  EXPECT_TRUE(test::all_close(got.dw, wide.dw, sums, 6.1e-8));
  EXPECT_TRUE(test::all_close(got.db, wide.db, sums, 6.1e-8));
  EXPECT_TRUE(test::all_close(got.ds, wide.ds, sums, 6.1e-8));
}

TEST_P(PixelGateCuda, IsTheSameToTheBitAgainElsewhereAndInPlace) {
  KT_NEEDS_GPU();
  const Case c = GetParam();
  const Inputs in = inputs_of(c);
  const Result<float> first = on_device(in, c);
  for (const std::int64_t offset : {0, 1, 4}) {
    const Result<float> again = on_device(in, c, offset, offset == 4);
    EXPECT_TRUE(test::same_bits(again.y, first.y));
    EXPECT_TRUE(test::same_bits(again.dx, first.dx));
    EXPECT_TRUE(test::same_bits(again.dw, first.dw));
    EXPECT_TRUE(test::same_bits(again.db, first.db));
    EXPECT_TRUE(test::same_bits(again.ds, first.ds));
  }
}

TEST(PixelGateCudaValues, SaturatesWithoutOverflowAndShowsNans) {
  KT_NEEDS_GPU();
  const Inputs in{{800, 1, -800, 4, NAN, 1}, {1, 0}, {0}, {0}, {1, 1, 1, 1, 1, 1}};
  const Result<float> r = on_device(in, {3, 2});
  EXPECT_EQ(r.y[0], 1200);
  EXPECT_EQ(r.y[1], 1.5f);
  EXPECT_EQ(r.y[2], -800);
  EXPECT_EQ(r.y[3], 4);
  EXPECT_TRUE(std::isnan(r.y[5]) && std::isnan(r.dw[1]) && std::isnan(r.db[0]));
}

TEST(PixelGateCudaValues, NoPixelsGiveNoGradient) {
  KT_NEEDS_GPU();
  const Result<float> r = on_device({{}, {1, 2}, {0}, {0}, {}}, {0, 2});
  EXPECT_THAT(r.dw, testing::Each(0.0f));
  EXPECT_EQ(r.db[0], 0);
  EXPECT_EQ(r.ds[0], 0);
}

// More pixels than bands of one tile: a block walks over several tiles, the last one short.
TEST(PixelGateCudaLarge, BandsOfSeveralTiles) {
  KT_NEEDS_GPU();
  const Case c{kGateBands * kGateTile + 45, 1};
  ASSERT_EQ(gate_band(c.pixels), 2 * kGateTile);
  const Inputs in = inputs_of(c);
  const Result<float> got = on_device(in, c);
  const Result<double> want = on_cpu<double>(in, c);
  EXPECT_TRUE(test::all_close(got.dx, want.dx, 1e-13, 6.1e-8));
  EXPECT_TRUE(test::all_close(got.dw, want.dw, 2e-9, 6.1e-8));
  EXPECT_TRUE(test::all_close(got.ds, want.ds, 2e-9, 6.1e-8));
}

TEST(PixelGateCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> v(4), one(1);
  const DeviceView<std::byte> small(8);
  const auto backward = [&](const DeviceView<float>& strength) {
    return test::message_of([&] {
      const Rows<float> map{v.data(), 2, 2};
      cuda::pixel_gate_backward<float>(stream.get(), map, {{v.data(), 2}, one.in(), strength.in()},
                                       map, {map, {v.data(), 2}, one.span(), one.span()},
                                       small.span());
    });
  };
  EXPECT_THAT(backward(v), testing::HasSubstr("w has 2 elements, b 1, strength 4"));
  EXPECT_THAT(backward(one), testing::HasSubstr("scratch has 8 bytes, 64 or more wanted"));
}

}  // namespace
}  // namespace ktrain
