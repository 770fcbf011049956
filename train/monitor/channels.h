// Where in a layer a conflict sits: by output channel of a group's last convolution, how much of
// <g_det, g_j> comes from that channel's weights (sec. 7.1 of the monitor's design, g/<b>/ch).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "train/monitor/probe_record.h"

namespace ktrain {

inline constexpr std::size_t kChannelsSaid = 8;

// Of one weight: the Gram of the losses' gradients by output channel. Their sum is the layer's.
struct ChannelDots {
  std::string group, layer;
  std::vector<Gram> channels;
  std::size_t order = 0;  // among the parameters
  bool convolution = false;
};

// The channels that contribute most against detection, the worst first, none that does not:
//   {"kind":"channels","step","epoch","group","loss","layer",
//    "channels":[{"channel","dot","share"},..]}
// dot: <g_det, g_loss> over the channel's weights, of unweighted `loss` and detection's weighted
// sum; share: its part of the sum of all that are below 0. The layer is the last convolution of the
// group that both reach, where there is none the last weight. Nothing where there is none of these
// either, `loss` is not an auxiliary loss of the record, or a number is not finite.
[[nodiscard]] std::optional<std::string> channels_line(const ProbeRecord& record,
                                                       std::span<const ChannelDots> weights,
                                                       std::string_view group,
                                                       std::string_view loss);

}  // namespace ktrain
