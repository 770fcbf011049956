#include "train/monitor/finite_record.h"

#include <algorithm>
#include <cmath>

namespace ktrain {
namespace {

bool finite(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double x) { return std::isfinite(x); });
}

}  // namespace

std::vector<Dropped> drop_non_finite(ProbeRecord& record) {
  std::vector<Dropped> dropped;
  std::erase_if(record.groups, [&](const GroupGram& group) {
    if (finite(group.raw.values())) return false;
    dropped.push_back({kDroppedGradients, group.group});
    return true;
  });
  for (GroupGram& group : record.groups) {
    if (!finite(group.preconditioned.values())) {
      dropped.push_back({"products of preconditioned gradients", group.group});
      group.preconditioned = {};
    }
  }
  std::erase_if(record.features, [&](const FeatureGram& feature) {
    if (finite(feature.raw.values())) return false;
    dropped.push_back({"products of cotangents", feature.name});
    return true;
  });
  if (!finite(record.predicted)) {
    dropped.push_back({"predicted change", ""});
    record.predicted.clear();
  }
  if (!finite(record.real)) {
    dropped.push_back({"change that a second forward pass found", ""});
    record.real.clear();
  }
  return dropped;
}

bool is_record(const ProbeRecord& record) {
  return !record.groups.empty() && std::isfinite(record.clip_det) && finite(record.values) &&
         std::isfinite(record.clip) && std::isfinite(record.gradient_norm);
}

}  // namespace ktrain
