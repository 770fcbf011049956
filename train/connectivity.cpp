#include "train/connectivity.h"

#include <algorithm>
#include <cmath>

#include "runtime/autograd.h"
#include "runtime/fault.h"
#include "runtime/ops.h"

namespace ktrain {
namespace {

// The length of a gradient that lies in several tensors; undefined ones count as 0.
double length_of(const std::vector<Tensor>& gradients) {
  double sum = 0;
  for (const Tensor& gradient : gradients) {
    if (!gradient.defined()) continue;
    for (const float value : cast(gradient, DType::kF32).to_vector<float>())
      sum += static_cast<double>(value) * static_cast<double>(value);
  }
  return std::sqrt(sum);
}

// At what a term's value does not reach back; "" when there is nothing.
std::string cut_off_from(const Tensor& value, const Tensor& output,
                         const std::vector<NamedPyramid>& pyramids) {
  if (!value.requires_grad()) return "any trainable parameter";
  const auto behind = nodes_behind({&value, 1});
  const auto reached = [&](const Tensor& tensor) { return behind.contains(tensor.node().get()); };
  if (!output.requires_grad() || !reached(output)) return "the outputs of its head";
  for (const NamedPyramid& pyramid : pyramids) {
    const bool trained = std::any_of(pyramid.levels.begin(), pyramid.levels.end(),
                                     [](const Tensor& level) { return level.requires_grad(); });
    if (trained && std::none_of(pyramid.levels.begin(), pyramid.levels.end(), reached))
      return "the pyramid of the " + pyramid.name;
  }
  return "";
}

}  // namespace

ConnectivityWatch::ConnectivityWatch(const std::vector<std::string>& terms,
                                     const std::vector<std::string>& detached)
    : open_(terms.size()) {
  for (const std::string& name : terms) {
    seen_.push_back({name});
    if (std::find(detached.begin(), detached.end(), name) == detached.end()) continue;
    seen_.back().connected = true;
    --open_;
  }
}

void ConnectivityWatch::look(const std::vector<LossTerm>& terms,
                             const std::vector<AuxiliaryResult>& results,
                             const std::vector<Tensor>& pyramids, std::int64_t step) {
  KT_CHECK(terms.size() == seen_.size() && results.size() == seen_.size(),
           "connectivity: {} terms and {} results for {} names", terms.size(), results.size(),
           seen_.size());
  const bool trained = std::any_of(pyramids.begin(), pyramids.end(),
                                   [](const Tensor& level) { return level.requires_grad(); });
  for (std::size_t i = 0; i < seen_.size(); ++i) {
    Seen& seen = seen_[i];
    if (seen.connected) continue;
    const Tensor& value = terms[i].value;
    if (!trained || !value.requires_grad())
      throw_fault(
          "KT-NUM-002",
          "step {}: loss term '{}' {}; set loss.{}.weight = 0 and measure = false, or lower "
          "model.frozen_stages",
          step, seen.name,
          trained ? "depends on no trainable parameter: it is detached"
                  : "looks at features that nothing trains",
          seen.name);
    const Tensor one = filled(value.context(), value.shape(), 1.0f);
    const auto found = gradients({&value, 1}, {&one, 1}, pyramids);
    if (value.queue().planning) continue;
    const double length = length_of(found);
    if (!std::isfinite(length) || !std::isfinite(value.item()))
      throw_fault(
          "KT-NUM-003",
          "step {}: loss term '{}' is {} and its gradient at the pyramids has the length {}; "
          "lower optimizer.lr or look at the batch",
          step, seen.name, value.item(), length);
    seen.rows = seen.rows || results[i].rows.to_vector<std::int32_t>()[0] > 0;
    seen.value = seen.value || value.item() != 0;
    seen.connected = length > 0;
    open_ -= seen.connected ? 1 : 0;
    if (!seen.connected && ++seen.steps >= kSteps) judge(seen, step);
  }
}

void ConnectivityWatch::judge(const Seen& seen, std::int64_t step) const {
  if (!seen.rows)
    throw_fault("KT-NUM-004",
                "step {}: loss term '{}': no pair has arrived in {} steps; a batch must hold at "
                "least two different regions: look at data.labels and data.skip_empty, raise "
                "train.batch, or lower loss.{}.min_negatives",
                step, seen.name, kSteps, seen.name);
  if (!seen.value)
    throw_fault("KT-NUM-005",
                "step {}: loss term '{}' has been 0 for {} steps although pairs arrive; it trains "
                "nothing: set its weight to 0 or look at its settings",
                step, seen.name, kSteps);
  throw_fault("KT-NUM-006",
              "step {}: loss term '{}' is not connected: it has a value, but its gradient into the "
              "features of both streams has been 0 for {} steps; a gradient is stopped on the way",
              step, seen.name, kSteps);
}

DetectionWatch::DetectionWatch(const std::vector<Term>& terms) : open_(terms.size()) {
  for (const Term& term : terms) seen_.push_back({term});
}

void DetectionWatch::look(const std::vector<Tensor>& values, const std::vector<Tensor>& outputs,
                          const std::vector<NamedPyramid>& pyramids, const Tensor& boxes,
                          std::int64_t step) {
  KT_CHECK(values.size() == seen_.size() && outputs.size() == seen_.size(),
           "connectivity: {} values and {} outputs for {} terms", values.size(), outputs.size(),
           seen_.size());
  bool somebody = false;
  if (!boxes.queue().planning)
    for (const std::int32_t count : boxes.to_vector<std::int32_t>())
      somebody = somebody || count > 0;
  for (std::size_t i = 0; i < seen_.size(); ++i) {
    Seen& seen = seen_[i];
    if (seen.connected) continue;
    const Tensor& value = values[i];
    if (const std::string from = cut_off_from(value, outputs[i], pyramids); !from.empty())
      throw_fault("KT-NUM-002",
                  "step {}: loss term '{}' is detached: nothing leads from it to {}; set "
                  "loss.{}.weight = 0, or unfreeze what it should train",
                  step, seen.term.name, from, seen.term.name);
    const Tensor one = filled(value.context(), value.shape(), 1.0f);
    const auto found = gradients({&value, 1}, {&one, 1}, {&outputs[i], 1});
    if (value.queue().planning) continue;
    const double length = length_of(found);
    if (!std::isfinite(length))
      throw_fault("KT-NUM-003",
                  "step {}: loss term '{}' is {} and its gradient at the outputs of its head has "
                  "the length {}; lower optimizer.lr or look at the batch",
                  step, seen.term.name, value.item(), length);
    seen.value = seen.value || value.item() != 0;
    seen.connected = length > 0;
    open_ -= seen.connected ? 1 : 0;
    if (seen.connected || (seen.term.wants_boxes && !somebody) || ++seen.steps < kSteps) continue;
    if (seen.value)
      throw_fault(
          "KT-NUM-006",
          "step {}: loss term '{}' is not connected: it has a value, but its gradient at "
          "the outputs of its head has been 0 in {} steps; a gradient is stopped on the way",
          step, seen.term.name, kSteps);
    throw_fault("KT-NUM-005",
                "step {}: loss term '{}' has been 0 in {} steps{}; it trains nothing: set "
                "loss.{}.weight to 0, or look at {}",
                step, seen.term.name, kSteps,
                seen.term.wants_boxes ? " whose batches hold pedestrians" : "", seen.term.name,
                seen.term.wants_boxes ? "model.anchor_scale and data.size: no candidate fits a box"
                                      : "its settings");
  }
}

}  // namespace ktrain
