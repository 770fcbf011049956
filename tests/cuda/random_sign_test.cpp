// The CUDA sum of random signs and its gradient against the CPU's, in double and in float.
#include "kernels/random_sign.h"

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
using test::span;
using Floats = std::vector<float>;

constexpr std::int32_t kNow = 5;
const SignKey kKey{11, 0x800001, {&kNow, 1}};

// The same with the step in device memory.
SignKey key_on(const DeviceView<std::int32_t>& now) { return {kKey.seed, kKey.stream, now.in()}; }
constexpr double kScale = 0.25;

template <class T>
std::vector<T> sum_on_cpu(const std::vector<Floats>& maps) {
  std::vector<std::vector<T>> values;
  std::vector<Span<const T>> spans;
  for (const Floats& map : maps) values.push_back(test::cast<T>(map));
  for (const std::vector<T>& map : values) spans.push_back(span(map));
  std::vector<std::byte> scratch(
      static_cast<std::size_t>(random_sign_scratch_bytes(span(std::as_const(spans)))));
  std::vector<T> value(1);
  cpu::random_sign_sum<T>(kKey, span(std::as_const(spans)), span(value), span(scratch), kScale);
  return value;
}

Floats sum_on_device(const std::vector<Floats>& maps, std::int64_t offset) {
  const Stream stream;
  std::vector<DeviceView<float>> views;
  std::vector<Span<const float>> spans;
  views.reserve(maps.size());
  for (const Floats& map : maps) views.emplace_back(stream.get(), map, offset);
  for (const auto& view : views) spans.push_back(view.in());
  const DeviceView<std::byte> scratch(random_sign_scratch_bytes(span(std::as_const(spans))));
  const DeviceView<float> value(1);
  const DeviceView<std::int32_t> now(stream.get(), {kNow, 77});
  cuda::random_sign_sum(stream.get(), key_on(now), span(std::as_const(spans)), value.span(),
                        scratch.span(), kScale);
  return value.to_host(stream.get());
}

TEST(RandomSignCuda, SumsAgreeWithTheCpu) {
  KT_NEEDS_GPU();
  const std::int64_t large = test::large(300001);
  for (const std::vector<std::int64_t>& sizes :
       {std::vector<std::int64_t>{}, {0}, {1}, {127, 0, 129}, {4096, 16384, 16385, 3}, {large}}) {
    std::vector<Floats> maps;
    for (const std::int64_t size : sizes)
      maps.push_back(test::random_floats(size, static_cast<unsigned>(size + 1)));
    const Floats got = sum_on_device(maps, 0);
    // Terms below 1 are added in double on both sides; the result is rounded twice.
    EXPECT_TRUE(test::all_close(got, sum_on_cpu<float>(maps), 1e-9, 2.4e-7));
    EXPECT_TRUE(test::all_close(got, sum_on_cpu<double>(maps), 1e-9, 2.4e-7));
    EXPECT_TRUE(test::same_bits(got, sum_on_device(maps, 0)));
    EXPECT_TRUE(test::same_bits(got, sum_on_device(maps, 1)));
  }
}

TEST(RandomSignCuda, GradientsAgreeToTheBit) {
  KT_NEEDS_GPU();
  const Stream stream;
  const Floats dvalue = {-1.7f};
  const DeviceView<float> ddvalue(stream.get(), dvalue);
  const DeviceView<std::int32_t> now(stream.get(), {kNow});
  for (const std::int64_t size : {std::int64_t{0}, std::int64_t{1}, std::int64_t{130},
                                  std::int64_t{4097}, test::large(100003)})
    for (const std::int64_t offset : {0, 1}) {
      Floats want(static_cast<std::size_t>(size));
      cpu::random_sign_backward<float>(kKey, 2, span(dvalue), span(want), kScale);
      const DeviceView<float> dx(size, offset);
      cuda::random_sign_backward(stream.get(), key_on(now), 2, ddvalue.in(), dx.span(), kScale);
      EXPECT_TRUE(test::same_bits(dx.to_host(stream.get()), want)) << size;
    }
}

TEST(RandomSignCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const DeviceView<float> two(2);
  EXPECT_THAT(
      test::message_of([&] { cuda::random_sign_sum(nullptr, kKey, {}, two.span(), {}, 1); }),
      testing::StartsWith("random_sign_sum: 0 maps, at most 64 fit; value has 2 elements"));
}

}  // namespace
}  // namespace ktrain
