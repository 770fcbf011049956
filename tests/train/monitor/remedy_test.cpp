// Remedies on records; the solvers have a test of their own.
#include "train/monitor/remedy.h"

#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/message.h"
#include "tests/support/probe.h"
#include "train/monitor/solvers.h"

namespace ktrain {
namespace {

double along(const Gram& gram, const std::vector<double>& alpha, std::size_t j) {
  double sum = 0;
  for (std::size_t i = 0; i < gram.size(); ++i) sum += alpha[i] * gram(i, j);
  return sum;
}

// Rounding: some ten operations on numbers of the size of the answer.
void expect_close(double found, double want, double rtol = 1e-11) {
  EXPECT_NEAR(found, want, 1e-13 + rtol * std::abs(want));
}

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

// T7.
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
