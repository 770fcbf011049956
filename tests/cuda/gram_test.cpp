// The CUDA products of many vectors against the CPU's, in double and in float.
#include "kernels/gram.h"

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
using Doubles = std::vector<double>;

// An empty vector stands for zeros; an empty v asks for plain products alone.
struct Input {
  Vectors vectors;
  Floats v;
  std::int64_t remainder = -1;
  Doubles mix;

  [[nodiscard]] Remainder rest() const {
    return {remainder, 0.5, {mix.data(), remainder < 0 ? 0 : std::ssize(mix)}};
  }
  [[nodiscard]] std::size_t products() const { return vectors.size() * (vectors.size() + 1) / 2; }
};

constexpr double kRoot = 0.5, kEps = 1e-3;

struct Products {
  Doubles raw, weighed;
};

// The vectors of an input on the device, `offset` elements after an aligned address.
struct OnDevice {
  std::vector<DeviceView<float>> views;
  std::vector<Span<const float>> spans;
  OnDevice(CudaStream stream, const Vectors& vectors, std::int64_t offset) {
    views.reserve(vectors.size());
    for (const Floats& x : vectors) views.emplace_back(stream, x, offset);
    for (const auto& view : views) spans.push_back(view.in());
  }
  [[nodiscard]] Span<const Span<const float>> all() const { return span(spans); }
};

Products on_device(const Input& in, std::int64_t offset = 0) {
  const Stream stream;
  CudaStream const s = stream.get();
  const OnDevice vectors(s, in.vectors, offset);
  const DeviceView<float> v(s, in.v, offset);
  const auto cells = static_cast<std::int64_t>(in.products());
  const DeviceView<double> raw(cells), weighed(in.v.empty() ? 0 : cells);
  const DeviceView<std::byte> scratch(cuda::gram_scratch_bytes(vectors.all()));
  cuda::gram(s, vectors.all(), in.rest(), {v.in(), kRoot, kEps}, raw.span(), weighed.span(),
             scratch.span());
  return {raw.to_host(s), weighed.to_host(s)};
}

template <class T>
Products on_cpu(const Input& in) {
  std::vector<std::vector<T>> values;
  std::vector<Span<const T>> spans;
  for (const Floats& x : in.vectors) values.push_back(test::cast<T>(x));
  for (const auto& x : values) spans.push_back({x.data(), std::ssize(x)});
  const std::vector<T> v = test::cast<T>(in.v);
  const Span<const Span<const T>> all = span(std::as_const(spans));
  Products out{Doubles(in.products()), Doubles(in.v.empty() ? 0 : in.products())};
  std::vector<std::byte> scratch(static_cast<std::size_t>(cpu::gram_scratch_bytes(all)));
  cpu::gram<T>(all, in.rest(), {{v.data(), std::ssize(v)}, kRoot, kEps}, span(out.raw),
               span(out.weighed), span(scratch));
  return out;
}

Input make(std::int64_t count, std::int64_t size, bool weighted, bool remainder) {
  Input in;
  for (std::int64_t k = 0; k < count; ++k) {
    in.vectors.push_back(k == 2 ? Floats{} : test::random_floats(size, static_cast<unsigned>(k)));
    in.mix.push_back(0.25 * static_cast<double>(k + 1));
  }
  if (weighted) in.v = test::random_floats(size, 99, 0, 1);
  if (remainder) in.remainder = count / 2;
  return in;
}

// |x_i| |x_j| by product: what an error is relative to.
bool close(const Doubles& got, const Doubles& want, std::size_t count, double tolerance) {
  if (got.size() != want.size()) return false;
  const auto at = [&](std::size_t i, std::size_t j) { return i * count - i * (i - 1) / 2 + j - i; };
  for (std::size_t i = 0, k = 0; i < count && !want.empty(); ++i)
    for (std::size_t j = i; j < count; ++j, ++k)
      if (!(std::abs(got[k] - want[k]) <=
            tolerance * std::sqrt(want[at(i, i)] * want[at(j, j)]) + 1e-300)) {
        ADD_FAILURE() << i << ' ' << j << ": " << got[k] << ", want " << want[k];
        return false;
      }
  return true;
}

struct Case {
  std::int64_t count, size;
  bool weighted, remainder;
};
class GramCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, GramCuda,
                         testing::Values(Case{1, 1, true, false}, Case{2, 0, true, true},
                                         Case{4, 33, false, true}, Case{3, 2049, true, true},
                                         Case{5, 1023, true, false}, Case{8, 1025, true, true},
                                         Case{7, 3000, false, false}, Case{9, 513, true, true},
                                         Case{12, 700, false, true}, Case{16, 1030, true, true},
                                         Case{13, 511, true, false}, Case{16, 512, false, false},
                                         Case{3, test::large(300007), true, true},
                                         Case{9, test::large(100003), true, true}));

