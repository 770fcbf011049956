#include "train/monitor/probe.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_set>

#include "kernels/gram.h"
#include "kernels/parallel.h"
#include "runtime/ops.h"
#include "runtime/part.h"

namespace ktrain {
namespace {

constexpr std::int64_t kMixGrain = 1 << 14;

// <x, y> for two losses on the axis that are sums: sum_ij a_i b_j G_ij.
double form(const Gram& gram, const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = 0; j < b.size(); ++j)
      if (a[i] != 0 && b[j] != 0) sum += a[i] * b[j] * gram(i, j);
  return sum;
}

// The first `size` rows and columns.
Gram corner(const Gram& gram, std::size_t size) {
  Gram part(size);
  for (std::size_t i = 0; i < size; ++i)
    for (std::size_t j = i; j < size; ++j) part(i, j) = gram(i, j);
  return part;
}

using Nodes = std::unordered_set<const Node*>;

// Every node that the losses depend on.
Nodes nodes_behind(std::span<const AxisLoss> losses, const std::vector<LossTerm>& terms) {
  Nodes seen;
  std::vector<const Node*> stack;
  const auto push = [&](const Node* node) {
    if (node && seen.insert(node).second) stack.push_back(node);
  };
  for (const AxisLoss& loss : losses)
    for (const auto& [term, coefficient] : loss.terms)
      if (coefficient != 0) push(terms[term].value.node().get());
  while (!stack.empty()) {
    const Node* const node = stack.back();
    stack.pop_back();
    for (const auto& input : node->inputs) push(input.get());
  }
  return seen;
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

std::vector<Tensor> Probe::walk(const ProbeInput& input) {
  make_sets(input);
  const std::size_t count = mix_.size();
  by_group_.assign(groups_.all().size(), {Gram(count), Gram(count)});
  by_feature_.assign(input.features.size(), {Gram(count), Gram(count)});
  feature_names_.clear();
  kept_.assign(parameters_.all().size(), {});
  predicted_.assign(axis_.losses.size(), 0);
  channels_.clear();

  const Nodes behind = nodes_behind({&axis_.losses[axis_.remainder], 1}, input.terms);
  const Nodes detection = nodes_behind(std::span(axis_.losses).first(axis_.detection), input.terms);
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
  add_products(sums, all, reached, optimizer_.moment(entry));
  add_channels(input, entry, place.group, all);
  if (input.sketches)
    run_on_cpu(input.total.queue(), "count_sketch", [&] {
      const std::size_t losses = axis_.losses.size();
      input.sketches->add(place, {all.data(), static_cast<std::int64_t>(losses)},
                          remainder(reached, losses));
    });
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
  if (!watched.name.empty()) add_products(by_feature_[feature], all, true, std::nullopt);
  if (half_set_ > 0 && input.half)
    of_sets[half_set_] = cast(half_cotangent(wide, watched.per_image), type);
}

void Probe::add_products(Sums& sums, std::span<const Span<const float>> vectors, bool reached,
                         const std::optional<Optimizer::Moment>& moment) {
  const Queue& queue = parameters_.all()[0].value.queue();
  sums.seen = true;
  run_on_cpu(queue, "gram", [&] {
    const Span<const Span<const float>> all{vectors.data(), std::ssize(vectors)};
    const bool weighted = moment && moment->second.defined() && moment->root_scale > 0;
    scratch_.resize(static_cast<std::size_t>(cpu::gram_scratch_bytes(all)));
    Gram raw(vectors.size()), weighed(vectors.size());
    SecondMoment<float> second;
    if (weighted) second = {moment->second.span<float>(), moment->root_scale, moment->epsilon};
    cpu::gram<float>(all, remainder(reached, vectors.size()), second,
                     {raw.values().data(), std::ssize(raw.values())},
                     {weighed.values().data(), std::ssize(weighed.values())},
                     {scratch_.data(), std::ssize(scratch_)});
    for (std::size_t i = 0; i < raw.values().size(); ++i) {
      sums.raw.values()[i] += raw.values()[i];
      if (weighted) sums.preconditioned.values()[i] += moment->lr * weighed.values()[i];
    }
    sums.weighted = sums.weighted || weighted;
  });
}

std::map<std::string, Reference> Probe::references(bool preconditioned) const {
  std::map<std::string, Reference> all;
  if (!referenced_) return all;
  const std::size_t last = mix_.size() - 1;
  for (std::size_t g = 0; g < by_group_.size(); ++g) {
    const Sums& sums = by_group_[g];
    const Gram& gram = preconditioned && sums.weighted ? sums.preconditioned : sums.raw;
    if (!sums.seen || !(gram(last, last) > 0)) continue;
    Reference& reference = all[groups_.all()[g].name];
    reference.square = gram(last, last);
    for (std::size_t k = 0; k < axis_.losses.size(); ++k)
      reference.products.push_back(gram(k, last));
  }
  return all;
}

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
      run_on_cpu(out.queue(), "remedy", [&] {
        std::vector<Span<const float>> all = vectors(sets, reached_[p]);
        all.resize(losses);
        const Remainder mixing = remainder(reached_[p], losses);
        const Span<float> y = out.mutable_span<float>();
        parallel_chunks(y.size, kMixGrain, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
          std::vector<float> part(static_cast<std::size_t>(end - begin));
          std::fill(y.data + begin, y.data + end, 0.0f);
          for (std::size_t k = 0; k < losses; ++k) {
            if (weights[k] == 0) continue;
            cpu::mixed_elements<float>({all.data(), std::ssize(all)}, mixing,
                                       static_cast<std::int64_t>(k), begin,
                                       {part.data(), end - begin});
            const float weight = static_cast<float>(weights[k]);
            for (std::int64_t i = begin; i < end; ++i)
              y[i] += weight * part[static_cast<std::size_t>(i - begin)];
          }
          if (rho == 0 || !reference.defined()) return;
          const Span<const float> r = reference.span<float>();
          for (std::int64_t i = begin; i < end; ++i) y[i] += static_cast<float>(rho) * r[i];
        });
      });
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
    run_on_cpu(rest[p].queue(), "without", [&] {
      const Span<const float> x = kept_[p][set_of_[k]].span<float>();
      const Span<float> y = rest[p].mutable_span<float>();
      const float weight = static_cast<float>(axis_.losses[k].weight);
      parallel_for(y.size, kMixGrain, [&](std::int64_t i) { y[i] -= weight * x[i]; });
    });
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
  const Span<const float> old = before.span<float>();
  const Span<const float> now = parameters_.all()[parameter].value.span<float>();
  constexpr std::int64_t kBlock = 1024;
  std::vector<float> gradient(kBlock);
  const Remainder mixing = remainder(reached_[parameter], losses);
  for (std::size_t k = 0; k < losses; ++k) {
    double sum = 0;
    for (std::int64_t at = 0; at < now.size; at += kBlock) {
      const std::int64_t size = std::min(kBlock, now.size - at);
      cpu::mixed_elements<float>({all.data(), std::ssize(all)}, mixing,
                                 static_cast<std::int64_t>(k), at, {gradient.data(), size});
      for (std::int64_t i = 0; i < size; ++i)
        sum += static_cast<double>(gradient[static_cast<std::size_t>(i)]) *
               (static_cast<double>(now[at + i]) - static_cast<double>(old[at + i]));
    }
    predicted_[k] += sum;
  }
  kept.clear();
}

