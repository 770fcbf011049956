// Remedies at work: the gradient that a live training step takes is the closed form's combination
// of gradients walked separately, in every layer group.
#include <algorithm>
#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "kernels/parallel.h"
#include "runtime/autograd.h"
#include "tests/support/tiny_run.h"
#include "train/batch_tensors.h"
#include "train/data_set.h"
#include "train/plan_load.h"
#include "train/training_step.h"

namespace ktrain::test {
namespace {

using Doubles = std::vector<double>;
constexpr double kWeight = 0.5, kRate = 0.5;  // of MACL, of the steps

double dot(const Doubles& a, const Doubles& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// Detection's and MACL's unweighted gradients in one group, all parameters behind one another;
// zeros where a loss does not reach.
struct Pair {
  Doubles det, macl;
  [[nodiscard]] bool both() const { return dot(det, det) > 0 && dot(macl, macl) > 0; }
};

// What the plain sum multiplies them by is {1, kWeight}.
struct Factors2 {
  double det = 1, macl = kWeight;
};

struct Walked {
  std::vector<std::string> groups;    // in the order of their parameters
  std::map<std::string, Pair> pairs;  // by group
  Pair pyramids;                      // cotangents at all levels of both streams
  double det_value = 0, macl_value = 0;
};

class LiveClosedForm : public testing::Test {
 protected:
  void begin(const std::vector<std::string>& remedy) {
    std::vector<std::string> overrides = {"threads=1",
                                          "remedy.mode=live",
                                          fmt::format("loss.macl.weight={}", kWeight),
                                          "loss.macl.rows=4",
                                          "loss.macl.hidden=16",
                                          "loss.macl.channels=8",
                                          "model.roi.positive_share=0.5",
                                          "optimizer.kind=sgd",
                                          fmt::format("optimizer.lr={}", kRate),
                                          "optimizer.momentum=0",
                                          "optimizer.weight_decay=0",
                                          "optimizer.clip=0",
                                          "monitor.interval=1",
                                          "monitor.burst=0"};
    overrides.insert(overrides.end(), remedy.begin(), remedy.end());
    plan_ = load_plan(tiny_.plan(), overrides).plan;
    set_num_threads(1);
    data_ = open_data_set(plan_.data, 1, [](const std::string&) {});
    loader_.emplace(data_.train.index, *data_.folder, train_loader_options(plan_));
    training_ = std::make_unique<TrainingStep>(make_cpu_context(), plan_);
    tensors_.emplace(training_->context(), plan_.train.batch, loader_->padded_size(),
                     loader_->max_boxes());
    groups_.emplace(training_->parameters());
    loader_->seek(0);
  }
  void draw() { tensors_->fill(loader_->next()); }

  // Each loss by itself down a tape of its own, before the step on the same batch.
  [[nodiscard]] Walked walk(std::int64_t step) const {
    const DetectorLosses losses = training_->detector().losses(tensors_->input());
    const auto macl = training_->auxiliary().losses({tensors_->input(), losses, step, 0});
    std::vector<Tensor> wrt;
    for (const Parameter& parameter : training_->parameters().all()) wrt.push_back(parameter.value);
    for (const auto& pyramid : {losses.visible, losses.thermal})
      wrt.insert(wrt.end(), pyramid->begin(), pyramid->end());
    const Tensor one = filled(training_->context(), {1}, 1);
    const Tensor det[] = {losses.rpn_cls, losses.rpn_bbox, losses.roi_cls, losses.roi_bbox};
    const Tensor ones[] = {one, one, one, one};
    const auto of_det = gradients(det, ones, wrt),
               of_macl = gradients({&macl[0].value, 1}, {&one, 1}, wrt);
    Walked walked;
    for (const Tensor& term : det) walked.det_value += static_cast<double>(term.item());
    walked.macl_value = macl[0].value.item();
    for (std::size_t p = 0; p < wrt.size(); ++p) {
      Pair* into = &walked.pyramids;
      if (p < groups_count()) {
        const std::string name = group_of(p);
        if (name.empty()) continue;
        if (!walked.pairs.contains(name)) walked.groups.push_back(name);
        into = &walked.pairs[name];
      }
      append(into->det, of_det[p], wrt[p]);
      append(into->macl, of_macl[p], wrt[p]);
    }
    return walked;
  }
  [[nodiscard]] std::map<std::string, Doubles> weights() const {
    std::map<std::string, Doubles> by_group;
    for (std::size_t p = 0; p < groups_count(); ++p)
      if (const std::string name = group_of(p); !name.empty())
        append(by_group[name], training_->parameters().all()[p].value, {});
    return by_group;
  }

  // Takes the step and compares: it must have gone against rate * (e_det g_det + e_macl g_macl).
  // In `least_changed` groups the plain sum must be another number.
  void step_and_compare(std::int64_t step, const Walked& walked, int least_changed,
                        const std::function<Factors2(const std::string&, const Pair&)>& wanted) {
    const auto before = weights();
    const StepReport report = training_->run(
        {tensors_->input(), {plan_.train.epochs, loader_->steps_per_epoch()}, step, {}});
    ASSERT_EQ(report.learning_rate, kRate);
    const auto after = weights();
    int changed = 0;  // groups in which the plain sum would have been seen
    for (const std::string& name : walked.groups) {
      const Pair& pair = walked.pairs.at(name);
      const Factors2 e = wanted(name, pair);
      double off = 0, moved = 0, rounding = 0;
      for (std::size_t i = 0; i < pair.det.size(); ++i) {
        const double want = -kRate * (e.det * pair.det[i] + e.macl * pair.macl[i]);
        const double plain = -kRate * (pair.det[i] + kWeight * pair.macl[i]);
        const double got = after.at(name)[i] - before.at(name)[i];
        off += (got - want) * (got - want);
        moved += (plain - want) * (plain - want);
        rounding += std::pow(1.2e-7 * after.at(name)[i], 2);  // the weight itself is a float
      }
      // Detection's gradient, where it reaches, is had as the total's less the weighted MACL's. Two
      // walks of floats through twenty layers with batch statistics differ by up to 2e-5 of each
      // (measured).
      const double det = std::sqrt(dot(pair.det, pair.det));
      const double macl = std::sqrt(dot(pair.macl, pair.macl));
      const double of_det = det > 0 ? det + kWeight * macl : 0;
      const double limit = 5e-5 * kRate * (e.det * of_det + e.macl * macl) + std::sqrt(rounding);
      EXPECT_LE(std::sqrt(off), limit) << name << " in step " << step;
      changed += std::sqrt(moved) > 20 * limit ? 1 : 0;
    }
    EXPECT_GE(changed, least_changed);
  }

 private:
  [[nodiscard]] std::size_t groups_count() const { return training_->parameters().all().size(); }
  [[nodiscard]] std::string group_of(std::size_t parameter) const {
    const int group = groups_->place(parameter).group;
    return group < 0 ? "" : groups_->all()[static_cast<std::size_t>(group)].name;
  }
  static void append(Doubles& to, const Tensor& from, const Tensor& like) {
    if (!from.defined()) {
      to.resize(to.size() + static_cast<std::size_t>(like.size()), 0);
      return;
    }
    for (const float value : from.to_vector<float>()) to.push_back(static_cast<double>(value));
  }

  TinyRun tiny_;
  Plan plan_;
  DataSet data_;
  std::optional<Loader> loader_;
  std::unique_ptr<TrainingStep> training_;
  std::optional<BatchTensors> tensors_;
  std::optional<LayerGroups> groups_;
};

// Norms of the weighted gradients and their cosine.
struct Angle {
  explicit Angle(const Pair& pair)
      : a(std::sqrt(dot(pair.det, pair.det))),
        b(kWeight * std::sqrt(dot(pair.macl, pair.macl))),
        r(kWeight * dot(pair.det, pair.macl) / (a * b)) {}
  double a, b, r;
};

TEST_F(LiveClosedForm, None) {
  begin({"remedy.kind=none"});
  draw();
  step_and_compare(0, walk(0), 0, [](const auto&, const Pair&) { return Factors2{}; });
}

TEST_F(LiveClosedForm, GateIsTheCosineOrNothing) {
  for (const bool hard : {false, true}) {
    begin({"remedy.kind=gate", hard ? "remedy.gate_hard=true" : "remedy.gate_hard=false"});
    draw();
    int closed = 0, open = 0;
    step_and_compare(0, walk(0), 4, [&](const auto&, const Pair& pair) {
      if (!pair.both()) return Factors2{};
      const double r = Angle(pair).r;
      ++(r < 0 ? closed : open);
      return Factors2{1, kWeight * (hard ? (r < 0 ? 0.0 : 1.0) : std::max(0.0, r))};
    });
    EXPECT_GT(closed, 0);
    EXPECT_GT(open, 0);
  }
}

TEST_F(LiveClosedForm, PcgradTakesEachOthersComponentsOut) {
  begin({"remedy.kind=pcgrad"});
  draw();
  int conflicts = 0;
  step_and_compare(0, walk(0), 4, [&](const auto&, const Pair& pair) {
    if (!pair.both()) return Factors2{};
    const Angle at(pair);
    if (at.r >= 0) return Factors2{};
    ++conflicts;
    return Factors2{1 - at.r * at.b / at.a, kWeight * (1 - at.r * at.a / at.b)};
  });
  EXPECT_GT(conflicts, 0);
}

// d = g_0 + c |g_0| g_w / |g_w| with the w that minimises g_w.g_0 + c |g_0| |g_w|, found here by
// halving the interval; twice that, as sums of two losses count.
TEST_F(LiveClosedForm, CagradIsTheDualsAnswer) {
  constexpr double kC = 0.4;
  begin({"remedy.kind=cagrad", fmt::format("remedy.cagrad_c={}", kC)});
  draw();
  int found = 0;
  step_and_compare(0, walk(0), 4, [&](const auto&, const Pair& pair) {
    if (!pair.both()) return Factors2{};
    ++found;
    const Angle at(pair);
    const double aa = at.a * at.a, bb = at.b * at.b, ab = at.r * at.a * at.b;
    const auto square = [&](double w) {
      return w * w * aa + (1 - w) * (1 - w) * bb + 2 * w * (1 - w) * ab;
    };
    const double mean = std::sqrt(square(0.5));
    // The derivative in w grows: the dual is convex.
    const auto slope = [&](double w) {
      const double of_square = 2 * w * aa - 2 * (1 - w) * bb + 2 * (1 - 2 * w) * ab;
      return 0.5 * (aa - bb) + kC * mean * of_square / (2 * std::sqrt(square(w)));
    };
    double low = 0, high = 1;
    for (int i = 0; i < 60; ++i) {
      const double middle = (low + high) / 2;
      (slope(middle) < 0 ? low : high) = middle;
    }
    const double w = (low + high) / 2, along = kC * mean / std::sqrt(square(w));
    return Factors2{2 * (0.5 + along * w), kWeight * 2 * (0.5 + along * (1 - w))};
  });
  EXPECT_GE(found, 8) << "trunks and necks of both streams";
}

// The shortest combination of cotangents at the pyramids, one answer for all groups.
TEST_F(LiveClosedForm, MgdaUbSolvesAtThePyramids) {
  begin({"remedy.kind=mgda_ub"});
  draw();
  const Walked walked = walk(0);
  ASSERT_TRUE(walked.pyramids.both());
  const Angle at(walked.pyramids);
  const double ab = at.r * at.a * at.b;
  const double alpha =
      std::clamp((at.b * at.b - ab) / (at.a * at.a + at.b * at.b - 2 * ab), 0.0, 1.0);
  EXPECT_GT(std::abs(alpha - 0.5), 0.05) << "another answer than the plain sum";
  step_and_compare(0, walked, 10, [&](const auto&, const Pair&) {
    return Factors2{2 * alpha, kWeight * 2 * (1 - alpha)};
  });
}

// GradNorm's weights over four steps, by its publication: Adam on sum |n_k - mean(n) rho_k^alpha|
// with the targets held, then scaled to sum 2. Norms are those of the last group that both reach.
TEST_F(LiveClosedForm, GradnormLearnsItsWeights) {
  constexpr double kGradnormRate = 0.1, kAlpha = 1.5;
  begin({"remedy.kind=gradnorm", fmt::format("remedy.gradnorm_rate={}", kGradnormRate),
         fmt::format("remedy.gradnorm_alpha={}", kAlpha)});
  Doubles factor = {1, 1}, first, m = {0, 0}, v = {0, 0};
  for (int t = 1; t <= 4; ++t) {
    draw();
    const Walked walked = walk(t - 1);
    if (t == 1) first = {walked.det_value, walked.macl_value};
    const auto last = std::find_if(walked.groups.rbegin(), walked.groups.rend(),
                                   [&](const auto& name) { return walked.pairs.at(name).both(); });
    ASSERT_NE(last, walked.groups.rend());
    EXPECT_EQ(*last, "thermal.neck");
    const Angle at(walked.pairs.at(*last));
    const Doubles norm = {at.a, at.b},
                  rate = {walked.det_value / first[0], walked.macl_value / first[1]};
    const double mean = (factor[0] * norm[0] + factor[1] * norm[1]) / 2;
    for (std::size_t k = 0; k < 2; ++k) {
      const double target = mean * std::pow(2 * rate[k] / (rate[0] + rate[1]), kAlpha);
      const double slope = factor[k] * norm[k] > target ? norm[k] : -norm[k];
      m[k] = 0.9 * m[k] + 0.1 * slope;
      v[k] = 0.999 * v[k] + 0.001 * slope * slope;
      factor[k] -= kGradnormRate * m[k] / (1 - std::pow(0.9, t)) /
                   (std::sqrt(v[k] / (1 - std::pow(0.999, t))) + 1e-8);
    }
    const double sum = factor[0] + factor[1];
    for (double& f : factor) f *= 2 / sum;
    EXPECT_NE(factor[0], 1);
    step_and_compare(t - 1, walked, 10, [&](const auto&, const Pair&) {
      return Factors2{factor[0], kWeight * factor[1]};
    });
  }
}

}  // namespace
}  // namespace ktrain::test