TEST_P(GramCuda, AgreesWithTheCpu) {
  KT_NEEDS_GPU();
  const auto [count, size, weighted, remainder] = GetParam();
  const Input in = make(count, size, weighted, remainder);
  const Products got = on_device(in), narrow = on_cpu<float>(in), wide = on_cpu<double>(in);
  const auto n = static_cast<std::size_t>(count);
  // The same floats; 16 products a lane, rounded to 2^-24 of |x_i| |x_j| each, on both sides.
  EXPECT_TRUE(close(got.raw, narrow.raw, n, 2e-6));
  EXPECT_TRUE(close(got.weighed, narrow.weighed, n, 2e-6));
  // The remainder's elements and the weights are floats: up to 17 roundings of an element, the
  // others' mixed sizes (below 8) relative to its own.
  EXPECT_TRUE(close(got.raw, wide.raw, n, 1e-5));
  EXPECT_TRUE(close(got.weighed, wide.weighed, n, 1e-5));
}

TEST_P(GramCuda, IsTheSameToTheBitAgainAndAtAnotherAddress) {
  KT_NEEDS_GPU();
  const auto [count, size, weighted, remainder] = GetParam();
  const Input in = make(count, size, weighted, remainder);
  const Products first = on_device(in);
  for (const std::int64_t offset : {0, 1}) {
    const Products again = on_device(in, offset);
    EXPECT_TRUE(test::same_bits(again.raw, first.raw));
    EXPECT_TRUE(test::same_bits(again.weighed, first.weighed));
  }
}

TEST(GramCudaValues, PreconditionedProductsCanHaveAnotherSign) {
  KT_NEEDS_GPU();
  Input in{{{10, 1}, {1, -5}}, {1e4f, 0.01f}, -1, {}};
  const Products got = on_device(in);
  EXPECT_EQ(got.raw, (Doubles{101, 5, 26}));
  // 1 / (100 / 0.5 + 0.001) and 1 / (0.1 / 0.5 + 0.001)
  EXPECT_NEAR(got.weighed[1], 10 / 200.001 - 5 / 0.201, 1e-5);
}

TEST(GramCudaValues, EmptyVectorsAreZerosAndANanReachesItsRowsAlone) {
  KT_NEEDS_GPU();
  EXPECT_EQ(on_device({{{}, {}}, {}, -1, {}}).raw, Doubles(3, 0.0));
  const Doubles got = on_device({{{1, NAN}, {1, 2}, {0, 1}}, {}, -1, {}}).raw;
  EXPECT_TRUE(std::isnan(got[0]) && std::isnan(got[1]) && std::isnan(got[2]));
  EXPECT_EQ(got[3], 5);
  EXPECT_TRUE(on_device({}).raw.empty());
}

TEST(GramCudaValues, MixedElementsAreTheCpusToTheBit) {
  KT_NEEDS_GPU();
  const Input in = make(5, 1000, false, true);
  const Stream stream;
  const OnDevice vectors(stream.get(), in.vectors, 1);
  std::vector<Span<const float>> spans;
  for (const Floats& x : in.vectors) spans.push_back(span(x));
  for (std::int64_t k = 0; k < 5; ++k) {
    const DeviceView<float> got(777);
    Floats want(777);
    cuda::mixed_elements(stream.get(), vectors.all(), in.rest(), k, 100, got.span());
    cpu::mixed_elements<float>(span(std::as_const(spans)), in.rest(), k, 100, span(want));
    EXPECT_TRUE(test::same_bits(got.to_host(stream.get()), want)) << k;
  }
}

TEST(GramCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const auto begins = [](const Input& in, const char* with) {
    return test::message_of([&] { (void)on_device(in); }).rfind(with, 0) == 0;
  };
  EXPECT_TRUE(begins({{{1, 2}, {1, 2, 3}}, {}, -1, {}}, "gram: vector 1 has 3 elements, others 2"));
  EXPECT_TRUE(begins({{{1, 2}}, {1, 2, 3}, -1, {}}, "gram: 2 elements, 3 second moments"));
  EXPECT_TRUE(begins({Vectors(17, {1, 2}), {}, -1, {}}, "gram: 17 vectors, at most 16 fit"));
  EXPECT_TRUE(begins({{{1}, {2}}, {}, 5, {}}, "gram: vector 5 of 2 is the remainder"));
}

}  // namespace
}  // namespace ktrain