ProbeRecord Probe::record(const std::vector<double>& term_values, double clip) const {
  ProbeRecord record;
  const std::size_t losses = axis_.losses.size();
  record.detection = axis_.detection;
  std::vector<double> detection(losses, 0);
  for (std::size_t k = 0; k < losses; ++k) {
    const AxisLoss& loss = axis_.losses[k];
    record.losses.push_back(loss.name);
    record.weights.push_back(loss.weight);
    double value = 0;
    for (const auto& [term, coefficient] : loss.terms) value += coefficient * term_values[term];
    record.values.push_back(value);
    if (k < axis_.detection) detection[k] = loss.weight;
  }
  double norm = 0;
  for (std::size_t g = 0; g < by_group_.size(); ++g) {
    const Sums& sums = by_group_[g];
    if (!sums.seen) continue;
    const LayerGroups::Group& group = groups_.all()[g];
    GroupGram out;
    out.group = group.name;
    out.elements = group.elements;
    out.raw = corner(sums.raw, losses);
    if (sums.weighted) out.preconditioned = corner(sums.preconditioned, losses);
    out.share = group.share;
    if (!group.share) norm += form(out.raw, detection, detection);
    record.groups.push_back(std::move(out));
  }
  for (std::size_t f = 0; f < by_feature_.size(); ++f)
    if (by_feature_[f].seen)
      record.features.push_back({feature_names_[f], corner(by_feature_[f].raw, losses)});
  record.momentum_scale = optimizer_.momentum_scale();
  record.clip = optimizer_.clip_factor();
  if (!std::isfinite(norm))
    record.clip_det = std::numeric_limits<double>::quiet_NaN();
  else
    record.clip_det =
        clip > 0 ? std::min(1.0, clip / (std::sqrt(std::max(0.0, norm)) + 1e-6)) : 1.0;
  record.gradient_norm = optimizer_.gradient_norm();
  record.predicted = predicted_;
  return record;
}

std::vector<double> Probe::changes(const std::vector<double>& before,
                                   const std::vector<double>& after) const {
  std::vector<double> changes;
  for (const AxisLoss& loss : axis_.losses) {
    double change = 0;
    for (const auto& [term, coefficient] : loss.terms)
      change += coefficient * (after.at(term) - before.at(term));
    changes.push_back(change);
  }
  return changes;
}

std::vector<std::pair<std::string, double>> Probe::split_half() const {
  std::vector<std::pair<std::string, double>> cosines;
  if (half_set_ == 0) return cosines;
  const std::size_t half = axis_.losses.size();
  std::vector<double> whole(half + 1, 0), first(half + 1, 0);
  for (std::size_t k = 0; k < axis_.detection; ++k) whole[k] = axis_.losses[k].weight;
  first[half] = 1;
  std::vector<double> second = whole;
  second[half] = -1;
  for (std::size_t g = 0; g < by_group_.size(); ++g) {
    if (!by_group_[g].half) continue;
    const Gram& gram = by_group_[g].raw;
    const double norms = form(gram, first, first) * form(gram, second, second);
    const double cosine = form(gram, first, second) / std::sqrt(norms);
    if (norms > 0 && std::isfinite(cosine)) cosines.emplace_back(groups_.all()[g].name, cosine);
  }
  return cosines;
}

}  // namespace ktrain
