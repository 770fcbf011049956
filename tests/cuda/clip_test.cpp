// The CUDA norm and clip factor against the CPU's, in double and in float.
#include "kernels/clip.h"

#include <cmath>
#include <limits>
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
using Vectors = std::vector<Floats>;

Floats on_device(const Vectors& vectors, double max_norm, std::int64_t offset = 0) {
  const Stream stream;
  CudaStream const s = stream.get();
  std::vector<DeviceView<float>> views;
  std::vector<Span<const float>> spans;
  views.reserve(vectors.size());
  for (const Floats& x : vectors) views.emplace_back(s, x, offset);
  for (const auto& view : views) spans.push_back(view.in());
  const Span<const Span<const float>> all{spans.data(), std::ssize(spans)};
  const DeviceView<float> norm(1), factor(1);
  const DeviceView<std::byte> scratch(clip_scratch_bytes(all));
  cuda::clip_factor(s, all, norm.span(), factor.span(), scratch.span(), max_norm);
  return {norm.to_host(s)[0], factor.to_host(s)[0]};
}

template <class T>
std::vector<T> on_cpu(const Vectors& vectors, double max_norm) {
  std::vector<std::vector<T>> values;
  std::vector<Span<const T>> spans;
  for (const Floats& x : vectors) values.push_back(test::cast<T>(x));
  for (const auto& x : values) spans.push_back({x.data(), std::ssize(x)});
  const Span<const Span<const T>> all{spans.data(), std::ssize(spans)};
  std::vector<T> norm(1), factor(1);
  std::vector<std::byte> scratch(static_cast<std::size_t>(clip_scratch_bytes(all)));
  cpu::clip_factor(all, span(norm), span(factor), span(scratch), max_norm);
  return {norm[0], factor[0]};
}

Vectors of_sizes(const std::vector<std::int64_t>& sizes) {
  Vectors all;
  for (const std::int64_t size : sizes)
    all.push_back(test::random_floats(size, static_cast<unsigned>(all.size())));
  return all;
}

// None, empty ones, one, chunks that end short, more spans than a launch takes.
std::vector<Vectors> cases() {
  std::vector<std::int64_t> many;
  for (std::int64_t k = 0; k < 300; ++k) many.push_back(k * 37 % 211);
  return {of_sizes({}),   of_sizes({0, 0}),
          of_sizes({1}),  of_sizes({0, 3, 0, kClipChunk, kClipChunk + 1, 5, 2 * kClipChunk - 1, 0}),
          of_sizes(many), of_sizes({test::large(500009), 7})};
}

TEST(ClipCuda, AgreesWithTheCpuAndWithItself) {
  KT_NEEDS_GPU();
  for (const Vectors& vectors : cases())
    for (const double most : {0.5, 1e6}) {
      const Floats got = on_device(vectors, most);
      // Sums of positive terms in double; a rounding to float, to either side.
      EXPECT_TRUE(test::all_close(got, on_cpu<float>(vectors, most), 0, 1.2e-7));
      EXPECT_TRUE(test::all_close(got, on_cpu<double>(vectors, most), 0, 6.1e-8));
      EXPECT_TRUE(test::same_bits(on_device(vectors, most), got));
      EXPECT_TRUE(test::same_bits(on_device(vectors, most, 1), got));
    }
}

TEST(ClipCuda, NothingHasNormZeroAndInfinityMeasuresOnly) {
  KT_NEEDS_GPU();
  EXPECT_EQ(on_device({}, 1), (Floats{0, 1}));
  EXPECT_EQ(on_device({{3}, {4}}, std::numeric_limits<double>::infinity()), (Floats{5, 1}));
}

TEST(ClipCuda, BrokenNumbersShow) {
  KT_NEEDS_GPU();
  const Floats nan = on_device({{1, NAN}, {2}}, 1), infinite = on_device({{1}, {-INFINITY}}, 1);
  EXPECT_TRUE(std::isnan(nan[0]) && std::isnan(nan[1]));
  EXPECT_EQ(infinite[0], INFINITY);
  EXPECT_EQ(infinite[1], 0);
}

TEST(ClipCuda, ErrorsAreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> x(3), one(1);
  const std::vector<Span<const float>> spans = {x.in()};
  const auto message = [&](const DeviceView<float>& norm, double most) {
    return test::message_of(
        [&] { cuda::clip_factor(stream.get(), span(spans), norm.span(), one.span(), {}, most); });
  };
  EXPECT_EQ(message(one, 0).rfind("clip_factor: max_norm is 0", 0), 0u);
  EXPECT_EQ(message(x, 1).rfind("clip_factor: norm has 3 elements", 0), 0u);
  EXPECT_EQ(message(one, 1).rfind("scratch has 0 bytes", 0), 0u);
}

}  // namespace
}  // namespace ktrain
