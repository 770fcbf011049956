// The CUDA loss and gradient against the CPU's, in double and in float.
#include "kernels/bce.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/boxes.h"
#include "tests/support/close.h"
#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using test::span;
using Floats = std::vector<float>;
using Labels = std::vector<std::int32_t>;

template <class T>
struct Result {
  std::vector<T> loss, dx;
};

constexpr float kDloss = -1.3f;

Result<float> on_device(const Floats& x, const Labels& labels, float factor,
                        std::int64_t offset = 0, bool in_place = false) {
  const Stream stream;
  CudaStream const s = stream.get();
  const auto size = static_cast<std::int64_t>(x.size());
  const DeviceView<float> dx_in(s, x, offset), dx_own(size, offset), avg(s, {factor}),
      dloss(s, {kDloss}), loss(1);
  const DeviceView<std::int32_t> dlabels(s, labels, offset);
  const DeviceView<std::byte> scratch(bce_scratch_bytes(size));
  cuda::bce_forward(s, dx_in.in(), dlabels.in(), avg.in(), loss.span(), scratch.span());
  const DeviceView<float>& dx = in_place ? dx_in : dx_own;
  cuda::bce_backward(s, dx_in.in(), dlabels.in(), avg.in(), dloss.in(), dx.span());
  return {loss.to_host(s), dx.to_host(s)};
}

template <class T>
Result<T> on_cpu(const Floats& x, const Labels& labels, float factor) {
  const std::vector<T> wide = test::cast<T>(x), avg = {factor}, dloss = {kDloss};
  Result<T> r{std::vector<T>(1), std::vector<T>(x.size())};
  cpu::bce_forward(span(wide), span(labels), span(avg), span(r.loss), {});
  cpu::bce_backward(span(wide), span(labels), span(avg), span(dloss), span(r.dx));
  return r;
}

Labels some_labels(std::int64_t size) {
  Labels labels;
  for (std::int64_t i = 0; i < size; ++i) labels.push_back(static_cast<int>(i * 7 % 5 % 3) - 1);
  return labels;
}

class BceCuda : public testing::TestWithParam<std::int64_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, BceCuda,
                         testing::Values(0, 1, 31, 257, 2048, 2049, test::large(300007)));

TEST_P(BceCuda, AgreesWithTheCpu) {
  KT_NEEDS_GPU();
  const std::int64_t size = GetParam();
  const Floats x = test::random_floats(size, 1, -9, 9);
  const Labels labels = some_labels(size);
  for (const float factor : {0.25f, 7.0f}) {  // below 1 it counts as 1
    const Result<float> got = on_device(x, labels, factor);
    const Result<float> narrow = on_cpu<float>(x, labels, factor);
    const Result<double> wide = on_cpu<double>(x, labels, factor);
    // Terms and their sum are taken in double: what is left is one rounding to float.
    EXPECT_TRUE(test::all_close(got.loss, narrow.loss, 0, 1.2e-7));
    EXPECT_TRUE(test::all_close(got.loss, wide.loss, 0, 6.1e-8));
    // 1 / (1 + exp(-x)) is below 1 and exp is known to 2 units of 2^-24; then three roundings of
    // numbers below 1.3.
    EXPECT_TRUE(test::all_close(got.dx, narrow.dx, 4e-7, 0));
    EXPECT_TRUE(test::all_close(got.dx, wide.dx, 4e-7, 0));
  }
}

TEST_P(BceCuda, IsTheSameToTheBitAgainInPlaceAndAtAnotherAddress) {
  KT_NEEDS_GPU();
  const Floats x = test::random_floats(GetParam(), 1, -9, 9);
  const Labels labels = some_labels(GetParam());
  const Result<float> first = on_device(x, labels, 3);
  for (const std::int64_t offset : {0, 1}) {
    const Result<float> again = on_device(x, labels, 3, offset, offset == 0);
    EXPECT_TRUE(test::same_bits(again.loss, first.loss));
    EXPECT_TRUE(test::same_bits(again.dx, first.dx));
  }
}

TEST(BceCudaValues, LargeLogitsStayFiniteAndBrokenOnesShow) {
  KT_NEEDS_GPU();
  EXPECT_EQ(on_device({1e30f, -1e30f}, {1, 0}, 1).loss[0], 0);
  EXPECT_EQ(on_device({1e4f, -1e4f}, {0, 1}, 1).loss[0], 2e4f);
  EXPECT_TRUE(std::isnan(on_device({NAN, 1}, {0, 1}, 1).loss[0]));
  EXPECT_EQ(on_device({NAN, 1e30f}, {-1, 1}, 1).loss[0], 0);
  EXPECT_TRUE(std::isnan(on_device({0}, {1}, NAN).loss[0]));
}

TEST(BceCudaValues, AWrongLabelMakesItsGradientAndTheLossNan) {
  KT_NEEDS_GPU();
  for (const std::int32_t wrong : {2, -2}) {
    const Result<float> r = on_device({0, 1}, {1, wrong}, 1);
    EXPECT_TRUE(std::isnan(r.loss[0]) && std::isnan(r.dx[1])) << wrong;
    EXPECT_FALSE(std::isnan(r.dx[0]));
  }
}

TEST(BceCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> x(3), one(1);
  const DeviceView<std::int32_t> labels(2), three(3);
  const auto message = [&](const DeviceView<std::int32_t>& l) {
    return test::message_of(
        [&] { cuda::bce_forward(stream.get(), x.in(), l.in(), one.in(), one.span(), {}); });
  };
  EXPECT_EQ(message(labels).rfind("bce_forward: 3 logits, 2 labels", 0), 0u);
  EXPECT_EQ(message(three).rfind("scratch has 0 bytes, 64 or more wanted", 0), 0u);
}

}  // namespace
}  // namespace ktrain
