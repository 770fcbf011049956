// ResNet trunk (He et al. 2016; stride in the 3x3 convolution) whose four stages feed a pyramid.
// Parameters carry torchvision's names: conv1, bn1, layer1.0.conv1, layer1.0.downsample.0, ...
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "models/layers.h"

namespace ktrain {

struct ResNetOptions {
  int depth = 50;  // 18, 34, 50 or 101
  // Factor on all channels; the stem has round(64 * width).
  double width = 1.0;
  // Stages out of training: 0 the stem alone, 1 the stem and layer1, ... 4 everything; -1 nothing.
  int frozen_stages = 1;
  Norm norm = Norm::kFrozen;
};

// Throws Error on a depth, width or frozen_stages that does not exist.
class ResNet {
 public:
  static constexpr int kStages = 4;
  using Stages = std::array<Tensor, kStages>;

  ResNet(const Maker& maker, const ResNetOptions& options);
  // A normalised image batch to the four stages' outputs, at strides 4, 8, 16 and 32.
  [[nodiscard]] Stages operator()(const Tensor& image, Mode mode) const;
  // The same of a trunk for each batch of images, layer by layer, each layer's convolutions as one
  // launch. The trunks are alike but for their parameters.
  [[nodiscard]] static std::vector<Stages> each(const std::vector<const ResNet*>& trunks,
                                                const std::vector<Tensor>& images, Mode mode);
  // Channels of the stages' outputs.
  [[nodiscard]] const std::array<std::int64_t, kStages>& channels() const { return channels_; }

 private:
  struct Block {
    std::vector<ConvNorm> body;      // two or three convolutions; the last adds the shortcut
    std::vector<ConvNorm> shortcut;  // one, or none for the identity
  };
  // Block `number` of stage `stage` of every trunk.
  [[nodiscard]] static std::vector<Tensor> run(const std::vector<const ResNet*>& trunks,
                                               std::size_t stage, std::size_t number,
                                               const std::vector<Tensor>& xs, Mode mode,
                                               const FoldedNorms& folded);
  // In the order in which they are used.
  [[nodiscard]] std::vector<const ConvNorm*> layers() const;

  std::vector<ConvNorm> stem_;
  std::array<std::vector<Block>, kStages> stages_;
  std::array<std::int64_t, kStages> channels_{};
};

}  // namespace ktrain
