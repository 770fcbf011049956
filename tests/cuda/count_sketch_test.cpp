// The CUDA sketch against the CPU's, in double and in float.
#include "kernels/count_sketch.h"

#include <cmath>
#include <utility>
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

struct Input {
  Vectors vectors;
  SketchHash hash;
  std::int64_t buckets = 64, offset = 0, remainder = -1;
  std::vector<double> mix;

  [[nodiscard]] Remainder rest() const {
    return {remainder, 0.5, {mix.data(), remainder < 0 ? 0 : std::ssize(mix)}};
  }
  [[nodiscard]] std::int64_t rows() const { return std::ssize(vectors); }
  bool fresh = false;
  // What is there before.
  [[nodiscard]] Floats before() const {
    return fresh ? Floats(static_cast<std::size_t>(rows() * buckets), 0.0f)
                 : test::random_floats(rows() * buckets, 77);
  }
};

Floats on_device(const Input& in, std::int64_t misaligned = 0) {
  const Stream stream;
  CudaStream const s = stream.get();
  std::vector<DeviceView<float>> views;
  std::vector<Span<const float>> spans;
  views.reserve(in.vectors.size());
  for (const Floats& x : in.vectors) views.emplace_back(s, x, misaligned);
  for (const auto& view : views) spans.push_back(view.in());
  const Span<const Span<const float>> all = span(std::as_const(spans));
  const DeviceView<float> out(s, in.before());
  const DeviceView<std::byte> scratch(
      cuda::count_sketch_scratch_bytes(all, in.rest(), in.hash, in.buckets));
  cuda::count_sketch(s, all, in.rest(), in.hash, in.offset, {out.data(), in.rows(), in.buckets},
                     scratch.span());
  return out.to_host(s);
}

template <class T>
std::vector<T> on_cpu(const Input& in) {
  std::vector<std::vector<T>> values;
  std::vector<Span<const T>> spans;
  for (const Floats& x : in.vectors) values.push_back(test::cast<T>(x));
  for (const auto& x : values) spans.push_back({x.data(), std::ssize(x)});
  std::vector<T> out = test::cast<T>(in.before());
  cpu::count_sketch<T>(span(std::as_const(spans)), in.rest(), in.hash, in.offset,
                       {out.data(), in.rows(), in.buckets});
  return out;
}

Input make(std::int64_t count, std::int64_t size, std::int64_t buckets, bool remainder) {
  Input in;
  for (std::int64_t k = 0; k < count; ++k) {
    in.vectors.push_back(k == 1 ? Floats{} : test::random_floats(size, static_cast<unsigned>(k)));
    in.mix.push_back(0.25 * static_cast<double>(k + 1));
  }
  in.hash.seed = 5;
  in.buckets = buckets;
  in.offset = 1234567;
  if (remainder) in.remainder = count / 2;
  return in;
}

struct Case {
  std::int64_t count, size, buckets;
  bool remainder;
};
// One bucket, fewer and more buckets than elements, several ranges, several segments and splits.
class CountSketchCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, CountSketchCuda,
                         testing::Values(Case{1, 1, 1, false}, Case{3, 0, 64, true},
                                         Case{2, 33, 1, true}, Case{3, 1023, 64, true},
                                         Case{2, 700, 16384, true}, Case{4, 5001, 2, false},
                                         Case{16, 300, 128, true}, Case{1, 32769, 4096, false},
                                         Case{3, test::large(262151), 8192, true}));

TEST_P(CountSketchCuda, AgreesWithTheCpu) {
  KT_NEEDS_GPU();
  const auto [count, size, buckets, remainder] = GetParam();
  const Input in = make(count, size, buckets, remainder);
  const Floats got = on_device(in);
  // The CPU's float adds the elements of a bucket, below 8, one by one: a rounding of 2^-24 of a
  // partial sum each, taken for the root of their number.
  const double each = static_cast<double>(size) / static_cast<double>(buckets) + 4;
  EXPECT_TRUE(test::all_close(got, on_cpu<float>(in), 1e-6 * each, 1e-6));
  // Ours: whole numbers of 2^-29, a rounding of every segment's sum; the remainder is a float.
  EXPECT_TRUE(test::all_close(got, on_cpu<double>(in), 1e-6 * std::sqrt(each), 1e-6));
}

TEST_P(CountSketchCuda, IsTheSameToTheBitAgainAndAtAnotherAddress) {
  KT_NEEDS_GPU();
  const auto [count, size, buckets, remainder] = GetParam();
  const Input in = make(count, size, buckets, remainder);
  const Floats first = on_device(in);
  EXPECT_TRUE(test::same_bits(on_device(in), first));
  EXPECT_TRUE(test::same_bits(on_device(in, 1), first));
}

TEST(CountSketchCudaValues, WholeNumbersAreExact) {
  KT_NEEDS_GPU();
  Input in = make(3, 40000, 64, true);
  for (Floats& x : in.vectors)
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 7 % 9) - 4;
  in.mix = {1, 2, 2};
  in.fresh = true;
  EXPECT_TRUE(test::same_bits(on_device(in), on_cpu<float>(in)));
}

TEST(CountSketchCudaValues, EnoughBucketsKeepTheVectorToTheBit) {
  KT_NEEDS_GPU();
  Input in = make(4, 300, 310, true);
  in.hash.identity = true;
  in.offset = 10;
  EXPECT_TRUE(test::same_bits(on_device(in), on_cpu<float>(in)));
}

TEST(CountSketchCudaValues, TinyAndHugeElementsKeepTheirSize) {
  KT_NEEDS_GPU();
  for (const float factor : {1e-38f, 1e-30f, 1e30f}) {
    Input in = make(1, 500, 4096, false);
    for (float& x : in.vectors[0]) x *= factor;
    in.fresh = true;
    // Whole numbers of 2^-142 at least, some 1e-5 of an element of 1e-38.
    const double part = factor < 1e-37f ? 1e-4 : 2e-6;
    EXPECT_TRUE(
        test::all_close(on_device(in), on_cpu<double>(in), part * static_cast<double>(factor), 0));
  }
}

TEST(CountSketchCudaValues, ABrokenElementBreaksItsBucketAlone) {
  KT_NEEDS_GPU();
  for (const float broken : {NAN, INFINITY, -INFINITY}) {
    Input in = make(1, 500, 64, false);
    in.vectors[0][77] = in.vectors[0][78] = broken;
    const Floats got = on_device(in), want = on_cpu<float>(in);
    int seen = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(std::isnan(got[i]), !std::isfinite(want[i])) << i;
      seen += std::isnan(got[i]) ? 1 : 0;
    }
    EXPECT_GE(seen, 1);
    EXPECT_LE(seen, 2);
  }
}

TEST(CountSketchCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const auto begins = [](Input in, const char* with) {
    return test::message_of([&] { (void)on_device(in); }).rfind(with, 0) == 0;
  };
  EXPECT_TRUE(begins({{{1, 2, 3}}, {0, false}, 100, 0, -1, {}},
                     "count_sketch: 100 buckets, wanted a power of two"));
  EXPECT_TRUE(begins({{{1, 2, 3}}, {0, true}, 4, 2, -1, {}}, "count_sketch: 5 places, 4 columns"));
}

}  // namespace
}  // namespace ktrain
