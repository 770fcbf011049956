// The CUDA gate against the CPU's, in double and in float.
#include "kernels/gate.h"

#include <array>
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
  std::int64_t size, offset;
};
class GateCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Sizes, GateCuda,
                         testing::Values(Case{0, 0}, Case{1, 0}, Case{3, 1}, Case{33, 2},
                                         Case{1024, 0}, Case{1025, 3},
                                         Case{test::large(50003), 0}));

template <class T>
struct Result {
  std::vector<T> y, dz, da, db;
};

struct Inputs {
  Floats z, a, b, dy;
};
Inputs inputs_of(std::int64_t size) {
  return {test::random_floats(size, 1, -12, 12), test::random_floats(size, 2, -3, 3),
          test::random_floats(size, 3, -3, 3), test::random_floats(size, 4)};
}

template <class T>
Result<T> on_cpu(const Inputs& in) {
  const std::vector<T> z = test::cast<T>(in.z), a = test::cast<T>(in.a), b = test::cast<T>(in.b),
                       dy = test::cast<T>(in.dy);
  const std::vector<T> empty(z.size());
  Result<T> r{empty, empty, empty, empty};
  cpu::gate_forward<T>(test::span(z), test::span(a), test::span(b), test::span(r.y));
  cpu::gate_backward<T>(test::span(z), test::span(a), test::span(b), test::span(dy),
                        test::span(r.dz), test::span(r.da), test::span(r.db));
  return r;
}

// Outputs that are not wanted stay empty.
Result<float> on_device(const Inputs& in, std::int64_t offset, bool in_place = false,
                        std::array<bool, 3> wanted = {true, true, true}) {
  const Stream stream;
  CudaStream const s = stream.get();
  const auto size = static_cast<std::int64_t>(in.z.size());
  const DeviceView<float> z(s, in.z, offset), a(s, in.a, offset), b(s, in.b, offset),
      dy(s, in.dy, offset), own(size, offset), dz(size, offset), da(size, offset), db(size, offset);
  Result<float> r;
  const auto out = [&](int i, const DeviceView<float>& d) {
    return wanted[static_cast<std::size_t>(i)] ? d.span() : Span<float>{};
  };
  cuda::gate_backward<float>(s, z.in(), a.in(), b.in(), dy.in(), out(0, dz), out(1, da),
                             out(2, db));
  if (wanted[0]) r.dz = dz.to_host(s);
  if (wanted[1]) r.da = da.to_host(s);
  if (wanted[2]) r.db = db.to_host(s);
  const DeviceView<float>& y = in_place ? z : own;
  cuda::gate_forward<float>(s, z.in(), a.in(), b.in(), y.span());
  r.y = y.to_host(s);
  return r;
}

template <class T>
void expect_close(const Result<float>& got, const Result<T>& want) {
  // expf to two units of 6e-8, four more operations: g to 3e-7, as is 1 - g, absolutely; times
  // numbers below 3, below 1, below 6.
  EXPECT_TRUE(test::all_close(got.y, want.y, 2e-6, 0));
  EXPECT_TRUE(test::all_close(got.da, want.da, 4e-7, 0));
  EXPECT_TRUE(test::all_close(got.db, want.db, 4e-7, 0));
  EXPECT_TRUE(test::all_close(got.dz, want.dz, 2e-6, 0));
}

TEST_P(GateCuda, AgreesWithTheCpu) {
  KT_NEEDS_GPU();
  const Inputs in = inputs_of(GetParam().size);
  const Result<float> got = on_device(in, GetParam().offset);
  expect_close(got, on_cpu<double>(in));
  expect_close(got, on_cpu<float>(in));
}

TEST_P(GateCuda, IsTheSameToTheBitAgainElsewhereAndInParts) {
  KT_NEEDS_GPU();
  const auto [size, offset] = GetParam();
  const Inputs in = inputs_of(size);
  const Result<float> first = on_device(in, offset);
  for (const std::int64_t at : {offset, offset + 1}) {
    const Result<float> again = on_device(in, at, at != offset);
    EXPECT_TRUE(test::same_bits(again.y, first.y));
    EXPECT_TRUE(test::same_bits(again.dz, first.dz));
    EXPECT_TRUE(test::same_bits(again.da, first.da));
    EXPECT_TRUE(test::same_bits(again.db, first.db));
  }
  EXPECT_TRUE(test::same_bits(on_device(in, 0, false, {true, false, false}).dz, first.dz));
  EXPECT_TRUE(test::same_bits(on_device(in, 0, false, {false, true, false}).da, first.da));
  EXPECT_TRUE(test::same_bits(on_device(in, 0, false, {false, false, true}).db, first.db));
}

TEST(GateCudaValues, SaturateWithoutOverflowAndKeepNans) {
  KT_NEEDS_GPU();
  const Result<float> r =
      on_device({{1e4f, -1e4f, INFINITY, NAN}, {1, 1, 1, 1}, {2, 2, 2, 2}, {1, 1, 1, 1}}, 0);
  EXPECT_EQ(r.y[0], 1);
  EXPECT_EQ(r.y[1], 2);
  EXPECT_EQ(r.y[2], 1);
  EXPECT_TRUE(std::isnan(r.y[3]) && std::isnan(r.da[3]));
  EXPECT_EQ(r.dz[0], 0);
}

TEST(GateCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> two(2), three(3);
  EXPECT_THAT(test::message_of([&] {
                cuda::gate_forward<float>(stream.get(), two.in(), three.in(), two.in(), two.span());
              }),
              testing::StartsWith("gate_forward: z has 2 elements, a 3, b 2, y 2"));
  EXPECT_THAT(test::message_of([&] {
                cuda::gate_backward<float>(stream.get(), two.in(), two.in(), two.in(), two.in(), {},
                                           three.span(), {});
              }),
              testing::HasSubstr("dz 0, da 3, db 0"));
}

}  // namespace
}  // namespace ktrain
