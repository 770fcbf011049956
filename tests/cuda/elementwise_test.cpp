// The CUDA arithmetic against the CPU's, in float: the same operations in the same order and no
// contraction on either side, so that every bit must agree.
#include "kernels/elementwise.h"

#include <cmath>
#include <functional>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using Floats = std::vector<float>;
using In = Span<const float>;
using Out = Span<float>;

struct Case {
  std::int64_t size, offset;  // in elements from an aligned address
};

class ElementwiseCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Sizes, ElementwiseCuda,
                         testing::Values(Case{0, 0}, Case{1, 0}, Case{3, 1}, Case{4, 0},
                                         Case{31, 0}, Case{33, 2}, Case{1023, 0}, Case{1024, 0},
                                         Case{1025, 3}, Case{4097, 0},
                                         Case{test::large(200003), 0}));

using OnDevice = std::function<void(CudaStream, In a, In b, Out y)>;
using OnHost = std::function<void(In a, In b, Out y)>;

// y starts with values of its own, for the operations that add to it.
void expect_same(Case c, const char* name, const OnDevice& device, const OnHost& host) {
  const Stream stream;
  Floats a = test::random_floats(c.size, 1), y = test::random_floats(c.size, 3);
  const Floats b = test::random_floats(c.size, 2);
  for (std::size_t i = 0; i < a.size(); i += 7) a[i] = 0;
  if (a.size() > 2) a[2] = NAN;
  const DeviceView<float> da(stream.get(), a, c.offset), db(stream.get(), b, c.offset);
  for (int run = 0; run < 2; ++run) {
    const DeviceView<float> dy(stream.get(), y, c.offset);
    device(stream.get(), da.in(), db.in(), dy.span());
    Floats want = y;
    host({a.data(), c.size}, {b.data(), c.size}, {want.data(), c.size});
    EXPECT_TRUE(test::same_bits(dy.to_host(stream.get()), want)) << name << ", run " << run;
  }
}

TEST_P(ElementwiseCuda, UnaryAgreesToTheBit) {
  KT_NEEDS_GPU();
  const Case c = GetParam();
  expect_same(
      c, "fill", [](CudaStream s, In, In, Out y) { cuda::fill(s, y, 0.3); },
      [](In, In, Out y) { cpu::fill(y, 0.3); });
  expect_same(
      c, "copy", [](CudaStream s, In a, In, Out y) { cuda::copy(s, a, y); },
      [](In a, In, Out y) { cpu::copy(a, y); });
  expect_same(
      c, "scale", [](CudaStream s, In a, In, Out y) { cuda::scale(s, a, y, 0.7); },
      [](In a, In, Out y) { cpu::scale(a, y, 0.7); });
  expect_same(
      c, "relu", [](CudaStream s, In a, In, Out y) { cuda::relu_forward<float>(s, a, y); },
      [](In a, In, Out y) { cpu::relu_forward(a, y); });
  expect_same(
      c, "accumulate", [](CudaStream s, In a, In, Out y) { cuda::accumulate<float>(s, a, y); },
      [](In a, In, Out y) { cpu::accumulate(a, y); });
  expect_same(
      c, "accumulate_scaled",
      [](CudaStream s, In a, In, Out y) { cuda::accumulate_scaled(s, a, y, -1.3); },
      [](In a, In, Out y) { cpu::accumulate_scaled(a, y, -1.3); });
  expect_same(
      c, "blend", [](CudaStream s, In a, In, Out y) { cuda::blend(s, a, y, 0.9); },
      [](In a, In, Out y) { cpu::blend(a, y, 0.9); });
  for (const double keep : {0.0, 0.9})
    expect_same(
        c, "move_toward", [=](CudaStream s, In a, In, Out y) { cuda::move_toward(s, a, y, keep); },
        [=](In a, In, Out y) { cpu::move_toward(a, y, keep); });
}

TEST_P(ElementwiseCuda, BinaryAgreesToTheBit) {
  KT_NEEDS_GPU();
  const Case c = GetParam();
  expect_same(
      c, "add", [](CudaStream s, In a, In b, Out y) { cuda::add<float>(s, a, b, y); },
      [](In a, In b, Out y) { cpu::add(a, b, y); });
  expect_same(
      c, "multiply", [](CudaStream s, In a, In b, Out y) { cuda::multiply(s, a, b, y); },
      [](In a, In b, Out y) { cpu::multiply(a, b, y); });
  expect_same(
      c, "relu_backward",
      [](CudaStream s, In a, In b, Out y) { cuda::relu_backward<float>(s, a, b, y); },
      [](In a, In b, Out y) { cpu::relu_backward(a, b, y); });
}

TEST_P(ElementwiseCuda, WhatIsReadFromMemoryAgreesToTheBit) {
  KT_NEEDS_GPU();
  const Case c = GetParam();
  const Stream stream;
  const Floats numbers = {0.25f, -3.0f, 0.1f};
  const DeviceView<float> on_device(stream.get(), numbers);
  for (const Floats& factors : {Floats{0.9f, 0.1f}, Floats{0, 2}}) {
    const DeviceView<float> there(stream.get(), factors);
    expect_same(
        c, "blend_by", [&](CudaStream s, In a, In, Out y) { cuda::blend_by(s, a, y, there.in()); },
        [&](In a, In, Out y) {
          cpu::blend_by(a, y, In{factors.data(), 2});
        });
  }
  expect_same(
      c, "scale_by",
      [&](CudaStream s, In a, In, Out y) {
        cuda::scale_by(s, a, {on_device.data(), 1}, y);
      },
      [&](In a, In, Out y) {
        cpu::scale_by(a, In{numbers.data(), 1}, y);
      });
  const auto terms = [](In a, In b, Out y) {  // y is an input and the output
    Terms<float> t;
    t.terms[0] = a, t.terms[1] = b, t.terms[2] = y;
    t.count = 3;
    return t;
  };
  expect_same(
      c, "weighted_sum",
      [&](CudaStream s, In a, In b, Out y) {
        cuda::weighted_sum(s, terms(a, b, y), on_device.in(), y);
      },
      [&](In a, In b, Out y) {
        cpu::weighted_sum(terms(a, b, y), In{numbers.data(), 3}, y);
      });
  expect_same(
      c, "weighted_sum of nothing",
      [&](CudaStream s, In, In, Out y) { cuda::weighted_sum(s, {}, In{}, y); },
      [&](In, In, Out y) { cpu::weighted_sum(Terms<float>{}, In{}, y); });
}

TEST(ElementwiseCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> x(3), y(4);
  EXPECT_EQ(test::message_of([&] {
              cuda::copy(stream.get(), x.in(), y.span());
            }).rfind("copy: an input has 3 elements, the output 4", 0),
            0u);
  EXPECT_EQ(test::message_of([&] {
              cuda::weighted_sum(stream.get(), {}, x.in(), y.span());
            }).rfind("weighted_sum: 3 weights for 0 terms", 0),
            0u);
}

}  // namespace
}  // namespace ktrain
