// The CUDA box coding against the CPU's, in double and in float.
#include "kernels/box_codec.h"

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

template <class T>
using Code = void (*)(Rows<const T>, Rows<const T>, Rows<T>, const BoxCoding&);
using CudaCode = void (*)(CudaStream, Rows<const float>, Rows<const float>, Rows<float>,
                          const BoxCoding&);

Floats on_device(CudaCode code, const Floats& references, const Floats& in, const BoxCoding& coding,
                 std::int64_t offset) {
  const Stream stream;
  const DeviceView<float> a(stream.get(), references, offset), b(stream.get(), in, offset),
      out(static_cast<std::int64_t>(in.size()), offset);
  const auto size = static_cast<std::int64_t>(in.size() / 4);
  code(stream.get(), {a.data(), size, 4}, {b.data(), size, 4}, {out.data(), size, 4}, coding);
  return out.to_host(stream.get());
}

template <class T>
std::vector<T> on_cpu(Code<T> code, const Floats& references, const Floats& in,
                      const BoxCoding& coding) {
  const std::vector<T> a = test::cast<T>(references), b = test::cast<T>(in);
  std::vector<T> out(in.size());
  code(test::rows(a, 4), test::rows(b, 4), test::rows(out, 4), coding);
  return out;
}

struct Case {
  std::int64_t rows, offset;
};
class BoxCodecCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Sizes, BoxCodecCuda,
                         testing::Values(Case{0, 0}, Case{1, 1}, Case{255, 0}, Case{257, 3},
                                         Case{test::large(70001), 0}));

TEST_P(BoxCodecCuda, AgreesWithTheCpu) {
  KT_NEEDS_GPU();
  const auto [rows, offset] = GetParam();
  const auto count = static_cast<std::size_t>(rows);
  const Floats references = test::random_boxes<float>(count, 1, 600, 300);
  const Floats boxes = test::random_boxes<float>(count, 2, 600, 300);
  const Floats deltas = test::random_floats(rows * 4, 3, -5, 5);
  for (const BoxCoding& coding : {BoxCoding{}, kRoiCoding, BoxCoding{{1, 2, 3, 4}, {5, 6, 7, 8}}}) {
    const Floats encoded = on_device(cuda::encode_boxes, references, boxes, coding, offset);
    // Logarithms and what follows them: some roundings of numbers below 10, divided by 0.1.
    EXPECT_TRUE(test::all_close(
        encoded, on_cpu<float>(cpu::encode_boxes<float>, references, boxes, coding), 1e-5, 1e-6));
    // Centres are differences of numbers up to 900, divided by sides of 1 at least and by 0.1.
    EXPECT_TRUE(test::all_close(
        encoded, on_cpu<double>(cpu::encode_boxes<double>, references, boxes, coding), 2e-3, 1e-5));
    const Floats decoded = on_device(cuda::decode_boxes, references, deltas, coding, offset);
    // exp of up to 4.1 and of its rounding: 6e-8 * 5 of sides up to 300 * 62.5.
    EXPECT_TRUE(test::all_close(
        decoded, on_cpu<float>(cpu::decode_boxes<float>, references, deltas, coding), 1e-2, 1e-6));
    EXPECT_TRUE(test::all_close(
        decoded, on_cpu<double>(cpu::decode_boxes<double>, references, deltas, coding), 5e-2,
        5e-6));
    EXPECT_TRUE(test::same_bits(
        on_device(cuda::encode_boxes, references, boxes, coding, offset + 1), encoded));
    EXPECT_TRUE(test::same_bits(
        on_device(cuda::decode_boxes, references, deltas, coding, offset + 1), decoded));
  }
}

// NaN where the other has NaN; else equal, or as near as exp and log of two libraries are.
void expect_same_kind(const Floats& got, const Floats& want) {
  for (std::size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(std::isnan(got[i]), std::isnan(want[i])) << i;
    if (!std::isnan(want[i]) && got[i] != want[i]) {
      EXPECT_NEAR(got[i], want[i], 1e-6 * std::abs(want[i])) << i;
    }
  }
}

TEST(BoxCodecCudaValues, NansAndInfinitiesAreThoseOfTheCpu) {
  KT_NEEDS_GPU();
  const Floats references = {0, 0, 10, 10, 0, 0, 0, 10, 5, 5, 1, 1, NAN, 0, 1, 1};
  const Floats in = {0, NAN, 4, INFINITY, 1, 1, 2, 2, 0, 0, 3, 3, 1, 2, 3, 4};
  const BoxCoding none{};
  expect_same_kind(on_device(cuda::decode_boxes, references, in, kRoiCoding, 0),
                   on_cpu<float>(cpu::decode_boxes<float>, references, in, kRoiCoding));
  expect_same_kind(on_device(cuda::encode_boxes, references, in, none, 0),
                   on_cpu<float>(cpu::encode_boxes<float>, references, in, none));
}

TEST(BoxCodecCudaValues, TheOutputMayBeAnInput) {
  KT_NEEDS_GPU();
  const Floats references = test::random_boxes<float>(300, 1, 600, 300);
  const Floats deltas = test::random_floats(1200, 3, -1, 1);
  const Floats want = on_device(cuda::decode_boxes, references, deltas, kRoiCoding, 0);
  const Stream stream;
  const DeviceView<float> a(stream.get(), references), b(stream.get(), deltas);
  cuda::decode_boxes(stream.get(), {a.data(), 300, 4}, {b.data(), 300, 4}, {a.data(), 300, 4},
                     kRoiCoding);
  EXPECT_TRUE(test::same_bits(a.to_host(stream.get()), want));
}

TEST(BoxCodecCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const DeviceView<float> a(16);
  EXPECT_THAT(test::message_of([&] {
                cuda::encode_boxes(nullptr, {a.data(), 4, 4}, {a.data(), 3, 4}, {a.data(), 4, 4},
                                   BoxCoding{});
              }),
              testing::StartsWith("encode_boxes: shapes 4x4, 3x4 and 4x4"));
}

}  // namespace
}  // namespace ktrain
