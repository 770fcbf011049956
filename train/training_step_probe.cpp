// What a probe measures beside its walk: the same batch after the step, and a held-out batch after
// steps without each auxiliary loss.
#include <cmath>
#include <limits>

#include "runtime/ops_alignment.h"
#include "train/training_step.h"

namespace ktrain {
namespace {

// Puts buffers back at its end: batch normalisation moves running statistics in every forward pass.
class BuffersScope {
 public:
  explicit BuffersScope(const ParameterSet& parameters) {
    for (const Parameter& parameter : parameters.all())
      if (parameter.kind == ParameterKind::kBuffer)
        buffers_.emplace_back(parameter.value, parameter.value.clone());
  }
  ~BuffersScope() {
    for (auto& [buffer, before] : buffers_) {
      copy_into(buffer, before);
    }
  }
  BuffersScope(const BuffersScope&) = delete;
  BuffersScope& operator=(const BuffersScope&) = delete;

 private:
  std::vector<std::pair<Tensor, Tensor>> buffers_;
};

}  // namespace

TrainingStep::Looks TrainingStep::look_before(const StepInput& input,
                                              const std::vector<Tensor>& gradients, double rate) {
  Looks looks;
  if (!input.held_out || !(monitor_->wants_leave_one_out() || monitor_->plans_leave_one_out()) ||
      monitor_->weighted_losses().empty())
    return looks;
  looks.held_out = &input.held_out();
  Probe& probe = *monitor_->probe();
  for (const std::size_t loss : monitor_->weighted_losses()) {
    Looks::Without& without = looks.without.emplace_back();
    without.loss = loss;
    const auto look = [&] { without.terms = look_held_out(looks); };
    if (optimizer_->look_ahead(probe.without(loss, gradients), rate, look))
      without.norm = probe.keep(optimizer_->norm());
  }
  return looks;
}

std::vector<ProbeNumbers::Place> TrainingStep::look_held_out(Looks& looks) {
  const BuffersScope buffers(*parameters_);
  const NoGradScope no_grad;
  const DetectorLosses losses =
      detector_->losses(*looks.held_out, looks.proposals ? &*looks.proposals : nullptr);
  if (!looks.proposals) looks.proposals = losses.proposals;
  std::vector<ProbeNumbers::Place> places;
  for (const Tensor& term : {losses.rpn_cls, losses.rpn_bbox, losses.roi_cls, losses.roi_bbox})
    places.push_back(monitor_->probe()->keep(term));
  return places;
}

void TrainingStep::look_after(const StepInput& input, const std::optional<Proposals>& proposals,
                              Looks& looks) {
  // While planning, a look after the step takes what those before it took.
  if (looks.held_out != nullptr) looks.after = look_held_out(looks);
  looks.proposals.reset();
  if (!monitor_->wants_real()) return;
  const BuffersScope buffers(*parameters_);
  const NoGradScope no_grad;
  for (const LossTerm& term : forward(input, &*proposals).terms)
    looks.again.push_back(monitor_->probe()->keep(term.value));
}

void TrainingStep::read_looks(const StepInput& input, const Looks& looks) {
  if (context_->queue.planning || monitor_->probe() == nullptr) return;
  const Probe& probe = *monitor_->probe();
  const auto detection = [&](const std::vector<ProbeNumbers::Place>& terms) {
    double sum = 0;
    for (std::size_t i = 0; i < terms.size(); ++i)
      sum += weight_at(weights_[i], input.timeline, input.step) * probe.kept(terms[i]);
    return sum;
  };
  for (const Looks::Without& without : looks.without) {
    const bool taken = !without.terms.empty() && std::isfinite(probe.kept(without.norm));
    monitor_->set_leave_one_out(without.loss,
                                taken ? detection(looks.after) - detection(without.terms)
                                      : std::numeric_limits<double>::quiet_NaN());
  }
  if (looks.again.empty()) return;
  std::vector<double> values;
  for (const ProbeNumbers::Place place : looks.again) values.push_back(probe.kept(place));
  monitor_->set_real(std::move(values));
}

}  // namespace ktrain
