// T6: a weight that is not applied, or applied twice, is found on the scalar that trains.
#include "train/weight_audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/fault.h"
#include "runtime/ops.h"

namespace ktrain {
namespace {

struct Terms {
  ContextPtr context = make_cpu_context();
  ParameterSet parameters;
  Tensor w = parameters.add("w", filled(context, {1}, 0.7f), ParameterKind::kWeight);

  // Values 0.7, 1.4 and 2.1.
  std::vector<LossTerm> make(double a, double b, double c) {
    return {{"roi_cls", reshape(w, {1}), a},
            {"macl", add(w, w), b},
            {"dhn", weighted_sum({w}, {3.0f}), c}};
  }
};

Tensor ignored(const std::vector<LossTerm>& terms) {
  std::vector<LossTerm> list = terms;
  for (LossTerm& term : list)
    if (term.name == "macl") term.weight = 1;
  return form_total(list);
}

Tensor counted_twice(const std::vector<LossTerm>& terms) {
  std::vector<LossTerm> list = terms;
  list.push_back(terms[1]);
  return form_total(list);
}

std::string fault_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.id(), "KT-NUM-007");
    return fault.what();
  }
  return "no fault";
}

TEST(WeightAudit, MeasuresTheWeightsThatAreApplied) {
  Terms terms;
  for (const double small : {0.0, 1e-4, 0.05, 2.0}) {
    const auto list = terms.make(1, small, 0.3);
    const WeightAudit audit = audit_weights(list, form_total, form_total(list).item(), 1);
    EXPECT_THAT(audit.names, testing::ElementsAre("roi_cls", "macl", "dhn"));
    for (std::size_t k = 0; k < 3; ++k)
      EXPECT_NEAR(audit.applied[k], audit.configured[k], 2e-3 * audit.configured[k] + 1e-4) << k;
    EXPECT_EQ(audit.configured[1], small);
  }
}

TEST(WeightAudit, ATermThatIsZeroIsAuditedAllTheSame) {
  Terms terms;
  auto list = terms.make(1, 0.05, 0.3);
  list[1].value = weighted_sum({terms.w}, {0.0f});
  EXPECT_NEAR(measure_weights(list, form_total).applied[1], 0.05, 1e-4);
  EXPECT_THAT(fault_of([&] { (void)audit_weights(list, ignored, ignored(list).item(), 3); }),
              testing::HasSubstr("'macl'"));
}

// T6.
TEST(WeightAudit, APlantedWeightThatIsIgnoredIsFound) {
  Terms terms;
  const auto list = terms.make(1, 0.05, 0.3);
  const std::string text =
      fault_of([&] { (void)audit_weights(list, ignored, ignored(list).item(), 812); });
  EXPECT_THAT(text, testing::HasSubstr("step 812: weight not applied: loss term 'macl'"));
  EXPECT_THAT(text, testing::HasSubstr("the weight 0.05"));
  EXPECT_NEAR(measure_weights(list, ignored).applied[1], 1.0, 1e-3);
}

TEST(WeightAudit, APlantedWeightThatIsNotThePlansIsFound) {
  Terms terms;
  auto list = terms.make(1, 0.1, 0.3);
  list[1].configured = 0.05;
  const double total = form_total(list).item();
  EXPECT_THAT(fault_of([&] { (void)audit_weights(list, form_total, total, 5); }),
              testing::HasSubstr("the plan gives loss term 'macl' the weight 0.05, the step 0.1"));
  const WeightAudit audit = audit_weights(list, form_total, total, 5, /*as_plan=*/false);
  EXPECT_EQ(audit.configured[1], 0.05);
  EXPECT_NEAR(audit.applied[1], 0.1, 1e-3) << "compat.weights is meant";
}

// T6.
TEST(WeightAudit, APlantedTermThatIsCountedTwiceIsFound) {
  Terms terms;
  const auto list = terms.make(1, 0.05, 0.3);
  EXPECT_THAT(
      fault_of([&] { (void)audit_weights(list, counted_twice, counted_twice(list).item(), 1); }),
      testing::HasSubstr("'macl'"));
  EXPECT_NEAR(measure_weights(list, counted_twice).applied[1], 0.1, 1e-3);
}

TEST(WeightAudit, ATotalThatIsNotTheSumIsFound) {
  Terms terms;
  const auto list = terms.make(1, 0.05, 0.3);
  EXPECT_THAT(
      fault_of([&] { (void)audit_weights(list, form_total, form_total(list).item() * 1.001, 1); }),
      testing::HasSubstr("the total that is trained"));
}

// T6: w_j to 2 w_j changes the gradient by exactly w_j g_j.
TEST(WeightAudit, TwiceTheWeightAddsTheTermsOwnGradientOnce) {
  Terms terms;
  const auto gradient = [&](double b) {
    return backward(form_total(terms.make(1, b, 0.25)), terms.parameters)[0].item();
  };
  EXPECT_EQ(gradient(1.0) - gradient(0.5), 0.5f * 2) << "halves are exact in float";
}

TEST(WeightAudit, IsDueAtTheStartOfEpochsAndWhereASchedulePassesAPoint) {
  const Timeline timeline{3, 10};
  const std::vector<WeightSchedule> schedules = {{{}, {1.0}, "step", "linear"},
                                                 {{1.5, 2.25}, {0.0, 1.0}, "epoch", "linear"},
                                                 {{0, 7}, {0.0, 1.0}, "step", "linear"}};
  std::vector<std::int64_t> due;
  for (std::int64_t step = 0; step < 30; ++step)
    if (audit_due(schedules, timeline, step)) due.push_back(step);
  // 2.25 epochs lie between steps 22 and 23.
  EXPECT_THAT(due, testing::ElementsAre(0, 7, 10, 15, 20, 23));
}

TEST(WeightAudit, ItsLineHoldsBothWeights) {
  EXPECT_EQ(
      audit_line({{"macl"}, {0.05}, {0.0625}}, 4, 2),
      R"({"kind":"audit","step":4,"epoch":2,"configured":{"macl":0.05},"applied":{"macl":0.0625}})");
}

}  // namespace
}  // namespace ktrain
