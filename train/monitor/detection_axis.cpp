#include "train/monitor/detection_axis.h"

#include <algorithm>
#include <cmath>

namespace ktrain {
namespace {

// Rows of the new axis in terms of the old one: det is the weighted sum, the rest stay.
Gram summed(const Gram& gram, const ProbeRecord& record) {
  if (gram.size() == 0) return {};
  const std::size_t detection = record.detection, size = gram.size() - detection + 1;
  const auto old = [&](std::size_t j) { return j - 1 + detection; };
  Gram result(size);
  for (std::size_t k = 0; k < detection; ++k) {
    for (std::size_t l = 0; l < detection; ++l)
      result(0, 0) += record.weights[k] * record.weights[l] * gram(k, l);
    for (std::size_t j = 1; j < size; ++j) result(0, j) += record.weights[k] * gram(k, old(j));
  }
  result(0, 0) = std::max(0.0, result(0, 0));  // losses that cancel may round to below 0
  for (std::size_t i = 1; i < size; ++i)
    for (std::size_t j = i; j < size; ++j) result(i, j) = gram(old(i), old(j));
  return result;
}

std::vector<double> summed(const std::vector<double>& values, const ProbeRecord& record) {
  if (values.empty()) return {};
  std::vector<double> result = {0};
  for (std::size_t k = 0; k < record.detection; ++k) result[0] += record.weights[k] * values[k];
  result.insert(result.end(), values.begin() + static_cast<std::ptrdiff_t>(record.detection),
                values.end());
  return result;
}

}  // namespace

ProbeRecord with_detection_summed(const ProbeRecord& record) {
  if (record.detection == 1 && record.losses[0] == kDetection && record.weights[0] == 1)
    return record;
  ProbeRecord result = record;
  const auto first = static_cast<std::ptrdiff_t>(record.detection);
  result.losses.assign(record.losses.begin() + first, record.losses.end());
  result.losses.insert(result.losses.begin(), kDetection);
  result.weights.assign(record.weights.begin() + first, record.weights.end());
  result.weights.insert(result.weights.begin(), 1.0);
  result.detection = 1;
  result.values = summed(record.values, record);
  result.predicted = summed(record.predicted, record);
  result.real = summed(record.real, record);
  for (GroupGram& group : result.groups) {
    group.raw = summed(group.raw, record);
    group.preconditioned = summed(group.preconditioned, record);
  }
  for (FeatureGram& feature : result.features) feature.raw = summed(feature.raw, record);
  return result;
}

std::optional<double> cosine(const Gram& gram, std::size_t i, std::size_t j) {
  const double norms = std::sqrt(gram(i, i)) * std::sqrt(gram(j, j));
  if (!(norms > 0)) return {};
  return std::clamp(gram(i, j) / norms, -1.0, 1.0);
}

std::optional<double> tax(const ProbeRecord& summed, const GroupGram& group, std::size_t j) {
  const Gram& gram = step_gram(group);
  if (!(gram(0, 0) > 0) || !(gram(j, j) > 0)) return {};
  return 0.0 - summed.weights[j] * gram(0, j) / gram(0, 0);
}

std::optional<double> effect(const ProbeRecord& record, std::size_t k, std::size_t j) {
  double sum = 0;
  bool moves_k = false, moves_j = false;
  for (const GroupGram& group : record.groups) {
    const Gram& gram = step_gram(group);
    sum += gram(k, j);
    moves_k = moves_k || gram(k, k) > 0;
    moves_j = moves_j || gram(j, j) > 0;
  }
  if (!moves_k || !moves_j) return {};
  return 0.0 - record.learning_rate * record.momentum_scale * record.clip * record.weights[j] * sum;
}

std::optional<double> predicted_detection(const ProbeRecord& summed) {
  if (!summed.predicted.empty()) return summed.predicted[0];
  std::optional<double> total;
  for (std::size_t j = 0; j < summed.losses.size(); ++j)
    if (const auto part = effect(summed, 0, j)) total = total.value_or(0) + *part;
  return total;
}

}  // namespace ktrain
