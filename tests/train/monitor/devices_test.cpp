// T22: what several devices must add up so that the monitor says what one device with the whole
// batch would: gradients, and sketches, which are linear; not Grams, which are not.
#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "runtime/ops.h"
#include "train/monitor/probe.h"

namespace ktrain {
namespace {

using Floats = std::vector<float>;
constexpr std::int64_t kRows = 6, kIn = 40, kOut = 32, kBuckets = 512;  // of one device

Floats noise(std::int64_t size, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> draw;
  Floats values(static_cast<std::size_t>(size));
  for (float& value : values) value = draw(engine);
  return values;
}

// One device: the same weights as all others, and two losses that are means over its rows.
class Worker {
 public:
  Worker() {
    const auto weight = [&](const char* name, const Shape& shape, unsigned seed) {
      return parameters_.add(name, Tensor::from<float>(context_, shape, noise(shape.size(), seed)),
                             ParameterKind::kWeight);
    };
    trunk_ = weight("visible.backbone.conv1.weight", {kOut, kIn}, 1);
    neck_ = weight("visible.neck.0.weight", {kOut, kOut}, 2);
    groups_.emplace(parameters_);
    OptimizerPlan plan;
    plan.kind = "sgd";
    optimizer_.emplace(plan, parameters_);
    SketchBlocks::Options options;
    options.buckets = kBuckets;
    options.seed = 5;
    sketches_.emplace(context_, *groups_, options);
    sketches_->begin_segment();
  }

  ProbeRecord probe(const Floats& rows) {
    const auto count = static_cast<std::int64_t>(rows.size()) / kIn;
    const Tensor x = Tensor::from<float>(context_, {count, kIn}, rows);
    const Tensor y = linear(linear(x, trunk_, {}, true), neck_, {}, true);
    const std::vector<LossTerm> terms = {{"roi_cls", mean_along(y, 3), 1.0},
                                         {"macl", mean_along(y, 4), 0.5}};
    Probe probe(parameters_, *groups_, *optimizer_, make_axis("watch", terms, 1));
    ProbeInput input{terms, form_total(terms), {}};
    input.sketches = &*sketches_;
    sketches_->begin_probe();
    total_ = probe.walk(input);
    by_loss_ = {probe.without(1, total_)};
    return probe.record({0, 0}, 0);
  }

  // Detection's and the weighted auxiliary gradient of the last probe, of one parameter.
  [[nodiscard]] std::vector<Floats> gradients(std::size_t parameter) const {
    const Floats all = total_[parameter].to_vector<float>();
    const Floats det = by_loss_[0][parameter].to_vector<float>();
    Floats aux = all;
    for (std::size_t i = 0; i < aux.size(); ++i) aux[i] = (all[i] - det[i]) / 0.5f;
    return {det, aux};
  }
  [[nodiscard]] const SketchBlocks& sketches() const { return *sketches_; }
  // The sketches of one group as they would be sent, the oldest block first.
  [[nodiscard]] Floats sent(std::size_t group) const {
    Floats values;
    for (std::int64_t b = 0; b < sketches_->blocks(); ++b)
      for (const Floats& vector : sketches_->block(group, b))
        values.insert(values.end(), vector.begin(), vector.end());
    return values;
  }

 private:
  // The mean over rows of <u, y_row>.
  static Tensor mean_along(const Tensor& y, unsigned seed) {
    const std::int64_t rows = y.size(0);
    const Tensor u = Tensor::from<float>(y.context(), {1, kOut}, noise(kOut, seed));
    const Tensor ones = filled(y.context(), {1, rows}, 1.0f / static_cast<float>(rows));
    return reshape(linear(reshape(linear(y, u, {}), {1, rows}), ones, {}), {1});
  }

