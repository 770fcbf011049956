// The CUDA overlaps against the CPU's: to the last bit in float, closely in double.
#include "kernels/iou.h"

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

std::int64_t count_of(const Floats& boxes) { return static_cast<std::int64_t>(boxes.size() / 4); }

Floats matrix_on_device(const Floats& a, const Floats& b, Overlap kind, std::int64_t offset) {
  const Stream stream;
  const DeviceView<float> da(stream.get(), a, offset), db(stream.get(), b, offset),
      out(count_of(a) * count_of(b), offset);
  cuda::overlap_matrix(stream.get(), {da.data(), count_of(a), 4}, {db.data(), count_of(b), 4},
                       {out.data(), count_of(a), count_of(b)}, kind);
  return out.to_host(stream.get());
}

Floats pairs_on_device(const Floats& a, const Floats& b, Overlap kind, std::int64_t offset) {
  const Stream stream;
  const DeviceView<float> da(stream.get(), a, offset), db(stream.get(), b, offset),
      out(count_of(a), offset);
  cuda::overlap_pairs(stream.get(), {da.data(), count_of(a), 4}, {db.data(), count_of(b), 4},
                      out.span(), kind);
  return out.to_host(stream.get());
}

template <class T>
std::vector<T> matrix_on_cpu(const Floats& a, const Floats& b, Overlap kind) {
  const std::vector<T> ca = test::cast<T>(a), cb = test::cast<T>(b);
  std::vector<T> out(ca.size() / 4 * (cb.size() / 4));
  cpu::overlap_matrix<T>(test::rows(ca, 4), test::rows(cb, 4),
                         {out.data(), count_of(a), count_of(b)}, kind);
  return out;
}

struct Case {
  std::size_t rows, cols;
  std::int64_t offset;
};
class IouCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, IouCuda,
                         testing::Values(Case{0, 3, 0}, Case{3, 0, 0}, Case{1, 1, 1},
                                         Case{513, 3, 0}, Case{70, 4, 0}, Case{9, 257, 2},
                                         Case{33, 260, 0},
                                         Case{static_cast<std::size_t>(test::large(20000)), 6, 0}));

TEST_P(IouCuda, EqualsTheCpu) {
  KT_NEEDS_GPU();
  const auto [rows, cols, offset] = GetParam();
  const Floats a = test::random_boxes<float>(rows, 1, 100, 60);
  const Floats b = test::random_boxes<float>(cols, 2, 100, 60);
  for (const Overlap kind : {Overlap::kIou, Overlap::kIof}) {
    const Floats got = matrix_on_device(a, b, kind, offset);
    EXPECT_TRUE(test::same_bits(got, matrix_on_cpu<float>(a, b, kind)));
    // Sides of a common part are differences of numbers up to 160; areas are 1 or more.
    EXPECT_TRUE(test::all_close(got, matrix_on_cpu<double>(a, b, kind), 2e-3, 0));
    EXPECT_TRUE(test::same_bits(matrix_on_device(a, b, kind, offset + 1), got));
  }
}

TEST(IouCudaValues, PairsAreTheDiagonal) {
  KT_NEEDS_GPU();
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{300}}) {
    const Floats a = test::random_boxes<float>(size, 1, 60, 60);
    const Floats b = test::random_boxes<float>(size, 2, 60, 60);
    const Floats matrix = matrix_on_cpu<float>(a, b, Overlap::kIou);
    Floats want;
    for (std::size_t i = 0; i < size; ++i) want.push_back(matrix[i * size + i]);
    EXPECT_TRUE(test::same_bits(pairs_on_device(a, b, Overlap::kIou, 0), want));
    EXPECT_TRUE(test::same_bits(pairs_on_device(a, b, Overlap::kIou, 1), want));
  }
}

TEST(IouCudaValues, EmptyAndInvertedBoxesAndNans) {
  KT_NEEDS_GPU();
  const Floats a = {1,   1, 1, 1, 5, 5, 2,     2,     0,         0, 10,       10,
                    NAN, 0, 1, 1, 0, 0, 1e30f, 1e30f, -INFINITY, 0, INFINITY, 1};
  for (const Overlap kind : {Overlap::kIou, Overlap::kIof})
    EXPECT_TRUE(test::same_bits(matrix_on_device(a, a, kind, 0), matrix_on_cpu<float>(a, a, kind)));
}

TEST(IouCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const DeviceView<float> a(16);
  EXPECT_THAT(test::message_of([&] {
                cuda::overlap_matrix(nullptr, {a.data(), 2, 4}, {a.data(), 3, 4}, {a.data(), 3, 2},
                                     Overlap::kIou);
              }),
              testing::StartsWith("overlap_matrix: a is 2x4, b 3x4, out 3x2"));
  EXPECT_THAT(
      test::message_of([&] {
        cuda::overlap_pairs(nullptr, {a.data(), 2, 4}, {a.data(), 3, 4}, a.span(), Overlap::kIou);
      }),
      testing::StartsWith("overlap_pairs: a is 2x4, b 3x4, out 16"));
}

}  // namespace
}  // namespace ktrain
