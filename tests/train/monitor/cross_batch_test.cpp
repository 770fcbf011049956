#include "train/monitor/cross_batch.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/message.h"
#include "tests/support/probe.h"
#include "train/monitor/detection_axis.h"

namespace ktrain {
namespace {

// Gradients of two losses: means of norm 1 at cosine rho, noise with E||noise||^2 = 1 / snr and
// correlation q between the losses of one batch.
class Source {
 public:
  Source(std::size_t dimension, double rho, double snr, double q, std::uint64_t seed)
      : dimension_(dimension), rho_(rho), q_(q), key_{seed, 905, 0} {
    noise_ = 1 / std::sqrt(snr * static_cast<double>(dimension));
  }
  test::Vectors draw(std::uint32_t probe) const {
    test::Vectors g(2, std::vector<double>(dimension_));
    for (std::size_t c = 0; c < dimension_; ++c) {
      const NormalPair e = normal_pair(random_words(key_, probe, static_cast<std::uint32_t>(c)));
      g[0][c] = noise_ * e.first;
      g[1][c] = noise_ * (q_ * e.first + std::sqrt(1 - q_ * q_) * e.second);
    }
    g[0][0] += 1;
    g[1][0] += rho_;
    g[1][1] += std::sqrt(1 - rho_ * rho_);
    return g;
  }

