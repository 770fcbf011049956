#include "models/auxiliary/auxiliary.h"

#include <new>
#include <unordered_set>

#include "kernels/device/lost.h"
#include "runtime/fault.h"
#include "runtime/part.h"

namespace ktrain {
namespace {

// Runs `work` for a term; what it throws comes out with the term's name.
template <class Work>
auto named(std::string_view term, const char* what, Work&& work) {
  try {
    return work();
  } catch (const Fault&) {
    throw;
  } catch (const DeviceLost&) {
    throw;  // whatever was asked of the GPU next would have thrown
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    throw_fault("KT-BUG-004",
                "loss term '{}' {}: {}; nothing was trained in this step; switch the term off with "
                "loss.{}.weight = 0, or report the text as a bug",
                term, what, error.what(), term);
  }
}

Measured read_measured(const AuxiliaryResult& result) {
  Measured measured{
      result.value.item(), static_cast<double>(result.rows.to_vector<std::int32_t>()[0]), {}};
  for (const Tensor& tensor : result.measured)
    for (const float element : tensor.to_vector<float>()) measured.elements.push_back(element);
  return measured;
}

}  // namespace

std::vector<SideNumber> side_numbers(const AuxiliaryResult& result) {
  AuxiliaryResult kept;
  kept.value = result.value.detached(), kept.rows = result.rows, kept.measured = result.measured;
  std::vector<SideNumber> numbers;
  for (const SideFormula& formula : result.side)
    numbers.push_back({formula.name, [formula, kept] { return formula.of(read_measured(kept)); }});
  return numbers;
}

std::vector<SideNumber> side_numbers(const std::vector<SideFormula>& formulas,
                                     const Measured& measured) {
  std::vector<SideNumber> numbers;
  for (const SideFormula& formula : formulas)
    numbers.push_back({formula.name, [value = formula.of(measured)] { return value; }});
  return numbers;
}

AuxiliaryLosses::AuxiliaryLosses(std::vector<std::unique_ptr<AuxiliaryTerm>> terms)
    : terms_(std::move(terms)) {
  std::unordered_set<std::string_view> names;
  for (const auto& term : terms_)
    KT_CHECK(names.insert(term->name()).second, "auxiliary losses: '{}' is there twice",
             term->name());
}

std::vector<std::string> AuxiliaryLosses::names() const {
  std::vector<std::string> names;
  for (const auto& term : terms_) names.emplace_back(term->name());
  return names;
}

std::vector<AuxiliaryResult> AuxiliaryLosses::losses(const AuxiliaryInput& input) const {
  const PartScope part("auxiliary losses");
  std::vector<AuxiliaryResult> results;
  for (const auto& term : terms_) {
    results.push_back(named(term->name(), "could not be computed", [&] {
      AuxiliaryResult result = term->loss(input);
      KT_CHECK(result.value.defined() && result.value.size() == 1, "its value is not a scalar");
      KT_CHECK(result.rows.defined() && result.rows.size() == 1, "it does not say its rows");
      std::int64_t measured = 0;
      for (const Tensor& tensor : result.measured) measured += tensor.size();
      KT_CHECK(measured <= kMostMeasured, "it measures {} numbers, {} fit", measured,
               kMostMeasured);
      return result;
    }));
  }
  return results;
}

void AuxiliaryLosses::after_step(const DetectorInput& batch,
                                 const std::vector<AuxiliaryResult>& trained, std::int64_t step) {
  KT_CHECK(trained.size() == terms_.size(), "auxiliary losses: {} results for {} terms",
           trained.size(), terms_.size());
  const PartScope part("auxiliary losses");
  const NoGradScope no_grad;
  for (std::size_t i = 0; i < terms_.size(); ++i)
    named(terms_[i]->name(), "could not be brought up to date", [&] {
      terms_[i]->after_step(batch, trained[i], step);
      return 0;
    });
}

std::vector<ChangingNumbers> AuxiliaryLosses::changing() const {
  std::vector<ChangingNumbers> all;
  for (const auto& term : terms_)
    for (ChangingNumbers& own : term->changing()) all.push_back(std::move(own));
  return all;
}

std::vector<NamedTensor> AuxiliaryLosses::state() const {
  std::vector<NamedTensor> all;
  for (const auto& term : terms_)
    for (NamedTensor& own : term->state())
      all.push_back({fmt::format("auxiliary.{}.{}", term->name(), own.name), own.tensor});
  return all;
}

const PairEmbedding* AuxiliaryLosses::embedding(std::string_view name) const {
  for (const auto& term : terms_)
    if (term->name() == name) return term->embedding();
  return nullptr;
}

}  // namespace ktrain
