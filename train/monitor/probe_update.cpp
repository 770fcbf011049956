// What a probe does to and with a step's update: remedies, steps without a loss, <g_k, delta>.
#include <algorithm>

#include "kernels/elementwise.h"
#include "kernels/mixed_sum.h"
#include "runtime/box_views.h"
#include "train/monitor/probe.h"

namespace ktrain {

void Probe::apply(const std::vector<GroupWeights>& answers, LiveRemedy& remedy,
                  std::vector<Tensor>& gradients) {
  const std::size_t losses = axis_.losses.size();
  for (std::size_t p = 0; p < gradients.size(); ++p) {
    const LayerGroups::Place place = groups_.place(p);
    if (place.group < 0 || kept_[p].empty()) continue;
    const std::string& name = groups_.all()[static_cast<std::size_t>(place.group)].name;
    const auto answer = std::find_if(answers.begin(), answers.end(),
                                     [&](const GroupWeights& a) { return a.group == name; });
    if (answer == answers.end()) continue;
    std::vector<Tensor> sets = kept_[p];
    sets[0] = gradients[p];
    // With the remainder's gradient written as a difference: detection = total - others.
    const auto mixed = [&](const std::vector<double>& weights, double rho) {
      Tensor out =
          Tensor::empty(parameters_.all()[p].value.context(), parameters_.all()[p].value.shape());
      const Tensor reference = remedy.reference(p);
      std::vector<Span<const float>> all = vectors(sets, reached_[p]);
      all.resize(losses);
      const MixWeights<float> mix{
          {weights.data(), std::ssize(weights)},
          reference.defined() ? reference.span<float>() : Span<const float>{},
          rho};
      KT_RUN_AS(out.queue(), "remedy", mixed_sum,
                (Span<const Span<const float>>{all.data(), std::ssize(all)}),
                remainder(reached_[p], losses), mix, out.mutable_span<float>());
      return out;
    };
    Tensor changed = answer->changed ? mixed(answer->weights, answer->reference) : Tensor();
    if (remedy.keeps_reference()) {
      std::vector<double> detection(losses, 0);
      for (std::size_t k = 0; k < axis_.detection; ++k) detection[k] = axis_.losses[k].weight;
      remedy.move_reference(p, mixed(detection, 0));
    }
    if (!changed.defined()) continue;
    kept_[p][0] = gradients[p];
    gradients[p] = std::move(changed);
  }
  remedy.end_step();
}

std::vector<Tensor> Probe::without(std::size_t k, const std::vector<Tensor>& gradients) const {
  std::vector<Tensor> rest = gradients;
  for (std::size_t p = 0; p < rest.size(); ++p) {
    // What the loss alone reaches has no gradient while its weight is 0: memory is planned so.
    if (kept_[p].empty() || !kept_[p][set_of_[k]].defined() || !gradients[p].defined()) continue;
    rest[p] = gradients[p].clone();
    KT_RUN_AS(rest[p].queue(), "without", accumulate_scaled, kept_[p][set_of_[k]].span<float>(),
              rest[p].mutable_span<float>(), -axis_.losses[k].weight);
  }
  return rest;
}

void Probe::updated(std::size_t parameter, const Tensor& before, const Tensor& total_gradient) {
  std::vector<Tensor>& kept = kept_[parameter];
  if (kept.empty()) return;
  if (!kept[0].defined()) kept[0] = total_gradient;
  const std::size_t losses = axis_.losses.size();
  std::vector<Span<const float>> all = vectors(kept, reached_[parameter]);
  all.resize(losses);
  const Tensor& now = parameters_.all()[parameter].value;
  changes_.push_back(numbers_.take(static_cast<std::int64_t>(losses)));
  Tensor scratch = scratch_bytes(
      now, on_device(now, 0, change_products_scratch_bytes(std::ssize(all), now.size())));
  KT_RUN(now.queue(), change_products, (Span<const Span<const float>>{all.data(), std::ssize(all)}),
         remainder(reached_[parameter], losses), before.span<float>(), now.span<float>(),
         numbers_.out(changes_.back()), bytes_of(scratch));
  kept.clear();
}

void Probe::keep_norm() {
  norm_ = numbers_.keep(optimizer_.norm());
  clip_ = numbers_.keep(optimizer_.clip_scale());
}

}  // namespace ktrain
