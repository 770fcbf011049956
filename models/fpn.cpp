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

Pyramid Fpn::operator()(const ResNet::Stages& stages) const {
  std::vector<Tensor> merged(stages.size());
  for (std::size_t i = stages.size(); i-- > 0;) {
    merged[i] = laterals_[i](stages[i]);
    if (i + 1 < stages.size()) merged[i] = upsample_add(merged[i + 1], merged[i]);
  }
  Pyramid levels;
  const std::vector<Tensor> outputs = Conv::each(outputs_, merged);
  std::copy(outputs.begin(), outputs.end(), levels.begin());
  levels.back() = max_pool(levels[merged.size() - 1], {.taps = 1, .stride = 2, .pad = 0});
  return levels;
}

}  // namespace ktrain
