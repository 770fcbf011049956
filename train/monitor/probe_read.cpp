// What a probe has measured, once the device has left it.
#include <algorithm>
#include <cmath>
#include <limits>

#include "train/monitor/probe.h"

namespace ktrain {
namespace {

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

}  // namespace

void Probe::read() const {
  for (; read_parts_ < parts_.size(); ++read_parts_) {
    const Part& part = parts_[read_parts_];
    Sums& sums =
        part.of < by_group_.size() ? by_group_[part.of] : by_feature_[part.of - by_group_.size()];
    const std::span<const double> numbers = numbers_.read(part.place);
    std::vector<double>& raw = sums.raw.values();
    const std::size_t cells = raw.size();
    for (std::size_t i = 0; i < cells; ++i) raw[i] += numbers[i];
    if (!part.weighted) continue;
    sums.weighted = true;
    for (std::size_t i = 0; i < cells; ++i)
      sums.preconditioned.values()[i] += part.lr * numbers[cells + i];
  }
  for (; read_channels_ < channel_parts_.size(); ++read_channels_) {
    const ChannelPart& part = channel_parts_[read_channels_];
    const std::span<const double> numbers = numbers_.read(part.place);
    std::size_t at = 0;
    for (Gram& gram : channels_[part.of].channels)
      for (double& value : gram.values()) value = numbers[at++];
  }
  for (; read_changes_ < changes_.size(); ++read_changes_) {
    const std::span<const double> numbers = numbers_.read(changes_[read_changes_]);
    for (std::size_t k = 0; k < numbers.size(); ++k) predicted_[k] += numbers[k];
  }
}

const std::vector<ChannelDots>& Probe::channels() const {
  read();
  return channels_;
}

std::vector<double> Probe::term_values() const {
  std::vector<double> values;
  for (const ProbeNumbers::Place place : term_places_) values.push_back(kept(place));
  return values;
}

std::map<std::string, Reference> Probe::references(bool preconditioned) const {
  std::map<std::string, Reference> all;
  if (!referenced_) return all;
  read();
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

ProbeRecord Probe::record(const std::vector<double>& term_values, double clip) const {
  read();
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
  if (norm_) {
    record.gradient_norm = kept(*norm_);
    record.clip = kept(*clip_);
  } else if (context()->queue.device == Device::kCpu) {
    record.gradient_norm = optimizer_.gradient_norm();
    record.clip = optimizer_.clip_factor();
  }
  if (!std::isfinite(norm))
    record.clip_det = std::numeric_limits<double>::quiet_NaN();
  else
    record.clip_det =
        clip > 0 ? std::min(1.0, clip / (std::sqrt(std::max(0.0, norm)) + 1e-6)) : 1.0;
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
  read();
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
