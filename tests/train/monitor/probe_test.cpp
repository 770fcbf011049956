// Known answers: what a probe must say about losses whose gradients can be worked out by hand.
#include "train/monitor/probe.h"

#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "runtime/ops.h"
#include "tests/support/close.h"
#include "tests/support/tape.h"

namespace ktrain::test {
namespace {

using Floats = std::vector<float>;

// Some parameters, an optimizer, and one probe of losses on them; the first loss is detection.
class Toy {
 public:
  explicit Toy(OptimizerPlan plan = {}) : plan_(std::move(plan)) {
    plan_.weight_decay = 0;
    plan_.momentum = 0;
  }

  Tensor parameter(const std::string& name, const Shape& shape, const Floats& values) {
    return parameters.add(name, Tensor::from<float>(context, shape, values),
                          ParameterKind::kWeight);
  }
  [[nodiscard]] Tensor constant(const Shape& shape, const Floats& values) const {
    return Tensor::from<float>(context, shape, values);
  }

  ProbeRecord probe(const std::vector<Tensor>& losses, const std::vector<double>& weights,
                    std::vector<WatchedFeature> features = {}, double lr = 0.1) {
    if (!optimizer) optimizer.emplace(plan_, parameters);
    const LayerGroups groups(parameters);
    std::vector<LossTerm> terms;
    std::vector<double> values;
    for (std::size_t i = 0; i < losses.size(); ++i) {
      terms.push_back({i == 0 ? "roi_cls" : "aux" + std::to_string(i), losses[i], weights[i]});
      values.push_back(losses[i].item());
    }
    Probe probe(parameters, groups, *optimizer, make_axis("deep", terms, 1));
    gradients = probe.walk({terms, form_total(terms), std::move(features)});
    optimizer->step(gradients, lr, {}, [&](std::size_t i, const Tensor& before) {
      probe.updated(i, before, gradients[i]);
    });
    return probe.record(values, plan_.clip);
  }

  ContextPtr context = make_cpu_context();
  ParameterSet parameters;
  std::optional<Optimizer> optimizer;
  std::vector<Tensor> gradients;

