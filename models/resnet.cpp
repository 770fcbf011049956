#include "models/resnet.h"

#include <cmath>

#include "models/observe.h"

namespace ktrain {
namespace {

std::array<int, ResNet::kStages> num_blocks(int depth) {
  switch (depth) {
    case 18:
      return {2, 2, 2, 2};
    case 34:
    case 50:
      return {3, 4, 6, 3};
    case 101:
      return {3, 4, 23, 3};
  }
  KT_CHECK(false, "ResNet: depth is {}, wanted 18, 34, 50 or 101", depth);
  return {};
}

}  // namespace

ResNet::ResNet(const Maker& maker, const ResNetOptions& options) {
  const auto blocks = num_blocks(options.depth);
  const bool bottleneck = options.depth >= 50;
  const std::int64_t base = std::lround(64 * options.width);
  KT_CHECK(base >= 1, "ResNet: width is {}, which leaves no channel", options.width);
  KT_CHECK(options.frozen_stages >= -1 && options.frozen_stages <= kStages,
           "ResNet: frozen_stages is {}, wanted -1 to {}", options.frozen_stages, kStages);

  stem_.emplace_back(maker.frozen(options.frozen_stages >= 0), "conv1", "bn1",
                     ConvShape{3, base, 7, 2}, options.norm, Activation::kRelu);
  std::int64_t inputs = base;
  for (std::size_t s = 0; s < kStages; ++s) {
    const auto stage = static_cast<int>(s) + 1;
    const Maker below =
        maker.frozen(options.frozen_stages >= stage) / fmt::format("layer{}", stage);
    const std::int64_t planes = base << s, outputs = planes * (bottleneck ? 4 : 1);
    for (int i = 0; i < blocks[s]; ++i) {
      const Maker here = below / std::to_string(i);
      const std::int64_t stride = s > 0 && i == 0 ? 2 : 1;
      const auto conv = [&](int number, const ConvShape& shape, bool last) {
        // The last normalisation starts at 0 (Goyal et al. 2017, mmdetection's zero_init_residual):
        // a block starts as its shortcut, so that depth costs nothing at the first step.
        return ConvNorm(here, fmt::format("conv{}", number), fmt::format("bn{}", number), shape,
                        options.norm, Activation::kRelu, last ? 0 : 1);
      };
      Block block;
      if (bottleneck) {
        block.body.push_back(conv(1, {inputs, planes, 1, 1}, false));
        block.body.push_back(conv(2, {planes, planes, 3, stride}, false));
        block.body.push_back(conv(3, {planes, outputs, 1, 1}, true));
      } else {
        block.body.push_back(conv(1, {inputs, planes, 3, stride}, false));
        block.body.push_back(conv(2, {planes, planes, 3, 1}, true));
      }
      if (stride != 1 || inputs != outputs)
        block.shortcut.emplace_back(here / "downsample", "0", "1",
                                    ConvShape{inputs, outputs, 1, stride}, options.norm,
                                    Activation::kNone);
      stages_[s].push_back(std::move(block));
      inputs = outputs;
    }
    channels_[s] = inputs;
  }
}

std::vector<const ConvNorm*> ResNet::layers() const {
  std::vector<const ConvNorm*> all = {&stem_[0]};
  for (const std::vector<Block>& stage : stages_)
    for (const Block& block : stage)
      for (const auto* const part : {&block.shortcut, &block.body})
        for (const ConvNorm& layer : *part) all.push_back(&layer);
  return all;
}

std::vector<Tensor> ResNet::run(const std::vector<const ResNet*>& trunks, std::size_t stage,
                                std::size_t number, const std::vector<Tensor>& xs, Mode mode,
                                const FoldedNorms& folded) {
  const auto layers = [&](std::vector<ConvNorm> Block::*part, std::size_t layer) {
    std::vector<const ConvNorm*> all;
    for (const ResNet* const trunk : trunks)
      all.push_back(&(trunk->stages_[stage][number].*part)[layer]);
    return all;
  };
  const Block& block = trunks.front()->stages_[stage][number];
  const std::vector<Tensor> shortcut =
      block.shortcut.empty() ? xs
                             : ConvNorm::each(layers(&Block::shortcut, 0), xs, {}, mode, folded);
  std::vector<Tensor> ys = xs;
  const std::size_t last = block.body.size() - 1;
  for (std::size_t i = 0; i < last; ++i)
    ys = ConvNorm::each(layers(&Block::body, i), ys, {}, mode, folded);
  return ConvNorm::each(layers(&Block::body, last), ys, shortcut, mode, folded);
}

std::vector<ResNet::Stages> ResNet::each(const std::vector<const ResNet*>& trunks,
                                         const std::vector<Tensor>& images, Mode mode) {
  KT_CHECK(!trunks.empty() && trunks.size() == images.size(), "ResNet: {} trunks of {} batches",
           trunks.size(), images.size());
  std::vector<const ConvNorm*> stems, all;
  for (const ResNet* const trunk : trunks) {
    const std::vector<const ConvNorm*> own = trunk->layers();
    stems.push_back(own.front());
    all.insert(all.end(), own.begin(), own.end());
  }
  const FoldedNorms folded(all, mode);
  std::vector<Tensor> xs = ConvNorm::each(stems, images, {}, mode, folded);
  for (Tensor& x : xs) x = max_pool(x, {.taps = 3, .stride = 2, .pad = 1});
  ForwardObserver* const observer = forward_observer();
  if (observer != nullptr) observer->stage("stem", cast(xs[0], DType::kF32));
  std::vector<Stages> outputs(trunks.size());
  for (std::size_t s = 0; s < kStages; ++s) {
    for (std::size_t i = 0; i < trunks.front()->stages_[s].size(); ++i)
      xs = run(trunks, s, i, xs, mode, folded);
    for (std::size_t t = 0; t < xs.size(); ++t) outputs[t][s] = xs[t];
    if (observer != nullptr)
      observer->stage(fmt::format("layer{}", s + 1), cast(xs[0], DType::kF32));
  }
  return outputs;
}

ResNet::Stages ResNet::operator()(const Tensor& image, Mode mode) const {
  return each({this}, {image}, mode).front();
}

}  // namespace ktrain
