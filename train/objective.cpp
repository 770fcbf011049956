#include "train/objective.h"

#include <cmath>

#include <fmt/ranges.h>

#include "runtime/fault.h"
#include "runtime/ops.h"

namespace ktrain {

Tensor form_total(const std::vector<LossTerm>& terms) {
  std::vector<Tensor> values;
  std::vector<float> weights;
  for (const LossTerm& term : terms) {
    if (term.weight != 0 && !term.value.requires_grad())
      throw_fault("KT-NUM-002",
                  "loss term '{}' has the weight {} but depends on no trainable parameter; set its "
                  "weight to 0 or unfreeze what it should train",
                  term.name, term.weight);
    if (term.weight == 0) continue;
    values.push_back(term.value);
    weights.push_back(static_cast<float>(term.weight));
  }
  if (!values.empty() && terms[0].weights.defined())
    return weighted_sum(values, terms[0].weights.slice(0, std::ssize(values)));
  if (!values.empty()) return weighted_sum(values, weights);
  for (const LossTerm& term : terms) values.push_back(term.value);
  return weighted_sum(values, std::vector<float>(values.size(), 0.0f));
}

std::string pairs_text(const std::vector<std::string>& pair_ids) {
  if (pair_ids.empty()) return "";
  std::vector<std::string> ids;
  for (const std::string& id : pair_ids) ids.push_back(printable(id));
  return fmt::format(
      "; pairs of the batch: {}; lower optimizer.lr, set optimizer.clip, or look at these pairs",
      fmt::join(ids, ", "));
}

void check_values(const ObjectiveValues& values, const std::vector<std::string>& names,
                  std::int64_t step, const std::vector<std::string>& pair_ids) {
  const auto check = [&](std::string_view what, double value) {
    if (std::isfinite(value)) return;
    throw_fault("KT-NUM-001", "step {}: {} is {}{}", step, what, value, pairs_text(pair_ids));
  };
  for (std::size_t i = 0; i < values.terms.size(); ++i) check(names[i], values.terms[i]);
  check("the total", values.total);
}

ObjectiveValues read_values(const std::vector<LossTerm>& terms, const Tensor& total,
                            std::int64_t step, const std::vector<std::string>& pair_ids) {
  ObjectiveValues values;
  std::vector<std::string> names;
  values.total = total.item();
  for (const LossTerm& term : terms) {
    values.terms.push_back(term.value.item());
    values.weights.push_back(static_cast<float>(term.weight));
    names.push_back(term.name);
  }
  check_values(values, names, step, pair_ids);
  return values;
}

}  // namespace ktrain
