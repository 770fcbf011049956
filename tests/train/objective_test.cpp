#include "train/objective.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/autograd.h"
#include "runtime/fault.h"
#include "runtime/ops.h"

namespace ktrain {
namespace {

struct Terms {
  ContextPtr context = make_cpu_context();
  ParameterSet parameters;
  Tensor w = parameters.add("w", filled(context, {1}, 0.7f), ParameterKind::kWeight);

  std::vector<LossTerm> make(double a, double b) {
    return {{"rpn_cls", reshape(w, {1}), a}, {"roi_cls", add(w, w), b}};
  }
  float gradient(double a, double b) {
    return backward(form_total(make(a, b)), parameters)[0].item();
  }
};

TEST(Objective, AWeightScalesItsGradient) {
  Terms terms;
  EXPECT_FLOAT_EQ(terms.gradient(1, 0.05), 1.1f);
  EXPECT_FLOAT_EQ(terms.gradient(1, 0.10), 1.2f);
  EXPECT_FLOAT_EQ(terms.gradient(0, 1), 2.0f);
}

TEST(Objective, ReportsTheVeryScalarThatIsTrained) {
  Terms terms;
  const auto list = terms.make(0.3, 0.05);
  const Tensor total = form_total(list);
  const ObjectiveValues values = read_values(list, total, 1, {});
  EXPECT_EQ(static_cast<float>(values.total), total.item());
  const float by_hand = 0.0f + 0.3f * 0.7f + 0.05f * 1.4f;
  EXPECT_FLOAT_EQ(static_cast<float>(values.total), by_hand);
  EXPECT_FLOAT_EQ(static_cast<float>(values.terms[1]), 1.4f) << "terms are reported unweighted";
}

TEST(Objective, ATermWithoutHistoryIsRefusedUnlessItsWeightIsZero) {
  Terms terms;
  std::vector<LossTerm> list = terms.make(1, 1);
  list[1].value = list[1].value.detached();
  try {
    (void)form_total(list);
    FAIL() << "no fault";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.id(), "KT-NUM-002");
    EXPECT_THAT(fault.what(), testing::HasSubstr("'roi_cls'"));
  }
  list[1].weight = 0;
  EXPECT_NO_THROW((void)form_total(list));
}

TEST(Objective, NonFiniteNamesTermStepAndPairs) {
  Terms terms;
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    std::vector<LossTerm> list = terms.make(1, 1);
    list[1].value = filled(terms.context, {1}, bad);
    const Tensor total = filled(terms.context, {1}, bad);
    try {
      (void)read_values(list, total, 812, {"set02/V001/I00411", "set02/V001/I00431"});
      FAIL() << "no fault for " << bad;
    } catch (const Fault& fault) {
      EXPECT_EQ(fault.exit(), Exit::kNonFinite);
      EXPECT_THAT(fault.what(), testing::HasSubstr("step 812: roi_cls is"));
      EXPECT_THAT(fault.what(), testing::HasSubstr("set02/V001/I00411, set02/V001/I00431"));
    }
  }
}

}  // namespace
}  // namespace ktrain
