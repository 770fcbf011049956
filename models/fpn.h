// Feature pyramid (Lin et al. 2017) as mmdetection configures it: lateral 1x1, top-down
// nearest-neighbour upsampling and addition, 3x3 outputs, and a fifth level by subsampling the
// fourth. No normalisation, no activation.
#pragma once

#include <array>

#include "models/resnet.h"

namespace ktrain {

inline constexpr std::size_t kPyramidLevels = 5;
inline constexpr std::array<std::int64_t, kPyramidLevels> kPyramidStrides = {4, 8, 16, 32, 64};

// Feature maps of one number of channels at kPyramidStrides, finest first.
using Pyramid = std::array<Tensor, kPyramidLevels>;

class Fpn {
 public:
  Fpn(const Maker& maker, const std::array<std::int64_t, ResNet::kStages>& inputs,
      std::int64_t channels);
  [[nodiscard]] Pyramid operator()(const ResNet::Stages& stages) const;
  // The same of a neck for each trunk, two at most: each level's laterals as one launch, and all
  // outputs. The necks are alike but for their parameters.
  [[nodiscard]] static std::vector<Pyramid> each(const std::vector<const Fpn*>& necks,
                                                 const std::vector<ResNet::Stages>& stages);

 private:
  std::vector<Conv> laterals_, outputs_;
};

}  // namespace ktrain
