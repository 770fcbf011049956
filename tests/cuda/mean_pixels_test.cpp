// The CUDA means against the CPU's, in double and in float.
#include "kernels/mean_pixels.h"

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
  std::int64_t batch, height, width, channels;

  [[nodiscard]] std::int64_t size() const { return batch * height * width * channels; }
  template <class T>
  [[nodiscard]] Nhwc<T> view(T* data) const {
    return {data, batch, height, width, channels};
  }
};
class MeanPixelsCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, MeanPixelsCuda,
                         testing::Values(Case{1, 1, 1, 1}, Case{2, 3, 5, 4}, Case{3, 1, 7, 33},
                                         Case{2, 9, 11, 64}, Case{1, 2, 3, 1030},
                                         Case{5, 3, 4, 3300}, Case{0, 4, 4, 4}, Case{2, 3, 3, 0},
                                         Case{1, test::large(20000), 3, 4}));

template <class T>
struct Result {
  std::vector<T> y, dx;
};

template <class T>
Result<T> on_cpu(const Floats& x, const Floats& dy, const Case& c) {
  const std::vector<T> in = test::cast<T>(x), gradient = test::cast<T>(dy);
  Result<T> r{std::vector<T>(dy.size()), std::vector<T>(x.size())};
  test::Vec scratch(static_cast<std::size_t>(mean_pixels_scratch(c.batch, c.channels)));
  cpu::mean_pixels_forward<T>(c.view(in.data()), {r.y.data(), c.batch, c.channels},
                              test::span(scratch));
  cpu::mean_pixels_backward<T>({gradient.data(), c.batch, c.channels}, c.view(r.dx.data()));
  return r;
}

Result<float> on_device(const Floats& x, const Floats& dy, const Case& c, std::int64_t offset = 0) {
  const Stream stream;
  CudaStream const s = stream.get();
  const DeviceView<float> in(s, x, offset), gradient(s, dy, offset),
      y(c.batch * c.channels, offset), dx(c.size(), offset);
  const DeviceView<double> scratch(mean_pixels_scratch(c.batch, c.channels));
  cuda::mean_pixels_forward<float>(s, c.view(in.data()), {y.data(), c.batch, c.channels},
                                   scratch.span());
  cuda::mean_pixels_backward<float>(s, {gradient.data(), c.batch, c.channels}, c.view(dx.data()));
  return {y.to_host(s), dx.to_host(s)};
}

TEST_P(MeanPixelsCuda, AgreesWithTheCpuAndWithItself) {
  KT_NEEDS_GPU();
  const Case c = GetParam();
  const Floats x = test::random_floats(c.size(), 1);
  const Floats dy = test::random_floats(c.batch * c.channels, 2);
  const Result<float> got = on_device(x, dy, c), want = on_cpu<float>(x, dy, c);
  // Sums in double on both sides: one rounding to float.
  EXPECT_TRUE(test::all_close(got.y, want.y, 1e-12, 1.2e-7));
  EXPECT_TRUE(test::all_close(got.y, on_cpu<double>(x, dy, c).y, 1e-12, 6.1e-8));
  // One division: the same bits.
  EXPECT_TRUE(test::same_bits(got.dx, want.dx));
  for (const std::int64_t offset : {0, 1}) {
    const Result<float> again = on_device(x, dy, c, offset);
    EXPECT_TRUE(test::same_bits(again.y, got.y));
    EXPECT_TRUE(test::same_bits(again.dx, got.dx));
  }
}

TEST(MeanPixelsCudaValues, NoPixelsHaveNoMean) {
  KT_NEEDS_GPU();
  for (const float mean : on_device({}, Floats(6, 1.0f), {2, 0, 5, 3}).y)
    EXPECT_TRUE(std::isnan(mean));
}

TEST(MeanPixelsCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> v(12);
  const DeviceView<double> small(4);
  const auto forward = [&](std::int64_t rows, std::int64_t cols) {
    return test::message_of([&] {
      cuda::mean_pixels_forward<float>(stream.get(), {v.data(), 2, 1, 3, 2}, {v.data(), rows, cols},
                                       small.span());
    });
  };
  EXPECT_THAT(forward(1, 4), testing::HasSubstr("the map is 2x1x3x2, the means are 1x4"));
  EXPECT_THAT(forward(2, 2), testing::HasSubstr("scratch has 4 elements, wanted 16384"));
}

}  // namespace
}  // namespace ktrain
