#include "kernels/count_sketch.h"

#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "kernels/check.h"
#include "kernels/parallel.h"
#include "tests/support/close.h"

namespace ktrain {
namespace {

std::vector<float> noise(std::size_t size, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> draw;
  std::vector<float> x(size);
  for (float& value : x) value = draw(engine);
  return x;
}

std::vector<std::vector<float>> sketch(const std::vector<std::vector<float>>& vectors,
                                       const SketchHash& hash, std::int64_t columns,
                                       std::int64_t offset = 0, const Remainder& remainder = {}) {
  std::vector<Span<const float>> spans;
  for (const auto& x : vectors) spans.push_back({x.data(), std::ssize(x)});
  std::vector<float> out(vectors.size() * static_cast<std::size_t>(columns), 0.0f);
  cpu::count_sketch<float>({spans.data(), std::ssize(spans)}, remainder, hash, offset,
                           {out.data(), std::ssize(vectors), columns});
  std::vector<std::vector<float>> rows;
  for (std::size_t k = 0; k < vectors.size(); ++k)
    rows.emplace_back(out.begin() + static_cast<std::ptrdiff_t>(k) * columns,
                      out.begin() + static_cast<std::ptrdiff_t>(k + 1) * columns);
  return rows;
}

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * double{b[i]};
  return sum;
}

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  return dot(a, b) / std::sqrt(dot(a, a) * dot(b, b));
}

// T14.
TEST(CountSketch, CosineErrorIsOneOverTheRootOfTheBuckets) {
  // For nearly orthogonal vectors; 400 hashes give the root mean square to 1 / sqrt(800) = 3.5 %.
  const std::vector<float> a = noise(20000, 1), b = noise(20000, 2);
  const double exact = cosine(a, b);
  for (const std::int64_t m : {256, 1024, 4096}) {
    double sum = 0;
    for (std::uint32_t seed = 0; seed < 400; ++seed) {
      const auto s = sketch({a, b}, {seed, false}, m);
      sum += std::pow(cosine(s[0], s[1]) - exact, 2);
    }
    EXPECT_NEAR(std::sqrt(sum / 400), 1 / std::sqrt(static_cast<double>(m)),
                0.15 / std::sqrt(static_cast<double>(m)))
        << m;
  }
}

// T14.
TEST(CountSketch, IsLinear) {
  // Of small whole numbers, so that every sum is exact.
  std::mt19937 engine(3);
  std::vector<float> a(5000), b(5000), both(5000), two(5000);
  for (std::size_t i = 0; i < a.size(); ++i) {
    a[i] = static_cast<float>(engine() % 9) - 4;
    b[i] = static_cast<float>(engine() % 9) - 4;
    both[i] = a[i] + b[i];
    two[i] = both[i] + 2 * b[i];
  }
  const std::vector<double> mix = {0, 2};
  const auto s = sketch({a, b, both}, {7, false}, 64);
  for (std::size_t i = 0; i < 64; ++i) EXPECT_EQ(s[0][i] + s[1][i], s[2][i]);
  // And the remainder of a sum is sketched without being stored: two - 2 b = both.
  const auto left = sketch({two, b}, {7, false}, 64, 0, {0, 1.0, {mix.data(), 2}});
  EXPECT_EQ(left[0], s[2]);
}

TEST(CountSketch, PiecesAtTheirOffsetsAreTheWhole) {
  std::vector<float> x(3000);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 17) - 8;
  const std::vector<float> first(x.begin(), x.begin() + 1100), second(x.begin() + 1100, x.end());
  const auto whole = sketch({x}, {1, false}, 128)[0];
  const auto a = sketch({first}, {1, false}, 128)[0];
  const auto b = sketch({second}, {1, false}, 128, 1100)[0];
  for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_EQ(a[i] + b[i], whole[i]);
}

TEST(CountSketch, EnoughBucketsKeepTheVector) {
  const std::vector<float> x = noise(300, 5);
  const auto kept = sketch({x}, {0, true}, 310, 10)[0];
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_EQ(kept[i + 10], x[i]);
}

TEST(CountSketch, SeedsDifferAndThreadsDoNotMatter) {
  const std::vector<float> a = noise(50000, 1), b = noise(50000, 2);
  set_num_threads(1);
  const auto one = sketch({a, b}, {4, false}, 1024);
  set_num_threads(3);
  EXPECT_EQ(sketch({a, b}, {4, false}, 1024), one);
  set_num_threads(0);
  EXPECT_LT(std::abs(cosine(one[0], sketch({a, b}, {5, false}, 1024)[0])), 0.2);
}

TEST(CountSketch, RefusesWhatDoesNotFit) {
  EXPECT_THROW((void)sketch({{1, 2, 3}}, {0, false}, 100), Error);
  EXPECT_THROW((void)sketch({{1, 2, 3}}, {0, true}, 2), Error);
  EXPECT_THROW((void)sketch({{1, 2, 3}}, {0, true}, 4, 2), Error);
}

}  // namespace
}  // namespace ktrain
