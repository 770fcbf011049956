// T7: closed forms of two losses over a grid of (a, b, r), and what holds for any number of losses.
#include "train/monitor/remedy.h"

#include <chrono>
#include <cmath>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/message.h"
#include "tests/support/probe.h"
#include "train/monitor/solvers.h"

namespace ktrain {
namespace {

using solvers::Coefficients;

const std::vector<std::vector<std::size_t>> kPair = {{1}, {0}};

template <class Use>
void over_the_grid(Use&& use) {
  for (const double a : {0.1, 1.0, 2.0})
    for (const double b : {0.5, 1.0, 30.0})
      for (const double r : {-0.95, -0.6, -0.1, 0.0, 0.3, 0.9}) {
        SCOPED_TRACE(fmt::format("a = {}, b = {}, r = {}", a, b, r));
        use(a, b, r, test::gram_of(a, b, r));
      }
}

double along(const Gram& gram, const Coefficients& alpha, std::size_t j) {
  double sum = 0;
  for (std::size_t i = 0; i < gram.size(); ++i) sum += alpha[i] * gram(i, j);
  return sum;
}

double length(const Gram& gram, const Coefficients& alpha) {
  double sum = 0;
  for (std::size_t j = 0; j < gram.size(); ++j) sum += alpha[j] * along(gram, alpha, j);
  return std::sqrt(std::max(0.0, sum));
}

// Rounding: some ten operations on numbers of the size of the answer.
void expect_close(double found, double want, double rtol = 1e-11) {
  EXPECT_NEAR(found, want, 1e-13 + rtol * std::abs(want));
}

TEST(Solvers, PcgradOfTwo) {
  over_the_grid([](double a, double b, double r, const Gram& gram) {
    const Coefficients alpha = solvers::pcgrad(gram, kPair);
    expect_close(alpha[0], r < 0 ? 1 - r * b / a : 1);
    expect_close(alpha[1], r < 0 ? 1 - r * a / b : 1);
    if (r < 0) expect_close(along(gram, alpha, 0), a * a * (1 - r * r), 1e-9);
    if (r < 0) expect_close(along(gram, alpha, 1), b * b * (1 - r * r), 1e-9);
  });
}

TEST(Solvers, GradvacReachesItsTarget) {
  over_the_grid([](double a, double b, double r, const Gram& gram) {
    for (const double wanted : {-0.3, 0.0, 0.5}) {
      const Gram target = test::gram_of(1, 1, wanted);
      // g_1 alone is moved when the order of g_2 is empty.
      const Coefficients sum = solvers::gradvac(gram, target, {{1}, {}});
      const Coefficients moved = {sum[0], sum[1] - 1};
      const double cos = along(gram, moved, 1) / (b * length(gram, moved));
      EXPECT_NEAR(cos, std::max(r, wanted), 1e-9);
      EXPECT_EQ(moved[0], 1);
      (void)a;
    }
    // With target 0 it is PCGrad.
    const Coefficients vac = solvers::gradvac(gram, test::gram_of(1, 1, 0), kPair);
    const Coefficients pc = solvers::pcgrad(gram, kPair);
    expect_close(vac[0], pc[0]);
    expect_close(vac[1], pc[1]);
  });
}

TEST(Solvers, MinNormOfTwo) {
  over_the_grid([](double a, double b, double r, const Gram& gram) {
    const Coefficients alpha = solvers::min_norm(gram);
    const double square = a * a + b * b - 2 * r * a * b;
    const double want = std::clamp((b * b - r * a * b) / square, 0.0, 1.0);
    expect_close(alpha[0], want);
    EXPECT_NEAR(alpha[0] + alpha[1], 1, 1e-14);
    if (want > 0 && want < 1) {
      const double shortest = a * a * b * b * (1 - r * r) / square;
      expect_close(length(gram, alpha) * length(gram, alpha), shortest, 1e-9);
      expect_close(along(gram, alpha, 0), shortest, 1e-9);
      expect_close(along(gram, alpha, 1), shortest, 1e-9);
    }
  });
}

// ||d - g_0|| = c ||g_0||: the ball is always tight; equal norms give (1 + c) g_0; and no other
// direction of the ball has a better worst loss.
TEST(Solvers, CagradOfTwo) {
  over_the_grid([](double a, double b, double, const Gram& gram) {
    for (const double c : {0.0, 0.4, 0.9}) {
      const Coefficients alpha = solvers::cagrad(gram, c);
      const double mean = length(gram, {0.5, 0.5});
      EXPECT_NEAR(length(gram, {alpha[0] - 0.5, alpha[1] - 0.5}), c * mean, 1e-9 * (1 + mean));
      if (a == b) {
        expect_close(alpha[0], (1 + c) / 2, 1e-7);
        expect_close(alpha[1], (1 + c) / 2, 1e-7);
      }
      const double worst = std::min(along(gram, alpha, 0), along(gram, alpha, 1));
      for (int turn = 0; turn < 360; ++turn) {  // the ball's border in an orthonormal basis
        const double angle = turn * 0.017453292519943295;
        const double sine = std::sqrt(gram(0, 0) * gram(1, 1) - gram(0, 1) * gram(0, 1)) / a;
        const double y = c * mean * std::sin(angle) / sine;
        const double x = (c * mean * std::cos(angle) - y * gram(0, 1) / a) / a;
        const Coefficients other = {0.5 + x, 0.5 + y};
        EXPECT_LE(std::min(along(gram, other, 0), along(gram, other, 1)),
                  worst + 1e-7 * (1 + std::abs(worst)));
      }
    }
  });
}

TEST(Solvers, CagradDoesNotPromiseToAvoidConflict) {
  const Gram gram = test::gram_of(2, 0.5, -0.6);
  EXPECT_NEAR(along(gram, {0.5, 0.5}, 1), -0.175, 1e-12);
  EXPECT_NEAR(along(gram, solvers::cagrad(gram, 0.4), 1), 0, 0.02);
}

TEST(Solvers, UpgradOfTwoIsHalfOfPcgrad) {
  over_the_grid([](double, double, double, const Gram& gram) {
    const Coefficients up = solvers::upgrad(gram), pc = solvers::pcgrad(gram, kPair);
    expect_close(up[0], pc[0] / 2);
    expect_close(up[1], pc[1] / 2);
  });
}

TEST(Solvers, ImtlGOfTwo) {
  over_the_grid([](double a, double b, double, const Gram& gram) {
    const auto alpha = solvers::imtl_g(gram);
    ASSERT_TRUE(alpha);
    expect_close((*alpha)[0], b / (a + b), 1e-9);
    expect_close((*alpha)[1], a / (a + b), 1e-9);
  });
  EXPECT_FALSE(solvers::imtl_g(test::gram_of(1, 2, 1)));
}

TEST(Solvers, NashOfTwo) {
  over_the_grid([](double a, double b, double r, const Gram& gram) {
    const auto alpha = solvers::nash_mtl(gram);
    ASSERT_TRUE(alpha);
    expect_close((*alpha)[0], 1 / (a * std::sqrt(1 + r)), 1e-9);
    expect_close((*alpha)[1], 1 / (b * std::sqrt(1 + r)), 1e-9);
  });
  EXPECT_FALSE(solvers::nash_mtl(test::gram_of(1, 2, -1)));
}

TEST(Solvers, AlignedOfTwo) {
  const std::vector<double> half = {0.5, 0.5};
  for (const double r : {-0.9, -0.3, 0.3, 0.9}) {
    const Coefficients alpha = solvers::aligned_mtl(test::gram_of(1, 1, r), half);
    const double want = r < 0 ? 0.5 : 0.5 * std::sqrt((1 - r) / (1 + r));
    expect_close(alpha[0], want);
    expect_close(alpha[1], want);
  }
}

Gram random_gram(std::size_t losses, std::uint32_t sample, std::size_t dimension) {
  const RandomKey key{5, 904, 0};
  test::Vectors g(losses, std::vector<double>(dimension));
  for (std::size_t k = 0; k < losses; ++k)
    for (std::size_t c = 0; c < dimension; ++c)
      g[k][c] = static_cast<double>(k + 1) *
                test::normal_of(key, sample, static_cast<std::uint32_t>(16 * k + c));
  return test::gram_of(g);
}

// Exact MGDA, Nash-MTL and UPGrad never conflict, whatever K; in 2 to 6 dimensions gradients of 3
// to 9 losses conflict and depend on each other.
TEST(Solvers, NeverConflictForAnyNumberOfLosses) {
  int conflicts = 0;
  for (std::uint32_t sample = 0; sample < 300; ++sample) {
    const std::size_t losses = 3 + sample % 7, dimension = 2 + sample % 5;
    const Gram gram = random_gram(losses, sample, dimension);
    double scale = 0;
    for (std::size_t k = 0; k < losses; ++k) scale = std::max(scale, gram(k, k));
    const Coefficients mean(losses, 1.0 / static_cast<double>(losses));
    std::vector<Coefficients> answers = {solvers::upgrad(gram), solvers::min_norm(gram)};
    if (const auto nash = solvers::nash_mtl(gram)) answers.push_back(*nash);
    for (std::size_t j = 0; j < losses; ++j) {
      conflicts += along(gram, mean, j) < 0;
      for (const Coefficients& alpha : answers)
        EXPECT_GE(along(gram, alpha, j), -1e-8 * scale) << sample << " " << losses;
    }
  }
  EXPECT_GT(conflicts, 100);
}

// The shortest vector of the hull by its own condition: d.g_k >= ||d||^2 for all k.
TEST(Solvers, MinNormMeetsItsCondition) {
  for (std::uint32_t sample = 0; sample < 300; ++sample) {
    const std::size_t losses = 2 + sample % 8;
    const Gram gram = random_gram(losses, 1000 + sample, 2 + sample % 9);
    const Coefficients alpha = solvers::min_norm(gram);
    EXPECT_NEAR(std::accumulate(alpha.begin(), alpha.end(), 0.0), 1, 1e-12);
    const double square = length(gram, alpha) * length(gram, alpha);
    for (std::size_t k = 0; k < losses; ++k) {
      EXPECT_GE(alpha[k], 0);
      EXPECT_GE(along(gram, alpha, k), square - 1e-8 * gram(losses - 1, losses - 1));
    }
  }
}

TEST(Solvers, EigenOfGrams) {
  for (std::uint32_t sample = 0; sample < 20; ++sample) {
    const Gram gram = random_gram(9, 2000 + sample, 12);
    const solvers::Eigen parts = solvers::eigen(gram);
    for (std::size_t k = 0; k < 9; ++k) {
      EXPECT_GE(parts.values[k], parts.values[k > 0 ? k - 1 : 0]);
      for (std::size_t j = 0; j < 9; ++j)
        EXPECT_NEAR(along(gram, parts.vectors[k], j), parts.values[k] * parts.vectors[k][j],
                    1e-11 * parts.values[8]);
    }
  }
}

// --- remedies on records ---

RemedyOptions of(RemedyKind kind) {
  RemedyOptions options;
  options.kind = kind;
  return options;
}

std::vector<GroupWeights> solve(RemedyKind kind, const ProbeRecord& record) {
  return Remedy(of(kind)).solve(record);
}

TEST(Remedies, HaveNames) {
  for (const std::string_view name : remedy_names())
    EXPECT_EQ(remedy_name(*find_remedy(name)), name);
  EXPECT_EQ(remedy_names().size(), 14u);
  EXPECT_EQ(remedy_name(RemedyKind::kGradnorm), "gradnorm");
  EXPECT_FALSE(find_remedy("pcgrd"));
}

TEST(Remedies, LeaveTheWeightsWhereNothingIsToDo) {
  const ProbeRecord record = test::two_losses(test::gram_of(1, 2, 0.5), {}, 0.1);
  for (const RemedyKind kind : {RemedyKind::kNone, RemedyKind::kCut, RemedyKind::kPcAsym,
                                RemedyKind::kPcgrad, RemedyKind::kUpgrad}) {
    const GroupWeights answer = solve(kind, record)[0];
    EXPECT_FALSE(answer.changed) << remedy_name(kind);
    EXPECT_EQ(answer.weights, record.weights) << remedy_name(kind);
    EXPECT_EQ(answer.reason.empty(), kind == RemedyKind::kNone);
  }
  ProbeRecord dark = record;
  dark.groups[0].raw = test::gram_of(1, 0, 0);
  for (const std::string_view name : remedy_names()) {
    if (name == "mgda_ub") continue;
    const GroupWeights answer = solve(*find_remedy(name), dark)[0];
    EXPECT_EQ(answer.weights, record.weights) << name;
    EXPECT_FALSE(answer.changed) << name;
  }
}

// d.g_det after pc_asym is what detection alone would have; its own gradient is the reference.
TEST(Remedies, PcAsymRestoresDetection) {
  ProbeRecord record = test::two_losses(test::gram_of(1, 4, -0.5), test::gram_of(2, 1, -0.8), 0.2);
  GroupWeights answer = solve(RemedyKind::kPcAsym, record)[0];
  EXPECT_TRUE(answer.changed);
  expect_close(answer.weights[0], 1 + 0.2 * 2);
  EXPECT_EQ(answer.weights[1], 0.2);
  EXPECT_EQ(answer.reference, 0);
  expect_close(along(record.groups[0].raw, answer.weights, 0), 1);
  RemedyOptions options = of(RemedyKind::kPcAsym);
  options.preconditioned = true;
  answer = Remedy(options).solve(record)[0];
  expect_close(along(record.groups[0].preconditioned, answer.weights, 0), 4);
  // A help is left alone, but by Bloop.
  record.groups[0].raw = test::gram_of(1, 4, 0.5);
  EXPECT_FALSE(solve(RemedyKind::kPcAsym, record)[0].changed);
  options = of(RemedyKind::kPcAsym);
  options.always = true;
  answer = Remedy(options).solve(record)[0];
  expect_close(along(record.groups[0].raw, answer.weights, 0), 1);
}

// g_det = (1, 0), g_macl = (-3, 4), r = (.6, .8): <macl, r> = 1.4 > 0, no conflict with r; with
// r = (1, -1): <macl, r> = -7, rho = .1 * 7 / 2.
TEST(Remedies, PcAsymAgainstARunningMean) {
  const ProbeRecord record = test::two_losses(test::gram_of({{1, 0}, {-3, 4}}), {}, 0.1);
  Remedy remedy(of(RemedyKind::kPcAsym));
  GroupWeights answer = remedy.solve(record, {{"visible.layer1", {{0.6, 1.4}, 1}}})[0];
  EXPECT_FALSE(answer.changed);
  EXPECT_EQ(answer.reason, "no conflict");
  answer = remedy.solve(record, {{"visible.layer1", {{1, -7}, 2}}})[0];
  EXPECT_TRUE(answer.changed);
  expect_close(answer.reference, 0.35);
  EXPECT_EQ(answer.weights, record.weights);
}

TEST(Remedies, DetectionInSeveralLossesIsProtectedAsAWhole) {
  const test::Vectors g = {{1, 0, 1}, {0, 1, -1}, {-2, -1, 3}, {1, 0, -2}};
  ProbeRecord record = test::two_losses(test::gram_of(g), {}, 0.1);
  record.losses = {"rpn_cls", "roi_cls", "macl", "dhn"};
  record.detection = 2;
  record.values = {1, 1, 1, 1};
  record.weights = {1, 2, 0.1, 0.3};
  const GroupWeights answer = solve(RemedyKind::kPcAsym, record)[0];
  // det = g_0 + 2 g_1 = (1, 2, -1), ||det||^2 = 6; macl.det = -7, dhn.det = 3 (left alone).
  const double scale = 1 + 0.1 * 7 / 6;
  expect_close(answer.weights[0], scale);
  expect_close(answer.weights[1], 2 * scale);
  EXPECT_EQ(answer.weights[2], 0.1);
  EXPECT_EQ(answer.weights[3], 0.3);
}

TEST(Remedies, CutAndGate) {
  ProbeRecord record = test::two_losses(test::gram_of(1, 4, -0.5), {}, 0.2);
  record.groups.push_back({"visible.stem", 1, test::gram_of(1, 4, 0.5), {}, {}, false});
  record.groups.push_back({"visibly", 1, test::gram_of(1, 4, 0.25), {}, {}, false});
  RemedyOptions options = of(RemedyKind::kCut);
  options.cut_groups = {"visible"};
  options.cut_scale = 0.25;
  auto answers = Remedy(options).solve(record);
  EXPECT_EQ(answers[0].weights, (std::vector<double>{1, 0.05}));
  EXPECT_EQ(answers[1].weights, (std::vector<double>{1, 0.05}));
  EXPECT_EQ(answers[2].weights, record.weights);
  EXPECT_EQ(answers[2].reason, "not named");

  answers = solve(RemedyKind::kGate, record);
  EXPECT_EQ(answers[0].weights, (std::vector<double>{1, 0}));
  expect_close(answers[1].weights[1], 0.1);
  expect_close(answers[2].weights[1], 0.05);
  options = of(RemedyKind::kGate);
  options.gate_hard = true;
  answers = Remedy(options).solve(record);
  EXPECT_EQ(answers[0].weights[1], 0);
  EXPECT_EQ(answers[1].weights[1], 0.2);
}

// One batch against a long history does not close the gate.
TEST(Remedies, GateListensToTheMean) {
  Remedy remedy(of(RemedyKind::kGate));
  const ProbeRecord good = test::two_losses(test::gram_of(1, 1, 0.5), {}, 0.2);
  const ProbeRecord bad = test::two_losses(test::gram_of(1, 1, -0.5), {}, 0.2);
  for (int i = 0; i < 50; ++i) (void)remedy.solve(good);
  EXPECT_GT(remedy.solve(bad)[0].weights[1], 0.08);
  for (int i = 0; i < 100; ++i) (void)remedy.solve(bad);
  EXPECT_EQ(remedy.solve(bad)[0].weights[1], 0);
}

// What a remedy's scale means: with equal orthogonal gradients every mean is the plain sum again.
TEST(Remedies, KeepTheMeaningOfTheLearningRate) {
  ProbeRecord record = test::two_losses(test::gram_of(2, 8, 0), {}, 0.25);  // weighted norms 2, 2
  record.features = {{"visible.p2", test::gram_of(2, 8, 0)}};
  for (const char* name :
       {"pcgrad", "mgda", "mgda_ub", "upgrad", "imtl_g", "nash_mtl", "aligned_mtl", "gradvac"}) {
    const GroupWeights answer = solve(*find_remedy(name), record)[0];
    expect_close(answer.weights[0], 1);
    expect_close(answer.weights[1], 0.25);
  }
  const GroupWeights answer = solve(RemedyKind::kCagrad, record)[0];
  EXPECT_NEAR(answer.weights[0], 1.4, 1e-6);
  EXPECT_NEAR(answer.weights[1], 0.35, 1e-6);
}

TEST(Remedies, PcgradOfThreeDrawsItsOrderFromTheSeed) {
  ProbeRecord record = test::two_losses({}, {}, 1);
  record.losses = {"det", "macl", "dhn"};
  record.values = record.weights = {1, 1, 1};
  record.groups[0].raw = test::gram_of({{1, 0, 0}, {-1, 1, 0.2}, {-0.5, -1, 0.1}});
  std::vector<std::vector<double>> kinds;
  for (std::uint64_t seed = 0; seed < 64; ++seed) {
    RemedyOptions options = of(RemedyKind::kPcgrad);
    options.seed = seed;
    const auto found = Remedy(options).solve(record)[0].weights;
    EXPECT_EQ(Remedy(options).solve(record)[0].weights, found);
    if (std::find(kinds.begin(), kinds.end(), found) == kinds.end()) kinds.push_back(found);
    // Every answer is that of one of the 2^3 orders.
    bool known = false;
    for (int bits = 0; bits < 8; ++bits) {
      std::vector<std::vector<std::size_t>> order = {{1, 2}, {0, 2}, {0, 1}};
      for (std::size_t i = 0; i < 3; ++i)
        if ((bits >> i) % 2) std::swap(order[i][0], order[i][1]);
      known = known || solvers::pcgrad(record.groups[0].raw, order) == found;
    }
    EXPECT_TRUE(known);
  }
  EXPECT_GT(kinds.size(), 4u);
  record.step = 2;  // another step, another draw
  int other = 0;
  for (std::uint64_t seed = 0; seed < 64; ++seed) {
    RemedyOptions options = of(RemedyKind::kPcgrad);
    options.seed = seed;
    const auto now = Remedy(options).solve(record)[0].weights;
    record.step = 1;
    other += now != Remedy(options).solve(record)[0].weights;
    record.step = 2;
  }
  EXPECT_GT(other, 30);
}

TEST(Remedies, GradnormBalancesNorms) {
  ProbeRecord record = test::two_losses(test::gram_of(1, 9, 0.1), {}, 0.5);
  RemedyOptions options = of(RemedyKind::kGradnorm);
  options.gradnorm_alpha = 0;
  options.gradnorm_rate = 0.002;
  Remedy remedy(options);
  GroupWeights answer;
  for (int i = 0; i < 2000; ++i) answer = remedy.solve(record)[0];
  // n_1 = n_2 and factors sum to 2: m_1 = 4.5 m_2. Adam hovers within some of its steps.
  EXPECT_NEAR(answer.weights[0], 2 * 4.5 / 5.5, 0.02);
  EXPECT_NEAR(answer.weights[1], 0.5 * 2 / 5.5, 0.02);
  // With alpha > 0 the loss that fell less gets more.
  options.gradnorm_alpha = 1;
  Remedy slow(options);
  (void)slow.solve(record);
  record.values[1] *= 0.25;
  for (int i = 0; i < 2000; ++i) answer = slow.solve(record)[0];
  // target ratio rho_1 / rho_2 = 4: m_1 = 18 m_2
  EXPECT_NEAR(answer.weights[0], 2 * 18.0 / 19, 0.02);
}

TEST(Remedies, GoOnAfterARestore) {
  for (const RemedyKind kind :
       {RemedyKind::kGate, RemedyKind::kGradvac, RemedyKind::kGradnorm, RemedyKind::kPcgrad}) {
    Remedy straight(of(kind)), broken(of(kind));
    for (std::uint32_t i = 0; i < 30; ++i) {
      const ProbeRecord record = test::full_record(4, 1, i);
      Remedy next(of(kind));
      next.restore(broken.state());
      broken = next;
      EXPECT_EQ(straight.solve(record), broken.solve(record)) << remedy_name(kind) << " " << i;
    }
    EXPECT_EQ(straight.state(), broken.state());
    EXPECT_NE(test::message_of([&] { broken.restore("{}"); }), "nothing was thrown");
  }
}

TEST(Remedies, SurviveEveryRecord) {
  for (const std::string_view name : remedy_names()) {
    Remedy remedy(of(*find_remedy(name)));
    for (std::uint32_t i = 0; i < 40; ++i) {
      const ProbeRecord record = test::full_record(2 + i % 4, 1, i);
      Remedy fresh(of(*find_remedy(name)));
      for (const GroupWeights& answer : fresh.solve(record)) {
        EXPECT_EQ(answer.weights.size(), record.losses.size());
        for (const double e : answer.weights) EXPECT_TRUE(std::isfinite(e)) << name;
      }
    }
  }
  RemedyOptions options;
  options.cut_scale = 2;
  EXPECT_NE(test::message_of([&] { Remedy remedy(options); }), "nothing was thrown");
}

}  // namespace
}  // namespace ktrain
