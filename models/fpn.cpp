#include "models/fpn.h"

#include <algorithm>

namespace ktrain {

Fpn::Fpn(const Maker& maker, const std::array<std::int64_t, ResNet::kStages>& inputs,
         std::int64_t channels) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const ConvShape lateral{inputs[i], channels, 1, 1};
    laterals_.emplace_back(maker / "lateral_convs" / std::to_string(i) / "conv", lateral,
                           xavier_uniform({channels, 1, 1, inputs[i]}));
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const ConvShape output{channels, channels, 3, 1};
    outputs_.emplace_back(maker / "fpn_convs" / std::to_string(i) / "conv", output,
                          xavier_uniform({channels, 3, 3, channels}));
  }
}

std::vector<Pyramid> Fpn::each(const std::vector<const Fpn*>& necks,
                               const std::vector<ResNet::Stages>& stages) {
  KT_CHECK(!necks.empty() && necks.size() == stages.size(), "Fpn: {} necks of {} trunks",
           necks.size(), stages.size());
  // Levels of the first neck, then those of the next.
  constexpr std::size_t kLevels = ResNet::kStages;
  std::vector<Tensor> merged(necks.size() * kLevels);
  for (std::size_t i = kLevels; i-- > 0;) {
    std::vector<const Conv*> laterals;
    std::vector<Tensor> xs;
    for (std::size_t n = 0; n < necks.size(); ++n) {
      laterals.push_back(&necks[n]->laterals_[i]);
      xs.push_back(stages[n][i]);
    }
    xs = Conv::each(laterals, xs);
    for (std::size_t n = 0; n < necks.size(); ++n) {
      Tensor& level = merged[n * kLevels + i];
      level = i + 1 < kLevels ? upsample_add(merged[n * kLevels + i + 1], xs[n]) : xs[n];
    }
  }
  std::vector<const Conv*> outputs;
  for (const Fpn* const neck : necks)
    for (const Conv& output : neck->outputs_) outputs.push_back(&output);
  merged = Conv::each(outputs, merged);
  std::vector<Pyramid> pyramids(necks.size());
  for (std::size_t n = 0; n < necks.size(); ++n) {
    std::copy_n(merged.begin() + static_cast<std::ptrdiff_t>(n * kLevels), kLevels,
                pyramids[n].begin());
    pyramids[n].back() = max_pool(pyramids[n][kLevels - 1], {.taps = 1, .stride = 2, .pad = 0});
  }
  return pyramids;
}

Pyramid Fpn::operator()(const ResNet::Stages& stages) const {
  return each({this}, {stages}).front();
}

}  // namespace ktrain
