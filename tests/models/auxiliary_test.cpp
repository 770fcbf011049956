#include "models/auxiliary/auxiliary.h"

#include <new>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/device/lost.h"
#include "kernels/elementwise.h"
#include "runtime/fault.h"
#include "runtime/ops.h"

namespace ktrain {
namespace {

// A term whose value and troubles are given.
class GivenTerm : public AuxiliaryTerm {
 public:
  GivenTerm(std::string name, std::function<AuxiliaryResult()> loss)
      : name_(std::move(name)), loss_(std::move(loss)) {}
  [[nodiscard]] std::string_view name() const override { return name_; }
  [[nodiscard]] AuxiliaryResult loss(const AuxiliaryInput&) const override { return loss_(); }
  void after_step(const DetectorInput&, const AuxiliaryResult& trained, std::int64_t) override {
    KT_CHECK(trained.carry.size() == 1, "nothing was carried");
    KT_RUN(kept_.queue(), copy, trained.carry[0].span<float>(), kept_.mutable_span<float>());
  }
  [[nodiscard]] std::vector<NamedTensor> state() const override { return {{"kept", kept_}}; }

 private:
  std::string name_;
  std::function<AuxiliaryResult()> loss_;
  Tensor kept_ = filled(make_cpu_context(), {1}, 0);
};

AuxiliaryResult result(float value) {
  const ContextPtr context = make_cpu_context();
  const Tensor scalar = filled(context, {1}, value);
  return {scalar, Tensor::zeros(context, {1}, DType::kI32), {}, {}, {scalar}};
}

AuxiliaryLosses made(std::vector<std::pair<std::string, std::function<AuxiliaryResult()>>> terms) {
  std::vector<std::unique_ptr<AuxiliaryTerm>> all;
  for (auto& [name, loss] : terms) all.push_back(std::make_unique<GivenTerm>(name, loss));
  return AuxiliaryLosses(std::move(all));
}

std::string fault_of(const std::function<void()>& work, const std::string& id) {
  try {
    work();
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.id(), id);
    return fault.what();
  }
  ADD_FAILURE() << "no fault";
  return "";
}

const DetectorInput kBatch;
const DetectorLosses kDetection;
const AuxiliaryInput kInput{kBatch, kDetection, 7};

TEST(Auxiliary, ResultsAndStateComeInTheOrderOfTheTerms) {
  AuxiliaryLosses losses =
      made({{"macl", [] { return result(3); }}, {"dhn", [] { return result(4); }}});
  EXPECT_THAT(losses.names(), testing::ElementsAre("macl", "dhn"));
  const auto results = losses.losses(kInput);
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[1].value.item(), 4);
  EXPECT_EQ(losses.state()[1].tensor.item(), 0) << "computing a loss moves nothing";
  losses.after_step(kBatch, results, 7);
  EXPECT_EQ(losses.state()[0].name, "auxiliary.macl.kept");
  EXPECT_EQ(losses.state()[1].name, "auxiliary.dhn.kept");
  EXPECT_EQ(losses.state()[1].tensor.item(), 4);
}

TEST(Auxiliary, TwoTermsOfOneNameAreRefused) {
  const auto term = [] { return result(1); };
  EXPECT_THROW((void)made({{"macl", term}, {"macl", term}}), Error);
}

TEST(Auxiliary, AnExceptionInALossLeavesWithTheTermsName) {
  const AuxiliaryLosses losses =
      made({{"macl", [] { return result(1); }},
            {"dhn", []() -> AuxiliaryResult { throw std::out_of_range("queue is empty"); }}});
  const std::string text = fault_of([&] { (void)losses.losses(kInput); }, "KT-BUG-004");
  EXPECT_THAT(text, testing::HasSubstr("loss term 'dhn'"));
  EXPECT_THAT(text, testing::HasSubstr("queue is empty"));
}

TEST(Auxiliary, AGpuThatHasStoppedIsNoFaultOfTheTerm) {
  auto losses =
      made({{"macl", []() -> AuxiliaryResult { throw DeviceLost("the GPU has stopped"); }}});
  EXPECT_THROW((void)losses.losses(kInput), DeviceLost);
}

TEST(Auxiliary, SideNumbersAreMadeOfWhatWasReadBack) {
  AuxiliaryResult measured = result(3);
  measured.measured = {filled(make_cpu_context(), {2}, 5), filled(make_cpu_context(), {1}, 7)};
  measured.side = {{"value", [](const Measured& m) { return m.value; }},
                   {"rows", [](const Measured& m) { return m.rows; }},
                   {"last", [](const Measured& m) { return double{m.elements.at(2)}; }}};
  std::vector<double> values;
  for (const SideNumber& number : side_numbers(measured)) values.push_back(number.read());
  EXPECT_THAT(values, testing::ElementsAre(3, 0, 7));
  const auto again = side_numbers(measured.side, {1, 2, {0, 0, 9}});
  EXPECT_EQ(again[1].name, "rows");
  EXPECT_EQ(again[1].read(), 2);
  EXPECT_EQ(again[2].read(), 9);
}

TEST(Auxiliary, MoreNumbersThanThereIsRoomForAreRefused) {
  const auto wide = made({{"macl", [] {
                             AuxiliaryResult r = result(1);
                             r.measured = {filled(make_cpu_context(), {kMostMeasured + 1}, 1)};
                             return r;
                           }}});
  EXPECT_THAT(fault_of([&] { (void)wide.losses(kInput); }, "KT-BUG-004"),
              testing::HasSubstr("it measures 17 numbers, 16 fit"));
}

TEST(Auxiliary, AFaultAndLackOfMemoryKeepWhatTheyAre) {
  const auto bad = made({{"macl", []() -> AuxiliaryResult { throw_fault("KT-NUM-001", "x"); }}});
  (void)fault_of([&] { (void)bad.losses(kInput); }, "KT-NUM-001");
  const auto full = made({{"macl", []() -> AuxiliaryResult { throw std::bad_alloc(); }}});
  EXPECT_THROW((void)full.losses(kInput), std::bad_alloc);
}

TEST(Auxiliary, AValueThatIsNoScalarOrSaysNoRowsIsRefused) {
  const auto wide = made({{"macl", [] {
                             AuxiliaryResult r = result(1);
                             r.value = filled(make_cpu_context(), {2}, 1);
                             return r;
                           }}});
  EXPECT_THAT(fault_of([&] { (void)wide.losses(kInput); }, "KT-BUG-004"),
              testing::HasSubstr("not a scalar"));
  const auto silent = made({{"macl", [] {
                               AuxiliaryResult r = result(1);
                               r.rows = Tensor();
                               return r;
                             }}});
  EXPECT_THAT(fault_of([&] { (void)silent.losses(kInput); }, "KT-BUG-004"),
              testing::HasSubstr("rows"));
}

}  // namespace
}  // namespace ktrain
