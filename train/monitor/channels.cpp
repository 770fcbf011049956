#include "train/monitor/channels.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <nlohmann/json.hpp>

namespace ktrain {
namespace {

// Whether detection and loss `j` both have a gradient there.
bool both_reach(const ProbeRecord& record, const ChannelDots& dots, std::size_t j) {
  bool det = false, other = false;
  for (const Gram& gram : dots.channels) {
    for (std::size_t k = 0; k < record.detection; ++k) det = det || gram(k, k) > 0;
    other = other || gram(j, j) > 0;
  }
  return det && other;
}

}  // namespace

std::optional<std::string> channels_line(const ProbeRecord& record,
                                         std::span<const ChannelDots> weights,
                                         std::string_view group, std::string_view loss) {
  const auto at = std::find(record.losses.begin(), record.losses.end(), loss);
  const auto j = static_cast<std::size_t>(at - record.losses.begin());
  if (at == record.losses.end() || j < record.detection) return {};
  const ChannelDots* last = nullptr;
  for (const ChannelDots& each : weights) {
    if (each.group != group || !both_reach(record, each, j)) continue;
    if (last == nullptr ||
        std::pair(each.convolution, each.order) > std::pair(last->convolution, last->order))
      last = &each;
  }
  if (last == nullptr) return {};
  const ChannelDots& dots = *last;
  struct Against {
    std::size_t channel = 0;
    double dot = 0;
  };
  std::vector<Against> against;
  double sum = 0;
  for (std::size_t c = 0; c < dots.channels.size(); ++c) {
    double dot = 0;
    for (std::size_t k = 0; k < record.detection; ++k)
      if (record.weights[k] != 0) dot += record.weights[k] * dots.channels[c](k, j);
    if (!std::isfinite(dot)) return {};
    if (dot >= 0) continue;
    against.push_back({c, dot});
    sum += dot;
  }
  std::stable_sort(against.begin(), against.end(),
                   [](const Against& a, const Against& b) { return a.dot < b.dot; });
  if (against.size() > kChannelsSaid) against.resize(kChannelsSaid);
  nlohmann::ordered_json json = {{"kind", "channels"},    {"step", record.step},
                                 {"epoch", record.epoch}, {"group", dots.group},
                                 {"loss", loss},          {"layer", dots.layer}};
  json["channels"] = nlohmann::ordered_json::array();
  for (const Against& part : against)
    json["channels"].push_back(
        {{"channel", part.channel}, {"dot", part.dot}, {"share", part.dot / sum}});
  return json.dump();
}

}  // namespace ktrain
