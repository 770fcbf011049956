#include "train/weight_audit.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "runtime/autograd.h"
#include "runtime/fault.h"
#include "runtime/ops.h"

namespace ktrain {
namespace {

constexpr double kTolerance = 0.01;
// A float total of a few terms is right to about 4 roundings; the difference of two to twice that.
constexpr double kRounding = 8 * 6e-8;

std::vector<LossTerm> without_history(const std::vector<LossTerm>& terms) {
  std::vector<LossTerm> plain = terms;
  for (LossTerm& term : plain) {
    term.value = term.value.detached().clone();
    term.value.set_requires_grad(true);  // form_total refuses what depends on nothing
  }
  return plain;
}

// Large enough that weight * delta is a thousandth of the total.
double delta_for(const LossTerm& term, double value, double total) {
  const double weight = std::abs(term.weight) > 0 ? std::abs(term.weight) : 1.0;
  return std::max({1e-3 * std::abs(value), 1e-3 * std::abs(total) / weight, 1e-6});
}

}  // namespace

WeightAudit measure_weights(const std::vector<LossTerm>& terms, const TotalFunction& form) {
  const std::vector<LossTerm> plain = without_history(terms);
  const double total = form(plain).item();
  WeightAudit audit;
  for (std::size_t k = 0; k < plain.size(); ++k) {
    std::vector<LossTerm> moved = plain;
    const double value = plain[k].value.item();
    const auto there = static_cast<float>(value + delta_for(plain[k], value, total));
    moved[k].value = filled(plain[k].value.context(), plain[k].value.shape(), there);
    moved[k].value.set_requires_grad(true);
    audit.names.push_back(plain[k].name);
    audit.configured.push_back(plain[k].configured);
    audit.applied.push_back((form(moved).item() - total) / (static_cast<double>(there) - value));
  }
  return audit;
}

WeightAudit audit_weights(const std::vector<LossTerm>& terms, const TotalFunction& form,
                          double trained, std::int64_t step, bool as_plan) {
  const double total = form(without_history(terms)).item();
  if (!(std::abs(total - trained) <= kRounding * std::max(std::abs(total), std::abs(trained))))
    throw_fault("KT-NUM-007",
                "step {}: the total that is trained is {}, the terms with their weights make {}",
                step, trained, total);
  if (as_plan)
    for (const LossTerm& term : terms)
      if (term.weight != term.configured)
        throw_fault(
            "KT-NUM-007",
            "step {}: weight not applied: the plan gives loss term '{}' the weight {:g}, the "
            "step {:g}; nothing was trained in this step",
            step, term.name, term.configured, term.weight);
  const WeightAudit audit = measure_weights(terms, form);
  for (std::size_t k = 0; k < terms.size(); ++k) {
    const double delta = delta_for(terms[k], terms[k].value.item(), total);
    const double off = std::abs(audit.applied[k] - terms[k].weight);
    const double noise = kRounding * std::abs(total) / delta;
    if (!(off <= kTolerance * std::abs(terms[k].weight) + noise))
      throw_fault("KT-NUM-007",
                  "step {}: weight not applied: loss term '{}' has the weight {:g}, but the total "
                  "moves by {:g} of it; nothing was trained in this step",
                  step, audit.names[k], terms[k].weight, audit.applied[k]);
  }
  return audit;
}

bool audit_due(const std::vector<WeightSchedule>& schedules, const Timeline& timeline,
               std::int64_t step) {
  if (step % timeline.steps_per_epoch == 0) return true;
  return std::any_of(schedules.begin(), schedules.end(), [&](const WeightSchedule& schedule) {
    const double unit =
        schedule.unit == "epoch" ? static_cast<double>(timeline.steps_per_epoch) : 1.0;
    return std::any_of(schedule.at.begin(), schedule.at.end(), [&](double at) {
      const double place = at * unit;
      return static_cast<double>(step - 1) < place && place <= static_cast<double>(step);
    });
  });
}

std::string audit_line(const WeightAudit& audit, std::int64_t step, std::int64_t epoch) {
  nlohmann::ordered_json json = {{"kind", "audit"}, {"step", step}, {"epoch", epoch}};
  for (std::size_t k = 0; k < audit.names.size(); ++k) {
    json["configured"][audit.names[k]] = audit.configured[k];
    json["applied"][audit.names[k]] = audit.applied[k];
  }
  return json.dump();
}

}  // namespace ktrain
