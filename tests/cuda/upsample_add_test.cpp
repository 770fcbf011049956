// The CUDA enlargement against the CPU's, in float: sums in the same order, so that every bit must
// agree.
#include "kernels/upsample_add.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/close.h"
#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using Floats = std::vector<float>;

struct Side {
  std::int64_t height, width;
};
struct Case {
  std::int64_t batch;
  Side coarse, fine;
  std::int64_t channels;

  template <class T>
  [[nodiscard]] Nhwc<T> view(T* data, Side side) const {
    return {data, batch, side.height, side.width, channels};
  }
  [[nodiscard]] std::int64_t size(Side side) const {
    return batch * side.height * side.width * channels;
  }
};

template <class T>
struct Result {
  std::vector<T> y, dcoarse;
};

template <class T>
Result<T> on_cpu(const Floats& coarse, const Floats& fine, const Case& c) {
  const std::vector<T> a = test::cast<T>(coarse), b = test::cast<T>(fine);
  Result<T> r{std::vector<T>(b.size()), std::vector<T>(a.size())};
  cpu::upsample_add_forward<T>(c.view(a.data(), c.coarse), c.view(b.data(), c.fine),
                               c.view(r.y.data(), c.fine));
  cpu::upsample_add_backward<T>(c.view(b.data(), c.fine), c.view(r.dcoarse.data(), c.coarse));
  return r;
}

// `fine` is also the gradient.
Result<float> on_device(const Floats& coarse, const Floats& fine, const Case& c,
                        std::int64_t offset = 0, bool in_place = false) {
  const Stream stream;
  CudaStream const s = stream.get();
  const DeviceView<float> a(s, coarse, offset), b(s, fine, offset), own(c.size(c.fine), offset),
      dcoarse(c.size(c.coarse), offset);
  Result<float> r;
  cuda::upsample_add_backward<float>(s, c.view(b.data(), c.fine), c.view(dcoarse.data(), c.coarse));
  r.dcoarse = dcoarse.to_host(s);
  const DeviceView<float>& y = in_place ? b : own;
  cuda::upsample_add_forward<float>(s, c.view(a.data(), c.coarse), c.view(b.data(), c.fine),
                                    c.view(y.data(), c.fine));
  r.y = y.to_host(s);
  return r;
}

class UpsampleCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, UpsampleCuda,
                         testing::Values(Case{1, {1, 1}, {1, 1}, 1}, Case{2, {4, 5}, {8, 10}, 64},
                                         Case{1, {3, 4}, {7, 5}, 3}, Case{2, {5, 3}, {2, 3}, 4},
                                         Case{1, {1, 2}, {9, 300}, 8}, Case{1, {2, 2}, {5, 3}, 300},
                                         Case{1, {64, 20}, {test::large(256) + 3, 41}, 6}));

TEST_P(UpsampleCuda, AgreesToTheBit) {
  KT_NEEDS_GPU();
  const Case c = GetParam();
  const Floats coarse = test::random_floats(c.size(c.coarse), 1);
  const Floats fine = test::random_floats(c.size(c.fine), 2);
  const Result<float> want = on_cpu<float>(coarse, fine, c);
  const Result<double> wide = on_cpu<double>(coarse, fine, c);
  for (const std::int64_t offset : {0, 0, 1, 2}) {
    const Result<float> got = on_device(coarse, fine, c, offset, offset == 2);
    EXPECT_TRUE(test::same_bits(got.y, want.y));
    EXPECT_TRUE(test::same_bits(got.dcoarse, want.dcoarse));
    EXPECT_TRUE(test::all_close(got.y, wide.y, 1.2e-7, 0));  // one rounding of a sum below 2
    // Up to 9 x 150 gradients below 1 over one pixel: partial sums below 128, mostly random.
    EXPECT_TRUE(test::all_close(got.dcoarse, wide.dcoarse, 1e-3, 1e-6));
  }
}

// <dy, forward(coarse, 0)> = <backward(dy), coarse>: the backward is the forward's transpose.
TEST(UpsampleCudaValues, BackwardIsTheAdjoint) {
  KT_NEEDS_GPU();
  const Case c{2, {5, 4}, {13, 11}, 6};
  const Floats coarse = test::random_floats(c.size(c.coarse), 1);
  const Floats dy = test::random_floats(c.size(c.fine), 2);
  const Floats y = on_device(coarse, Floats(dy.size(), 0.0f), c).y;
  const Floats dcoarse = on_device(coarse, dy, c).dcoarse;
  double left = 0, right = 0;
  for (std::size_t i = 0; i < y.size(); ++i)
    left += static_cast<double>(y[i]) * static_cast<double>(dy[i]);
  for (std::size_t i = 0; i < coarse.size(); ++i)
    right += static_cast<double>(coarse[i]) * static_cast<double>(dcoarse[i]);
  EXPECT_NEAR(left, right, 1e-4);  // 240 sums of some 7 gradients, each known to 1e-7
}

TEST(UpsampleCudaValues, EmptyMapsAreNoWork) {
  KT_NEEDS_GPU();
  EXPECT_TRUE(on_device({}, {}, {0, {2, 2}, {4, 4}, 3}).y.empty());
  const Case c{1, {2, 2}, {0, 4}, 1};
  EXPECT_THAT(on_device(Floats(4, 1.0f), {}, c).dcoarse, testing::Each(0.0f));
}

TEST(UpsampleCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> v(32);
  const auto forward = [&](Nhwc<const float> coarse, Nhwc<float> y) {
    return test::message_of([&] {
      cuda::upsample_add_forward<float>(stream.get(), coarse, {v.data(), 1, 4, 4, 2}, y);
    });
  };
  EXPECT_THAT(forward({v.data(), 1, 2, 2, 1}, {v.data(), 1, 4, 4, 2}),
              testing::HasSubstr("a map of 1x2x2x1 cannot fill one of 1x4x4x2"));
  EXPECT_THAT(forward({v.data(), 1, 2, 2, 2}, {v.data(), 1, 4, 3, 2}),
              testing::HasSubstr("fine is 1x4x4x2, y 1x4x3x2"));
}

}  // namespace
}  // namespace ktrain