  ContextPtr context_ = make_cpu_context();
  ParameterSet parameters_;
  Tensor trunk_, neck_;
  std::optional<LayerGroups> groups_;
  std::optional<Optimizer> optimizer_;
  std::optional<SketchBlocks> sketches_;
  std::vector<Tensor> total_;
  std::vector<std::vector<Tensor>> by_loss_;
};

Floats joined(Floats a, const Floats& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// What an all-reduce with the mean leaves on both devices.
Floats mean_of(const Floats& a, const Floats& b) {
  Floats mean(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) mean[i] = (a[i] + b[i]) / 2;
  return mean;
}

double dot(const Floats& a, const Floats& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * double{b[i]};
  return sum;
}

double size_of(const Gram& gram, std::size_t i, std::size_t j) {
  return std::sqrt(gram(i, i) * gram(j, j));
}

// T22.
TEST(TwoDevices, TheGramOfAveragedGradientsIsThatOfTheWholeBatch) {
  Worker first, second, whole;
  const Floats a = noise(kRows * kIn, 10), b = noise(kRows * kIn, 11);
  const ProbeRecord of_first = first.probe(a), of_second = second.probe(b);
  const ProbeRecord want = whole.probe(joined(a, b));
  ASSERT_EQ(want.groups.size(), 2u);
  for (std::size_t g = 0; g < 2; ++g) {
    std::vector<Floats> mean;
    for (std::size_t k = 0; k < 2; ++k)
      mean.push_back(mean_of(first.gradients(g)[k], second.gradients(g)[k]));
    for (std::size_t i = 0; i < 2; ++i)
      for (std::size_t j = i; j < 2; ++j) {
        const double scale = size_of(want.groups[g].raw, i, j);
        // Sums of some hundred floats in another order.
        EXPECT_NEAR(dot(mean[i], mean[j]), want.groups[g].raw(i, j), 1e-5 * scale);
        const double grams = (of_first.groups[g].raw(i, j) + of_second.groups[g].raw(i, j)) / 2;
        EXPECT_GT(std::abs(grams - want.groups[g].raw(i, j)), 0.01 * scale)
            << "a mean of Grams is another number, so that this test can fail";
      }
  }
}

// T22: Twenty probes, so that neighbouring blocks have been joined. What one device would say of
// the whole batches follows from sums of sketches alone.
TEST(TwoDevices, SumsOfSketchesSayWhatOneDeviceSays) {
  Worker first, second, whole;
  for (unsigned probe = 0; probe < 20; ++probe) {
    const Floats a = noise(kRows * kIn, 100 + probe), b = noise(kRows * kIn, 200 + probe);
    (void)first.probe(a), (void)second.probe(b), (void)whole.probe(joined(a, b));
  }
  for (std::size_t g = 0; g < 2; ++g) {
    const Floats sum = mean_of(first.sent(g), second.sent(g)), want = whole.sent(g);
    const std::size_t newest = 9 * 2 * std::size_t{kBuckets};  // after nine blocks of two probes
    ASSERT_EQ(sum.size(), newest + 2 * std::size_t{kBuckets}) << "hashed, not kept";
    double largest = 0;
    for (const float value : want) largest = std::max(largest, std::abs(double{value}));
    // Finished blocks are rounded to bfloat16 at most twice on either side, by 2^-8 each time.
    for (std::size_t i = 0; i < want.size(); ++i)
      EXPECT_NEAR(double{sum[i]}, double{want[i]}, (i < newest ? 0x1p-6 : 1e-5) * largest);

    const BlockSums alone = whole.sketches().sums(g);
    BlockSums reduced = alone;
    std::vector<std::span<const float>> vectors;
    for (std::size_t v = 0; v < alone.counts.size() * 2; ++v)
      vectors.emplace_back(sum.data() + v * kBuckets, std::size_t{kBuckets});
    reduced.products = inner_products(vectors);
    const CrossBatchCosine got = CrossBatch(reduced).cosine(0, 1);
    const CrossBatchCosine one = CrossBatch(alone).cosine(0, 1);
    ASSERT_FALSE(one.below_noise);
    // The rounding of 512 buckets, each by itself: 2^-8 / sqrt(512) of the norms in every product.
    EXPECT_NEAR(got.cosine.value, one.cosine.value, 5e-4);
    EXPECT_NEAR(got.cosine.lo, one.cosine.lo, 5e-4);
    EXPECT_NEAR(got.cosine.hi, one.cosine.hi, 5e-4);
    // And neither device by itself could have said it.
    const double half = CrossBatch(first.sketches().sums(g)).cosine(0, 1).cosine.value;
    EXPECT_GT(std::abs(half - one.cosine.value), 1e-3);
  }
}

// The sketch of one probe, added up over devices, stands for the Gram of averaged gradients.
TEST(TwoDevices, SketchesOfOneProbeEstimateTheGramOfAveragedGradients) {
  Worker first, second, whole;
  const Floats a = noise(kRows * kIn, 10), b = noise(kRows * kIn, 11);
  (void)first.probe(a), (void)second.probe(b);
  const ProbeRecord want = whole.probe(joined(a, b));
  for (std::size_t g = 0; g < 2; ++g) {
    const Floats sum = mean_of(first.sent(g), second.sent(g));
    const Floats det(sum.begin(), sum.begin() + kBuckets),
        aux(sum.begin() + kBuckets, sum.begin() + 2 * kBuckets);
    const Gram& gram = want.groups[g].raw;
    // Its error is 1 / sqrt(buckets) of the norms; four of them.
    const double error = 4 / std::sqrt(double{kBuckets});
    EXPECT_NEAR(dot(det, aux), gram(0, 1), error * size_of(gram, 0, 1));
    EXPECT_NEAR(dot(det, det), gram(0, 0), error * gram(0, 0));
    EXPECT_NEAR(dot(aux, aux), gram(1, 1), error * gram(1, 1));
  }
}

}  // namespace
}  // namespace ktrain
