#include "train/monitor/probe.h"

#include <algorithm>
#include <unordered_set>

#include "kernels/gram.h"
#include "runtime/box_views.h"
#include "runtime/ops.h"
#include "runtime/part.h"

namespace ktrain {
namespace {

std::int64_t triangle(std::int64_t k) { return k * (k + 1) / 2; }

using Nodes = std::unordered_set<const Node*>;

// Every node that the losses depend on.
Nodes nodes_behind_losses(std::span<const AxisLoss> losses, const std::vector<LossTerm>& terms) {
  std::vector<Tensor> values;
  for (const AxisLoss& loss : losses)
    for (const auto& [term, coefficient] : loss.terms)
      if (coefficient != 0) values.push_back(terms[term].value);
  return nodes_behind(values);
}

}  // namespace

// Set 0 is the total. Every other loss on the axis has one, but for the remainder, and so has the
// half of the batch, which begins at the watched places.
void Probe::make_sets(const ProbeInput& input) {
  outputs_ = {input.total};
  for (const LossTerm& term : input.terms) outputs_.push_back(term.value);
  const Tensor& total = input.total;
  sets_ = {std::vector<Tensor>(outputs_.size())};
  sets_[0][0] = filled(total.context(), total.shape(), 1.0f);
  set_of_.assign(axis_.losses.size(), 0);
  for (std::size_t k = 0; k < axis_.losses.size(); ++k) {
    if (k == axis_.remainder) continue;
    set_of_[k] = sets_.size();
    sets_.emplace_back(outputs_.size());
    for (const auto& [term, coefficient] : axis_.losses[k].terms)
      if (coefficient != 0)
        sets_.back()[term + 1] =
            filled(total.context(), total.shape(), static_cast<float>(coefficient));
  }
  mix_.clear();
  for (const AxisLoss& loss : axis_.losses) mix_.push_back(loss.weight);
  if (input.half) {
    half_set_ = sets_.size();
    sets_.emplace_back(outputs_.size());
    set_of_.push_back(half_set_);
    mix_.push_back(0);
  }
  referenced_ = input.remedy != nullptr && input.remedy->keeps_reference();
  if (referenced_) mix_.push_back(0);
}

Remainder Probe::remainder(bool reached, std::size_t count) const {
  if (!reached) return {};
  return {static_cast<std::int64_t>(axis_.remainder),
          1 / axis_.losses[axis_.remainder].weight,
          {mix_.data(), static_cast<std::int64_t>(count)}};
}

std::vector<Span<const float>> Probe::vectors(std::span<const Tensor> of_sets, bool reached) const {
  std::vector<Span<const float>> spans;
  for (const std::size_t set : set_of_)
    spans.push_back(of_sets[set].defined() ? of_sets[set].span<float>() : Span<const float>{});
  if (!reached) spans[axis_.remainder] = {};
  return spans;
}

std::int64_t Probe::capacity(const ProbeInput& input) const {
  const auto losses = std::ssize(axis_.losses), terms = std::ssize(input.terms);
  std::int64_t entries = std::ssize(input.features), rows = 0;
  for (std::size_t p = 0; p < parameters_.all().size(); ++p)
    for (int pass = MultiWalk::kWhole; pass < (groups_.shared() ? 2 : 0); ++pass) {
      const LayerGroups::Place place = groups_.place(p, pass);
      if (place.group < 0) continue;
      ++entries;
      const Shape& shape = parameters_.all()[p].value.shape();
      if (shape.rank() >= 2 &&
          input.channels.contains(groups_.all()[static_cast<std::size_t>(place.group)].name))
        rows += shape[0];
    }
  return entries * 2 * triangle(std::ssize(mix_)) + rows * triangle(losses) +
         std::ssize(parameters_.all()) * losses + kKept * (losses + terms);
}

Probe::Sums& Probe::sums(std::size_t of) {
  return of < by_group_.size() ? by_group_[of] : by_feature_[of - by_group_.size()];
}

std::vector<Tensor> Probe::walk(const ProbeInput& input) {
  make_sets(input);
  const std::size_t count = mix_.size();
  by_group_.assign(groups_.all().size(), {Gram(count), Gram(count)});
  by_feature_.assign(input.features.size(), {Gram(count), Gram(count)});
  feature_names_.clear();
  kept_.assign(parameters_.all().size(), {});
  predicted_.assign(axis_.losses.size(), 0);
  channels_.clear();
  numbers_ = ProbeNumbers(context(), capacity(input));
  for (const LossTerm& term : input.terms) term_places_.push_back(numbers_.keep(term.value));

  const Nodes behind = nodes_behind_losses({&axis_.losses[axis_.remainder], 1}, input.terms);
  const Nodes detection =
      nodes_behind_losses(std::span(axis_.losses).first(axis_.detection), input.terms);
  std::vector<Tensor> wrt;
  reached_.clear();
  for (const Parameter& parameter : parameters_.all()) {
    wrt.push_back(parameter.value);
    reached_.push_back(behind.contains(parameter.value.node().get()));
  }
  std::vector<std::shared_ptr<Node>> watched;
  for (const WatchedFeature& feature : input.features) {
    feature_names_.push_back(feature.name);
    watched.push_back(feature.name.empty() && !input.half ? nullptr : feature.node);
  }
  MultiWalk walk;
  walk.outputs = outputs_;
  walk.sets = sets_;
  walk.wrt = wrt;
  walk.watched = watched;
  walk.consumer = [&](std::size_t entry, int pass, std::span<Tensor> of_sets) {
    meet(input, entry, pass, of_sets);
  };
  if (groups_.shared()) walk.pass_of = pass_of_part;
  walk.replaced = half_set_;
  // The heads stand above the maps that they look at.
  if (half_set_ > 0) {
    walk.ahead_of = 0;
    for (const WatchedFeature& feature : input.features)
      if (!feature.head && feature.node)
        walk.ahead_of = std::max(walk.ahead_of, feature.node->order);
  }
  walk.late = [&](const Node& node) { return !node.is_leaf() && !detection.contains(&node); };
  walk.tape = Tape::kConsume;
  std::vector<Tensor> gradients = multi_gradients(walk);
  outputs_.clear();
  sets_.clear();
  return gradients;
}

void Probe::meet(const ProbeInput& input, std::size_t entry, int pass, std::span<Tensor> of_sets) {
  const std::size_t parameters = parameters_.all().size();
  if (entry >= parameters) return meet_feature(input, entry - parameters, of_sets);
  const LayerGroups::Place place = groups_.place(entry, pass);
  if (place.group < 0) return;
  const bool reached = reached_[entry];
  std::vector<Span<const float>> all = vectors(of_sets, reached);
  if (referenced_) {
    const Tensor reference = input.remedy->reference(entry);
    all.push_back(reference.defined() ? reference.span<float>() : Span<const float>{});
  }
  const PartScope part("monitor");
  Sums& sums = by_group_[static_cast<std::size_t>(place.group)];
  sums.half = sums.half || (half_set_ > 0 && of_sets[half_set_].defined());
  add_products(static_cast<std::size_t>(place.group), all, reached, optimizer_.moment(entry));
  add_channels(input, entry, place.group, all);
  if (input.sketches) {
    const std::size_t losses = axis_.losses.size();
    input.sketches->add(place, {all.data(), static_cast<std::int64_t>(losses)},
                        remainder(reached, losses));
  }
  if (pass != MultiWalk::kWhole) return;
  kept_[entry].assign(of_sets.begin(), of_sets.end());
  kept_[entry][0] = Tensor();  // the optimizer's own
  if (half_set_ > 0) kept_[entry][half_set_] = Tensor();
}

void Probe::meet_feature(const ProbeInput& input, std::size_t feature, std::span<Tensor> of_sets) {
  const PartScope part("monitor");
  const WatchedFeature& watched = input.features[feature];
  // Gradients of maps are of the maps' type; what is measured of them is measured in float.
  std::vector<Tensor> wide;
  DType type = DType::kF32;
  for (const Tensor& gradient : of_sets) {
    wide.push_back(gradient.defined() ? cast(gradient, DType::kF32) : gradient);
    if (gradient.defined()) type = gradient.dtype();
  }
  std::vector<Span<const float>> all = vectors(wide, true);
  if (referenced_) all.emplace_back();
  if (!watched.name.empty()) add_products(by_group_.size() + feature, all, true, std::nullopt);
  if (half_set_ > 0 && input.half)
    of_sets[half_set_] = cast(half_cotangent(wide, watched.per_image), type);
}

void Probe::products(std::span<const Span<const float>> vectors, bool reached,
                     const SecondMoment<float>& second, Span<double> raw,
                     Span<double> preconditioned) {
  const Tensor& like = parameters_.all()[0].value;
  const Span<const Span<const float>> all{vectors.data(), std::ssize(vectors)};
  Tensor scratch = scratch_bytes(
      like, on_device(like, cpu::gram_scratch_bytes(all), cuda::gram_scratch_bytes(all)));
  KT_RUN(like.queue(), gram, all, remainder(reached, vectors.size()), second, raw, preconditioned,
         bytes_of(scratch));
}

void Probe::add_products(std::size_t of, std::span<const Span<const float>> vectors, bool reached,
                         const std::optional<Optimizer::Moment>& moment) {
  sums(of).seen = true;
  const bool weighted = moment && moment->second.defined() && moment->root_scale > 0;
  const std::int64_t cells = triangle(std::ssize(vectors));
  const ProbeNumbers::Place place = numbers_.take(2 * cells);
  parts_.push_back({place, of, weighted, weighted ? moment->lr : 1});
  SecondMoment<float> second;
  if (weighted) second = {moment->second.span<float>(), moment->root_scale, moment->epsilon};
  const Span<double> out = numbers_.out(place);
  products(vectors, reached, second, {out.data, cells}, {out.data + cells, weighted ? cells : 0});
}

}  // namespace ktrain