 private:
  std::size_t dimension_;
  double rho_, q_, noise_ = 0;
  RandomKey key_;
};

struct Window {
  BlockSums sums;
  double same_batch = 0;  // mean of the cosines within a batch
};

Window window(const Source& source, std::size_t dimension, int blocks, int per_block,
              std::uint32_t first) {
  Window result;
  result.sums.losses = 2;
  result.sums.mean_squares = {0, 0};
  std::vector<std::vector<float>> sums;
  const double probes = blocks * per_block;
  for (int b = 0; b < blocks; ++b) {
    result.sums.counts.push_back(per_block);
    std::vector<float> block[2] = {std::vector<float>(dimension), std::vector<float>(dimension)};
    for (int t = 0; t < per_block; ++t) {
      const auto g = source.draw(first + static_cast<std::uint32_t>(b * per_block + t));
      const Gram gram = test::gram_of(g);
      result.same_batch += *cosine(gram, 0, 1) / probes;
      for (std::size_t k = 0; k < 2; ++k) {
        result.sums.mean_squares[k] += gram(k, k) / probes;
        for (std::size_t c = 0; c < dimension; ++c) block[k][c] += static_cast<float>(g[k][c]);
      }
    }
    sums.push_back(block[0]);
    sums.push_back(block[1]);
  }
  const std::vector<std::span<const float>> spans(sums.begin(), sums.end());
  result.sums.products = inner_products(spans);
  return result;
}

// T11: rho = -.3, SNR = .1, q = .3. Within a batch the cosine is +.245 +- .01, of the wrong sign;
// the cross-batch cosine finds -.3.
TEST(CrossBatch, FindsTheSignThatOneBatchHides) {
  const Source source(4000, -0.3, 0.1, 0.3, 1);
  double same = 0, cross = 0;
  int covered = 0;
  constexpr int kWindows = 12;
  for (std::uint32_t w = 0; w < kWindows; ++w) {
    Window drawn = window(source, 4000, 16, 4, 64 * w);
    same += drawn.same_batch / kWindows;
    const CrossBatch batch(drawn.sums);
    EXPECT_EQ(batch.probes(), 64);
    const CrossBatchCosine found = batch.cosine(0, 1);
    ASSERT_FALSE(found.below_noise);
    cross += found.cosine.value / kWindows;
    covered += found.cosine.lo <= -0.3 && -0.3 <= found.cosine.hi;
    EXPECT_LT(found.cosine.hi, 0);
    EXPECT_NEAR(*batch.snr(0), 0.1, 0.02);
    EXPECT_NEAR(batch.product(0, 0), 1, 0.2);
  }
  EXPECT_NEAR(same, 0.245, 0.01);
  EXPECT_NEAR(cross, -0.3, 0.03);
  EXPECT_GE(covered, 10);  // of 12 at 95 %: fewer has a chance of 2 %
}

// Nominal 95 %: .93 - .98 were found for SNR .03 - .3; 300 windows have a standard error of .013.
TEST(CrossBatch, IntervalsCoverWhatTheyShould) {
  for (const double snr : {0.05, 0.3}) {
    const Source source(600, -0.3, snr, 0.3, 2);
    int covered = 0, spoken = 0;
    double width = 0;
    for (std::uint32_t w = 0; w < 300; ++w) {
      const CrossBatch batch(window(source, 600, 16, 4, 64 * w).sums);
      const CrossBatchCosine found = batch.cosine(0, 1);
      if (found.below_noise) continue;
      ++spoken;
      covered += found.cosine.lo <= -0.3 && -0.3 <= found.cosine.hi;
      width += (found.cosine.hi - found.cosine.lo) / 2 / 300;
    }
    EXPECT_GE(spoken, 295) << snr;
    EXPECT_GE(covered, 0.91 * spoken) << snr;
    EXPECT_LE(covered, 0.99 * spoken) << snr;
    EXPECT_LT(width, 0.2) << snr;
  }
}

TEST(CrossBatch, SaysBelowNoiseInsteadOfANumber) {
  const Source source(600, 0, 1e9, 0, 3);
  int below = 0;
  for (std::uint32_t w = 0; w < 20; ++w) {
    Window drawn = window(source, 600, 16, 1, 16 * w);
    // Noise alone: the mean is taken out of every block.
    std::vector<std::vector<float>> noise(32, std::vector<float>(600));
    for (std::uint32_t v = 0; v < 32; ++v)
      for (std::uint32_t c = 0; c < 600; ++c)
        noise[v][c] = static_cast<float>(test::normal_of({4, 906, w}, v, c));
    drawn.sums.products =
        inner_products(std::vector<std::span<const float>>(noise.begin(), noise.end()));
    const CrossBatch batch(drawn.sums);
    const CrossBatchCosine found = batch.cosine(0, 1);
    below += found.below_noise;
    if (batch.product(0, 0) <= 0) {
      EXPECT_TRUE(found.below_noise);
      EXPECT_FALSE(batch.snr(0));
    }
  }
  EXPECT_GE(below, 10);
}

// Without noise it is the cosine of the gradients, by hand.
TEST(CrossBatch, IsTheCosineWithoutNoise) {
  const std::vector<float> a = {3, 4}, b = {4, -3}, c = {0, 5};
  std::vector<std::span<const float>> spans;
  for (int block = 0; block < 3; ++block)
    for (const auto* v : {&a, &b, &c}) spans.emplace_back(*v);
  const CrossBatch batch({{1, 1, 1}, 3, inner_products(spans), {25, 25, 26}});
  EXPECT_EQ(batch.product(0, 0), 25);
  EXPECT_EQ(batch.cosine(0, 1).cosine.value, 0);
  EXPECT_EQ(batch.cosine(0, 2).cosine.value, 0.8);
  EXPECT_EQ(batch.cosine(1, 2).cosine.value, -0.6);
  EXPECT_EQ(batch.cosine(0, 2).cosine.lo, 0.8);
  EXPECT_FALSE(batch.snr(0));  // no noise
  EXPECT_EQ(*batch.snr(2), 25);

  const auto json = nlohmann::json::parse(
      window_json(64, 2, {"det", "macl", "dhn"}, {{"fusion", batch, {{"det", 0.25}}}}));
  EXPECT_EQ(json["kind"], "window");
  EXPECT_EQ(json["probes"], 3);
  const auto& group = json["groups"]["fusion"];
  EXPECT_EQ(group["xcos"]["det~dhn"]["value"], 0.8);
  EXPECT_EQ(group["xcos"].size(), 3u);
  EXPECT_EQ(group["snr"]["dhn"], 25);
  EXPECT_FALSE(group["snr"].contains("det"));
  EXPECT_EQ(group["self"]["det"], 0.25);
}

TEST(CrossBatch, BlocksOfAnySizeCountTheirPairs) {
  // Sums of 1, 2 and 3 copies of (1, 0): every pair of probes has product 1.
  const std::vector<float> one = {1, 0}, two = {2, 0}, three = {3, 0};
  const std::vector<std::span<const float>> spans = {one, two, three};
  const CrossBatch batch({{1, 2, 3}, 1, inner_products(spans), {}});
  EXPECT_EQ(batch.product(0, 0), 1);
  EXPECT_EQ(batch.probes(), 6);
  EXPECT_THAT(test::message_of([&] {
                CrossBatch({{1, 1}, 1, Gram(2), {}});
              }),
              testing::HasSubstr("2 blocks, wanted at least 3"));
  EXPECT_THAT(test::message_of([&] {
                CrossBatch({{1, 1, 1}, 2, Gram(3), {}});
              }),
              testing::HasSubstr("3 sums, wanted 3 blocks x 2 losses"));
}

}  // namespace
}  // namespace ktrain
