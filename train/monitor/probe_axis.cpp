#include "train/monitor/probe_axis.h"

#include <algorithm>

namespace ktrain {
namespace {

using Places = std::vector<std::size_t>;

// The terms at `places` as one loss under the sum of their weights.
AxisLoss together(const std::vector<LossTerm>& terms, const Places& places) {
  AxisLoss loss;
  loss.weight = 0;
  for (const std::size_t i : places) {
    loss.name += (loss.name.empty() ? "" : "+") + terms[i].name;
    loss.weight += terms[i].weight;
  }
  for (const std::size_t i : places) {
    const double share =
        loss.weight != 0 ? terms[i].weight / loss.weight : 1.0 / static_cast<double>(places.size());
    loss.terms.emplace_back(i, places.size() == 1 ? 1.0 : share);
  }
  return loss;
}

AxisLoss detection_sum(const std::vector<LossTerm>& terms, std::size_t num_detection) {
  AxisLoss loss{"det", {}, 1.0};
  for (std::size_t i = 0; i < num_detection; ++i) loss.terms.emplace_back(i, terms[i].weight);
  return loss;
}

}  // namespace

ProbeAxis make_axis(const std::string& profile, const std::vector<LossTerm>& terms,
                    std::size_t num_detection) {
  ProbeAxis axis;
  const bool trained =
      std::any_of(terms.begin(), terms.begin() + static_cast<std::ptrdiff_t>(num_detection),
                  [](const LossTerm& term) { return term.weight != 0; });
  if (!trained || terms.size() <= num_detection) return axis;
  if (profile == "deep") {
    for (std::size_t i = 0; i < num_detection; ++i) {
      axis.losses.push_back(together(terms, {i}));
      if (terms[i].weight != 0) axis.remainder = i;
    }
  } else {
    axis.losses.push_back(detection_sum(terms, num_detection));
  }
  axis.detection = axis.losses.size();

  Places contrast, all;
  std::vector<Places> others;
  for (std::size_t i = num_detection; i < terms.size(); ++i) {
    const bool joins = profile == "watch" && (terms[i].name == "macl" || terms[i].name == "dhn");
    all.push_back(i);
    if (joins)
      contrast.push_back(i);
    else
      others.push_back({i});
  }
  if (profile == "surgery") others = {all};
  if (!contrast.empty()) others.insert(others.begin(), contrast);
  for (const Places& places : others) axis.losses.push_back(together(terms, places));
  if (profile == "surgery") axis.losses.back().name = "aux";
  return axis;
}

}  // namespace ktrain
