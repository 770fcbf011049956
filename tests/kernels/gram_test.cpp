#include "kernels/gram.h"

#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "kernels/check.h"
#include "kernels/parallel.h"
#include "tests/support/close.h"

namespace ktrain {
namespace {

using Vectors = std::vector<std::vector<float>>;

std::vector<float> noise(std::size_t size, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> draw;
  std::vector<float> x(size);
  for (float& value : x) value = draw(engine);
  return x;
}

struct Products {
  std::vector<double> raw, weighed;
};

Products products(const Vectors& vectors, const Remainder& remainder = {},
                  const std::vector<float>& v = {}, double root = 1, double eps = 1e-8) {
  std::vector<Span<const float>> spans;
  for (const auto& x : vectors) spans.push_back({x.data(), std::ssize(x)});
  const Span<const Span<const float>> all{spans.data(), std::ssize(spans)};
  const std::size_t cells = vectors.size() * (vectors.size() + 1) / 2;
  Products out{std::vector<double>(cells, -7), std::vector<double>(cells, -7)};
  std::vector<std::byte> scratch(static_cast<std::size_t>(cpu::gram_scratch_bytes(all)));
  cpu::gram<float>(
      all, remainder, {{v.data(), std::ssize(v)}, root, eps}, {out.raw.data(), std::ssize(out.raw)},
      {out.weighed.data(), std::ssize(out.weighed)}, {scratch.data(), std::ssize(scratch)});
  return out;
}

double dot(const std::vector<float>& a, const std::vector<float>& b,
           const std::vector<double>& p = {}) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    sum += double{a[i]} * double{b[i]} * (p.empty() ? 1.0 : p[i]);
  return sum;
}

TEST(Gram, PreconditionedProductsCanHaveAnotherSign) {
  // g_i = (10, 1), g_j = (1, -5), P = diag(.01, 1): raw +5, preconditioned -4.9.
  const Products got = products({{10, 1}, {1, -5}}, {}, {1e4f, 1.0f}, 1.0, 0.0);
  EXPECT_DOUBLE_EQ(got.raw[1], 5);
  EXPECT_NEAR(got.weighed[1], -4.9, 1e-6);
}

TEST(Gram, AgreesWithDoubleSumsAtEverySize) {
  for (const std::size_t size : {1u, 255u, 256u, 257u, 16384u, 40001u}) {
    const Vectors x = {noise(size, 1), noise(size, 2), noise(size, 3)};
    std::vector<float> v = noise(size, 4);
    std::vector<double> p(size);
    for (std::size_t i = 0; i < size; ++i) {
      v[i] *= v[i];
      p[i] = 1 / (std::sqrt(double{v[i]}) / 0.5 + 1e-3);
    }
    const Products got = products(x, {}, v, 0.5, 1e-3);
    std::size_t at = 0;
    for (std::size_t i = 0; i < 3; ++i)
      for (std::size_t j = i; j < 3; ++j, ++at) {
        // 16 float products a lane, each rounded to 6e-8 of |x_i| |x_j|.
        const double scale = std::sqrt(dot(x[i], x[i]) * dot(x[j], x[j]));
        EXPECT_NEAR(got.raw[at], dot(x[i], x[j]), 1e-6 * scale);
        const double weighed = std::sqrt(dot(x[i], x[i], p) * dot(x[j], x[j], p));
        EXPECT_NEAR(got.weighed[at], dot(x[i], x[j], p), 1e-6 * weighed);
      }
  }
}

TEST(Gram, RemainderIsWhatTheOthersLeaveOfASum) {
  const std::size_t size = 3000;
  const std::vector<float> a = noise(size, 1), b = noise(size, 2), c = noise(size, 3);
  std::vector<float> total(size);
  for (std::size_t i = 0; i < size; ++i) total[i] = 2 * a[i] + 0.5f * b[i] + 3 * c[i];
  const std::vector<double> mix = {99, 0.5, 3};  // 99: the remainder's own, not read
  const Products got = products({total, b, c}, {0, 0.5, {mix.data(), 3}});
  const Products want = products({a, b, c});
  EXPECT_TRUE(test::all_close(got.raw, want.raw, 1e-3, 1e-5));
}

TEST(Gram, EmptyVectorsAreZerosAndThreadsChangeNothing) {
  const Vectors x = {noise(100000, 1), {}, noise(100000, 2)};
  set_num_threads(1);
  const Products one = products(x);
  set_num_threads(4);
  const Products four = products(x);
  set_num_threads(0);
  EXPECT_EQ(one.raw, four.raw);
  for (const int zero : {1, 3, 4}) EXPECT_EQ(one.raw[static_cast<std::size_t>(zero)], 0);
  EXPECT_EQ(products({{}, {}}).raw, std::vector<double>(3, 0.0));
}

TEST(Gram, RefusesWhatDoesNotFit) {
  EXPECT_THROW((void)products({{1, 2}, {1, 2, 3}}), Error);
  EXPECT_THROW((void)products({{1, 2}}, {}, {1, 2, 3}), Error);
  EXPECT_THROW((void)products(Vectors(17, {1, 2})), Error);
  EXPECT_THROW((void)products({{1}, {2}}, {5, 1, {}}), Error);
}

TEST(Gram, NanReachesItsRowsAlone) {
  const Products got = products({{1, NAN}, {1, 2}, {0, 1}});
  EXPECT_TRUE(std::isnan(got.raw[0]) && std::isnan(got.raw[1]) && std::isnan(got.raw[2]));
  EXPECT_EQ(got.raw[3], 5);
}

}  // namespace
}  // namespace ktrain
