// A probe's products by output channel.
#include "kernels/gram.h"
#include "train/monitor/probe.h"

namespace ktrain {

void Probe::add_channels(const ProbeInput& input, std::size_t entry, int group,
                         std::span<const Span<const float>> vectors) {
  const std::string& name = groups_.all()[static_cast<std::size_t>(group)].name;
  const Parameter& parameter = parameters_.all()[entry];
  const std::int64_t rank = parameter.value.shape().rank();
  if (rank < 2 || !input.channels.contains(name)) return;
  const std::int64_t channels = parameter.value.size(0), size = parameter.value.size() / channels;
  const std::size_t losses = axis_.losses.size();
  const std::int64_t cells = std::ssize(Gram(losses).values());
  const ProbeNumbers::Place place = numbers_.take(channels * cells);
  for (std::int64_t c = 0; c < channels; ++c) {
    std::vector<Span<const float>> rows;
    for (std::size_t k = 0; k < losses; ++k)
      rows.push_back(vectors[k].size == 0 ? Span<const float>{}
                                          : Span<const float>{vectors[k].data + c * size, size});
    products(rows, reached_[entry], {}, {numbers_.out(place).data + c * cells, cells}, {});
  }
  channel_parts_.push_back({place, channels_.size()});
  channels_.push_back({name, parameter.name,
                       std::vector<Gram>(static_cast<std::size_t>(channels), Gram(losses)), entry,
                       rank == 4});
}

}  // namespace ktrain