 private:
  OptimizerPlan plan_;
};

OptimizerPlan sgd(double clip = 0) {
  OptimizerPlan plan;
  plan.kind = "sgd";
  plan.clip = clip;
  return plan;
}

double cosine(const Gram& gram, std::size_t i = 0, std::size_t j = 1) {
  return gram(i, j) / std::sqrt(gram(i, i) * gram(j, j));
}

// 1/2 ||x - a||^2 as a scalar.
Tensor half_square(const Tensor& x, const Floats& a) {
  const Floats values = x.to_vector<float>();
  Floats difference(values.size());
  float sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    difference[i] = values[i] - a[i];
    sum += difference[i] * difference[i] / 2;
  }
  const Shape shape = x.shape();
  return record("half_square", {x}, Tensor::from<float>(x.context(), {1}, Floats{sum}),
                [difference, shape](const Tensor& dy, const Wanted&) {
                  Floats dx = difference;
                  for (float& d : dx) d *= dy.item();
                  return std::vector{Tensor::from<float>(dy.context(), shape, dx)};
                });
}

// <u, y> of one row.
Tensor read_out(const Tensor& y, const Tensor& u) { return reshape(linear(y, u, {}), {1}); }

// T1: at the midpoint of two quadratics the cosine is -1, in the corner 0.
TEST(ProbeAnswers, TwoQuadratics) {
  const struct {
    Floats x, a, b;
    double want;
  } cases[] = {{{0.5f, 0.5f}, {1, 0}, {0, 1}, -1},
               {{0, 0}, {1, 0}, {0, 1}, 0},
               {{0.3f, -2}, {1, 4}, {-3, 0.5f}, 0}};
  for (const auto& c : cases) {
    Toy toy(sgd());
    const Tensor x = toy.parameter("fusion.0.weight", {2}, c.x);
    const ProbeRecord record = toy.probe({half_square(x, c.a), half_square(x, c.b)}, {1, 0.5});
    double ab = 0, aa = 0, bb = 0;
    for (std::size_t i = 0; i < 2; ++i) {
      const double da = double{c.x[i]} - double{c.a[i]}, db = double{c.x[i]} - double{c.b[i]};
      ab += da * db, aa += da * da, bb += db * db;
    }
    const double got = cosine(record.groups.at(0).raw);
    EXPECT_NEAR(got, ab / std::sqrt(aa * bb), 1e-6);
    if (&c != &cases[2]) {
      EXPECT_NEAR(got, c.want, 1e-6);
    }
  }
}

// T2: d(u y)/dW = u x^T.
TEST(ProbeAnswers, LinearLayer) {
  // d(u y)/dW = u x^T: the cosine of two such is cos(u, v) cos(x1, x2).
  Toy toy(sgd());
  const Tensor w = toy.parameter("roi_head.fc.weight", {2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor x1 = toy.constant({1, 3}, {1, 2, -1}), x2 = toy.constant({1, 3}, {0.5f, -1, 2});
  const Tensor u = toy.constant({1, 2}, {1, 3}), v = toy.constant({1, 2}, {-2, 1});
  const ProbeRecord record =
      toy.probe({read_out(linear(x1, w, {}), u), read_out(linear(x2, w, {}), v)}, {1, 1});
  const double xx = -3.5 / std::sqrt(6 * 5.25), uv = 1 / std::sqrt(10.0 * 5);
  EXPECT_EQ(record.groups.at(0).group, "roi");
  EXPECT_NEAR(cosine(record.groups[0].raw), xx * uv, 1e-6);
}

// T3: -1/32 at the features, -1 at the weight.
TEST(ProbeAnswers, FeatureCosineCanHideConflictOfWeights) {
  // A 1x1 convolution of a constant picture: one place against all 1024, of opposite sign.
  Toy toy(sgd());
  const Tensor w = toy.parameter("visible.neck.0.weight", {1, 1, 1, 1}, {1});
  const Tensor y = conv2d(toy.constant({1, 32, 32, 1}, Floats(1024, 1.0f)), w, {}, {});
  Floats one(1024, 0.0f);
  one[77] = 1;
  const Tensor row = reshape(y, {1, 1024});
  const ProbeRecord record = toy.probe({read_out(row, toy.constant({1, 1024}, one)),
                                        read_out(row, toy.constant({1, 1024}, Floats(1024, -1)))},
                                       {1, 1}, {{"visible.p2", y.node()}});
  EXPECT_NEAR(cosine(record.features.at(0).raw), -0.03125, 1e-7);
  EXPECT_NEAR(cosine(record.groups.at(0).raw), -1, 1e-6);
}

// T4: J = diag(1, 4): +.6 at the features, -.6 at the weights.
TEST(ProbeAnswers, FeatureCosineCanHaveTheOtherSign) {
  Toy toy(sgd());
  const Tensor theta = toy.parameter("visible.neck.0.weight", {1, 2}, {1, 1});
  const Tensor f = linear(theta, toy.constant({2, 2}, {1, 0, 0, 4}), {});
  const ProbeRecord record = toy.probe(
      {read_out(f, toy.constant({1, 2}, {1, 0.5f})), read_out(f, toy.constant({1, 2}, {1, -0.5f}))},
      {1, 1}, {{"visible.p2", f.node()}});
  EXPECT_NEAR(cosine(record.features.at(0).raw), 0.6, 1e-6);
  EXPECT_NEAR(cosine(record.groups.at(0).raw), -0.6, 1e-6);
}

// Two streams, fused, eight losses.
struct TwoStreams {
  explicit TwoStreams(Toy& toy) {
    std::mt19937 engine(11);
    std::normal_distribution<float> draw;
    const auto noise = [&](std::int64_t size) {
      Floats values(static_cast<std::size_t>(size));
      for (float& v : values) v = draw(engine);
      return values;
    };
    const Tensor wv = toy.parameter("visible.backbone.conv1.weight", {12, 20}, noise(240));
    const Tensor wt = toy.parameter("thermal.backbone.conv1.weight", {12, 20}, noise(240));
    const Tensor wf = toy.parameter("fusion.0.weight", {8, 12}, noise(96));
    const Tensor v = linear(toy.constant({6, 20}, noise(120)), wv, {}, true);
    const Tensor t = linear(toy.constant({6, 20}, noise(120)), wt, {}, true);
    const Tensor f = linear(add(v, t), wf, {});
    for (int k = 0; k < 8; ++k) {
      const Tensor& from = k < 5 ? f : k < 7 ? v : t;
      losses.push_back(read_out(reshape(from, {1, from.size()}),
                                toy.constant({1, from.size()}, noise(from.size()))));
      weights.push_back(0.25 * (k + 1));
    }
  }
  std::vector<Tensor> losses;
  std::vector<double> weights;
};

// T5: stacked cotangents are separate walks; the weighted sum is what trains, to the bit.
TEST(ProbeAnswers, EightLossesInOneWalkAreEightWalks) {
  Toy toy(sgd());
  const TwoStreams net(toy);
  std::vector<Tensor> wrt;
  for (const Parameter& p : toy.parameters.all()) wrt.push_back(p.value);
  // One walk per loss, in double from there on.
  std::vector<std::vector<Floats>> by_loss;
  for (const Tensor& loss : net.losses) {
    const Tensor one = filled(toy.context, {1}, 1);
    std::vector<Floats> of_loss;
    for (const Tensor& g : gradients({&loss, 1}, {&one, 1}, wrt))
      of_loss.push_back(g.defined() ? g.to_vector<float>() : Floats{});
    by_loss.push_back(of_loss);
  }
  std::vector<LossTerm> terms;
  for (std::size_t k = 0; k < 8; ++k) terms.push_back({"", net.losses[k], net.weights[k]});
  const std::vector<Tensor> joint = backward(form_total(terms), toy.parameters);
  const ProbeRecord record = toy.probe(net.losses, net.weights);
  ASSERT_EQ(record.groups.size(), 3u);
  for (std::size_t g = 0; g < 3; ++g) {
    const Gram& gram = record.groups[g].raw;
    for (std::size_t i = 0; i < 8; ++i)
      for (std::size_t j = i; j < 8; ++j) {
        const Floats &a = by_loss[i][g], &b = by_loss[j][g];
        double want = 0;
        for (std::size_t e = 0; e < std::min(a.size(), b.size()); ++e)
          want += double{a[e]} * double{b[e]};
        // The first loss is had as a difference of sums some times its size.
        EXPECT_NEAR(gram(i, j), want, 1e-5 * std::sqrt(gram(i, i) * gram(j, j)) + 1e-9)
            << record.groups[g].group << " " << i << " " << j;
      }
    // x^T G x >= 0 for any x.
    std::mt19937 engine(3);
    std::normal_distribution<double> draw;
    for (int t = 0; t < 100; ++t) {
      std::vector<double> x(8);
      double form = 0, trace = 0;
      for (double& v : x) v = draw(engine);
      for (std::size_t i = 0; i < 8; ++i) {
        trace += gram(i, i);
        for (std::size_t j = 0; j < 8; ++j) form += x[i] * x[j] * gram(i, j);
      }
      EXPECT_GE(form, -1e-6 * trace);
    }
    // The weighted sum of the losses' gradients is what was trained on.
    Floats sum(by_loss[0][2].size() == 96 && g == 2 ? 96 : 240, 0.0f);
    for (std::size_t k = 0; k < 8; ++k)
      for (std::size_t e = 0; e < by_loss[k][g].size(); ++e)
        sum[e] += static_cast<float>(net.weights[k]) * by_loss[k][g][e];
    EXPECT_TRUE(all_close(toy.gradients[g].to_vector<float>(), sum, 1e-4, 1e-5));
    EXPECT_EQ(toy.gradients[g].to_vector<float>(), joint[g].to_vector<float>()) << "to the bit";
  }
}

// T6: w_j to 2 w_j, in a probe.
TEST(ProbeAnswers, TwiceTheWeightAddsTheLossOnceMore) {
  std::vector<Floats> total[2];
  Gram gram;
  for (const int twice : {0, 1}) {
    Toy toy(sgd());
    TwoStreams net(toy);
    if (twice != 0) net.weights[4] *= 2;
    const ProbeRecord record = toy.probe(net.losses, net.weights);
    gram = record.groups[2].raw;
    for (const Tensor& g : toy.gradients) total[twice].push_back(g.to_vector<float>());
  }
  double square = 0;
  for (std::size_t e = 0; e < 96; ++e)
    square += std::pow(double{total[1][2][e]} - double{total[0][2][e]}, 2);
  const double weight = 0.25 * 5;
  EXPECT_NEAR(square, weight * weight * gram(4, 4), 1e-5 * square);
}

// T9.
TEST(ProbeAnswers, PredictedChangeOfAQuadraticIsExact) {
  // dL_pred = -lr min(1, c / ||g||) ||g||^2 and real - pred = 1/2 ||delta||^2.
  for (const double clip : {0.0, 0.5}) {
    Toy toy(sgd(clip));
    const Floats x = {3, -4, 12};
    const Tensor p = toy.parameter("fusion.0.weight", {3}, x);
    const Tensor other = half_square(p, {3, -4, 11});
    const ProbeRecord record = toy.probe({half_square(p, {0, 0, 0}), other}, {1, 0}, {}, 0.25);
    const double factor = clip > 0 ? clip / 13 : 1, pred = -0.25 * factor * 169;
    ASSERT_EQ(record.predicted.size(), 2u);
    EXPECT_NEAR(record.predicted[0], pred, 1e-5 * std::abs(pred));
    EXPECT_NEAR(record.predicted[1], -0.25 * factor * 12, 1e-5);
    EXPECT_NEAR(record.clip, factor, 1e-6);
    EXPECT_NEAR(record.clip_det, factor, 1e-6);
    double delta = 0, after = 0;
    const Floats now = p.to_vector<float>();
    for (std::size_t i = 0; i < 3; ++i) {
      delta += std::pow(double{now[i]} - double{x[i]}, 2);
      after += double{now[i]} * double{now[i]} / 2;
    }
    EXPECT_NEAR(after - 84.5 - record.predicted[0], delta / 2, 1e-4);
  }
}

TEST(ProbeAnswers, PreconditionedProductsUseAdamsMomentFromBeforeTheStepAndTheMultiplier) {
  OptimizerPlan plan;
  plan.multipliers = {{"backbone", 0.1, 1.0}};
  Toy toy(plan);
  const Tensor p = toy.parameter("visible.backbone.conv1.weight", {2}, {10, 1});
  const ProbeRecord first = toy.probe({half_square(p, {0, 0}), half_square(p, {9, 6})}, {1, 0});
  EXPECT_EQ(first.groups.at(0).preconditioned.size(), 0u) << "there is no moment yet";
  const Floats x = p.to_vector<float>();
  const ProbeRecord second = toy.probe({half_square(p, {0, 0}), half_square(p, {9, 6})}, {1, 0});
  // v_hat after one step is g^2 = (100, 1).
  const double want = 0.1 * (double{x[0]} * (x[0] - 9.0) / 10 + double{x[1]} * (x[1] - 6.0) / 1);
  EXPECT_EQ(second.groups.at(0).group, "visible.stem");
  EXPECT_NEAR(second.groups[0].preconditioned(0, 1), want, 1e-5 * std::abs(want));
  EXPECT_NEAR(second.momentum_scale, 0.1 / (1 - 0.81), 1e-12);
}

TEST(ProbeAnswers, TheRunningMeanIsMetInTheMetricOfTheRemedy) {
  Toy toy{OptimizerPlan{}};
  const Tensor p = toy.parameter("fusion.0.weight", {2}, {10, 1});
  (void)toy.probe({half_square(p, {0, 0}), half_square(p, {9, 6})}, {1, 0});
  const Floats x = p.to_vector<float>();
  RemedyPlan plan;
  plan.kind = "pc_asym";
  plan.mode = "live";
  LiveRemedy remedy(plan, 1, toy.parameters);
  const Floats r = {2, -3};
  remedy.move_reference(0, toy.constant({2}, r));
  remedy.end_step();
  const std::vector<LossTerm> terms = {{"roi_cls", half_square(p, {0, 0}), 1.0},
                                       {"aux", half_square(p, {9, 6}), 0.5}};
  const LayerGroups groups(toy.parameters);
  Probe probe(toy.parameters, groups, *toy.optimizer, make_axis("watch", terms, 1));
  ProbeInput input{terms, form_total(terms), {}};
  input.remedy = &remedy;
  (void)probe.walk(input);
  // v_hat after one step is g^2 = (100, 1); aux's gradient is x - (9, 6).
  const double p0 = 1.0 / 10, p1 = 1.0;
  const Reference raw = probe.references().at("fusion"),
                  scaled = probe.references(true).at("fusion");
  EXPECT_NEAR(raw.square, 13, 1e-5);
  EXPECT_NEAR(raw.products[1], (x[0] - 9.0) * 2 + (x[1] - 6.0) * -3, 1e-4);
  EXPECT_NEAR(scaled.square, 4 * p0 + 9 * p1, 1e-4);
  EXPECT_NEAR(scaled.products[0], double{x[0]} * 2 * p0 + double{x[1]} * -3 * p1, 1e-4);
  EXPECT_NEAR(scaled.products[1], (x[0] - 9.0) * 2 * p0 + (x[1] - 6.0) * -3 * p1, 1e-4);
}

TEST(ProbeAnswers, ALossThatDoesNotReachAGroupIsZeroThereToTheBit) {
  Toy toy(sgd());
  const Tensor a = toy.parameter("fusion.0.weight", {3}, {0.1f, 0.2f, 0.3f});
  const Tensor b = toy.parameter("aux.macl.0.weight", {3}, {0.7f, -0.2f, 1.3f});
  const Tensor both = weighted_sum({half_square(a, {1, 1, 1}), half_square(b, {1, 1, 1})}, {1, 1});
  const ProbeRecord record = toy.probe({half_square(a, {5, 4, 3}), both}, {1, 0.3});
  EXPECT_EQ(record.groups.at(1).group, "aux.macl");
  EXPECT_EQ(record.groups[1].raw(0, 0), 0);
  EXPECT_EQ(record.groups[1].raw(0, 1), 0);
  EXPECT_GT(record.groups[1].raw(1, 1), 0);
}

// Four images, a map, a head behind it with two regions an image: the halves of every group, and
// what two walks of the halves' losses say.
TEST(ProbeAnswers, TheHalfOfABatchBeginsAtTheHeadsAndAgainBeforeThem) {
  Toy toy(sgd());
  const Tensor w = toy.parameter("visible.neck.0.weight", {2, 3}, {1, -2, 3, 0.5f, 5, -1});
  const Tensor f = toy.parameter("fusion.0.weight", {2, 2}, {2, 1, -1, 3});
  const Tensor h = toy.parameter("roi_head.fc.weight", {1, 1}, {0.5f});
  const Floats images = {1, 2, 3, 3, -1, 2, 0, 1, -2, 2, 2, 1};
  const Floats read = {1, -2, 3, 1, 0.5f, 2, -1, 4};
  const auto run = [&](const Floats& reading, Tensor* map, Tensor* fused, Tensor* head) {
    const Tensor a = linear(toy.constant({4, 3}, images), w, {}, true);
    const Tensor b = linear(a, f, {}, true);
    const Tensor c = linear(reshape(b, {8, 1}), h, {});
    if (map) *map = a, *fused = b, *head = c;
    return read_out(reshape(c, {1, 8}), toy.constant({1, 8}, reading));
  };
  Tensor map, fused, head;
  const Tensor loss = run(read, &map, &fused, &head);
  const Tensor aux = read_out(reshape(map, {1, 8}), toy.constant({1, 8}, read));
  // By hand: a walk for each half.
  std::vector<std::vector<Floats>> halves(2);
  for (const std::size_t half : {0u, 1u}) {
    Floats part = read;
    std::fill(part.begin() + (half == 0 ? 4 : 0), part.begin() + (half == 0 ? 8 : 4), 0.0f);
    const Tensor y = run(part, nullptr, nullptr, nullptr);
    for (const Tensor& g : backward(y, toy.parameters))
      halves[half].push_back(g.to_vector<float>());
  }
  const std::vector<LossTerm> terms = {{"roi_cls", loss, 1.0}, {"aux", aux, 0.5}};
  Optimizer optimizer(sgd(), toy.parameters);
  const LayerGroups groups(toy.parameters);
  Probe probe(toy.parameters, groups, optimizer, make_axis("watch", terms, 1));
  ProbeInput input{terms,
                   form_total(terms),
                   {{"visible.p2", map.node()}, {"", fused.node()}, {"", head.node(), 2, true}}};
  input.half = true;
  const std::vector<Tensor> gradients = probe.walk(input);
  const auto cosines = probe.split_half();
  ASSERT_EQ(cosines.size(), 3u);
  for (std::size_t p = 0; p < 3; ++p) {
    const Floats &x = halves[0][p], &y = halves[1][p];
    double xx = 0, xy = 0, yy = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      xx += double{x[i]} * double{x[i]};
      xy += double{x[i]} * double{y[i]};
      yy += double{y[i]} * double{y[i]};
    }
    ASSERT_GT(xx * yy, 0);
    EXPECT_NEAR(cosines[p].second, xy / std::sqrt(xx * yy), 1e-5) << cosines[p].first;
  }
  EXPECT_EQ(probe.record({loss.item(), aux.item()}, 0).features.size(), 1u);
}

TEST(ProbeAnswers, HalvesOfABatchOfEqualImagesAgree) {
  for (const bool equal : {true, false}) {
    Toy toy(sgd());
    const Tensor w = toy.parameter("visible.neck.0.weight", {2, 3}, {1, 2, 3, 4, 5, 6});
    Floats images = {1, 2, 3, 1, 2, 3};
    if (!equal) images = {1, 2, 3, -1, -2, -3};
    const Tensor f = linear(toy.constant({2, 3}, images), w, {});
    const Tensor row = reshape(f, {1, 4});
    const std::vector<LossTerm> terms = {
        {"roi_cls", read_out(row, toy.constant({1, 4}, {1, 2, 1, 2})), 1.0},
        {"aux", read_out(row, toy.constant({1, 4}, {3, 0, -1, 5})), 0.5}};
    Optimizer optimizer(sgd(), toy.parameters);
    const LayerGroups groups(toy.parameters);
    Probe probe(toy.parameters, groups, optimizer, make_axis("watch", terms, 1));
    ProbeInput input{terms, form_total(terms), {{"visible.p2", f.node()}}};
    input.half = true;
    (void)probe.walk(input);
    const auto cosines = probe.split_half();
    ASSERT_EQ(cosines.size(), 1u);
    EXPECT_EQ(cosines[0].first, "visible.neck");
    EXPECT_NEAR(cosines[0].second, equal ? 1 : -1, 1e-5);
  }
}

}  // namespace
}  // namespace ktrain::test
