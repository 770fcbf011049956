// The CUDA pooling against the CPU's, in float: comparisons, and sums in the same order, so that
// every bit and every tap must agree.
#include "kernels/pool2d.h"

#include <cmath>
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
using Taps = std::vector<std::uint8_t>;

struct Case {
  std::int64_t batch, height, width, channels;
  PoolOptions options;

  [[nodiscard]] std::int64_t size() const { return batch * height * width * channels; }
  [[nodiscard]] Case out() const {
    return {batch, pool_out_size(height, options), pool_out_size(width, options), channels,
            options};
  }
  template <class T>
  [[nodiscard]] Nhwc<T> view(T* data) const {
    return {data, batch, height, width, channels};
  }
};

template <class T>
struct Pooled {
  std::vector<T> y;
  Taps taken;
  std::vector<T> dx;
};

template <class T>
Pooled<T> on_cpu(const Floats& x, const Floats& dy, const Case& c) {
  const std::vector<T> wide = test::cast<T>(x), gradient = test::cast<T>(dy);
  Pooled<T> r{std::vector<T>(dy.size()), Taps(dy.size()), std::vector<T>(x.size())};
  const Taps& taken = r.taken;
  cpu::max_pool_forward<T>(c.view(wide.data()), c.out().view(r.y.data()),
                           c.out().view(r.taken.data()), c.options);
  cpu::max_pool_backward<T>(c.out().view(gradient.data()), c.out().view(taken.data()),
                            c.view(r.dx.data()), c.options);
  return r;
}

Pooled<float> on_device(const Floats& x, const Floats& dy, const Case& c, std::int64_t offset = 0,
                        bool with_taps = true) {
  const Stream stream;
  CudaStream const s = stream.get();
  const std::int64_t out = c.out().size();
  const DeviceView<float> dx_in(s, x, offset), y(out, offset), ddy(s, dy, offset),
      dx(c.size(), offset);
  const DeviceView<std::uint8_t> taken(out, offset);
  Nhwc<std::uint8_t> taps{};
  if (with_taps) taps = c.out().view(taken.data());
  cuda::max_pool_forward<float>(s, c.view(dx_in.data()), c.out().view(y.data()), taps, c.options);
  Pooled<float> r;
  r.y = y.to_host(s);
  if (with_taps) r.taken = taken.to_host(s);
  if (!with_taps && c.options.taps > 1) return r;
  cuda::max_pool_backward<float>(s, c.out().view(ddy.data()), taps, c.view(dx.data()), c.options);
  r.dx = dx.to_host(s);
  return r;
}

class PoolCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, PoolCuda,
                         testing::Values(Case{1, 1, 1, 1, {}}, Case{2, 9, 12, 3, {}},
                                         Case{1, 8, 10, 64, {}}, Case{2, 5, 7, 33, {3, 1, 1}},
                                         Case{1, 6, 5, 4, {2, 2, 1}}, Case{1, 7, 9, 5, {1, 2, 0}},
                                         Case{1, 3, 300, 8, {2, 1, 0}},
                                         Case{1, 16, 17, 2, {15, 3, 7}}, Case{1, 2, 3, 260, {}},
                                         Case{1, 11, 11, 4, {3, 5, 1}},
                                         Case{1, test::large(256) + 3, 129, 4, {}}));

// Some values more than once, and some that are not numbers.
Floats awkward(const Case& c) {
  Floats x = test::random_floats(c.size(), 1, -8, 8);
  for (float& value : x) value = std::round(value);
  for (std::size_t i = 5; i < x.size(); i += 37) x[i] = NAN;
  for (std::size_t i = 9; i < x.size(); i += 41) x[i] = -INFINITY;
  return x;
}

TEST_P(PoolCuda, AgreesToTheBit) {
  KT_NEEDS_GPU();
  const Case c = GetParam();
  const Floats x = awkward(c), dy = test::random_floats(c.out().size(), 2);
  const Pooled<float> want = on_cpu<float>(x, dy, c);
  const Pooled<double> wide = on_cpu<double>(x, dy, c);
  for (const std::int64_t offset : {0, 0, 1}) {
    const Pooled<float> got = on_device(x, dy, c, offset);
    EXPECT_TRUE(test::same_bits(got.y, want.y));
    EXPECT_EQ(got.taken, want.taken);
    EXPECT_TRUE(test::same_bits(got.dx, want.dx));
    EXPECT_EQ(got.taken, wide.taken);
    // At most 15 x 15 windows over a pixel, each gradient below 1.
    EXPECT_TRUE(test::all_close(got.dx, wide.dx, 1e-5, 0));
  }
  EXPECT_TRUE(test::same_bits(on_device(x, dy, c, 0, false).y, want.y));
}

TEST(PoolCudaValues, SubsamplingNeedsNoTaps) {
  KT_NEEDS_GPU();
  const Case c{2, 5, 3, 6, {1, 2, 0}};
  const Floats x = test::random_floats(c.size(), 1), dy = test::random_floats(c.out().size(), 2);
  EXPECT_TRUE(test::same_bits(on_device(x, dy, c, 0, false).dx, on_cpu<float>(x, dy, c).dx));
}

TEST(PoolCudaValues, EmptyMapsAreNoWork) {
  KT_NEEDS_GPU();
  EXPECT_TRUE(on_device({}, {}, {0, 4, 4, 2, {}}).y.empty());
  // All padding: one window that sees nothing. No map, no work; its output is not written.
  const Case padding{1, 0, 2, 2, {2, 2, 1}};
  ASSERT_GT(padding.out().size(), 0);
  const Stream stream;
  const Floats before(static_cast<std::size_t>(padding.out().size()), 7.0f);
  const DeviceView<float> y(stream.get(), before);
  cuda::max_pool_forward<float>(stream.get(), padding.view<const float>(nullptr),
                                padding.out().view(y.data()), {}, padding.options);
  EXPECT_EQ(y.to_host(stream.get()), before);
  // Smaller than a window without padding: no output, and its gradient is zero.
  EXPECT_THAT(on_device({1, 2}, {}, {1, 1, 2, 1, {3, 1, 0}}).dx, testing::Each(0.0f));
}

TEST(PoolCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> x(16), y(16);
  const auto run = [&](Nhwc<float> out, const PoolOptions& options) {
    return test::message_of([&] {
      cuda::max_pool_forward<float>(stream.get(), {x.data(), 1, 4, 4, 1}, out, {}, options);
    });
  };
  EXPECT_THAT(run({y.data(), 1, 2, 3, 1}, {}), testing::HasSubstr("y is 1x2x3x1, wanted 1x2x2x1"));
  EXPECT_THAT(run({y.data(), 1, 2, 2, 1}, {3, 2, 2}), testing::HasSubstr("at most half a window"));
  EXPECT_THAT(test::message_of([&] {
                cuda::max_pool_backward<float>(stream.get(), {y.data(), 1, 2, 2, 1}, {},
                                               {x.data(), 1, 4, 4, 1}, {});
              }),
              testing::HasSubstr("max_pool_backward: taken is missing"));
  EXPECT_THAT(test::message_of([&] {
                cuda::max_pool_forward<float>(stream.get(), {x.data(), 1, 1, 70000, 1},
                                              {y.data(), 1, 1, 35000, 1}, {}, {});
              }),
              testing::HasSubstr("at most 65535x65535"));
}

}  // namespace
}  // namespace ktrain
