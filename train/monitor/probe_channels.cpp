// A probe's products by output channel.
#include "kernels/gram.h"
#include "runtime/ops.h"
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
  ChannelDots found{name, parameter.name, {}, entry, rank == 4};
  run_on_cpu(parameter.value.queue(), "channel_dots", [&] {
    for (std::int64_t c = 0; c < channels; ++c) {
      std::vector<Span<const float>> rows;
      for (std::size_t k = 0; k < losses; ++k)
        rows.push_back(vectors[k].size == 0 ? Span<const float>{}
                                            : Span<const float>{vectors[k].data + c * size, size});
      const Span<const Span<const float>> all{rows.data(), std::ssize(rows)};
      Gram& gram = found.channels.emplace_back(losses);
      scratch_.resize(static_cast<std::size_t>(cpu::gram_scratch_bytes(all)));
      cpu::gram<float>(all, remainder(reached_[entry], losses), {},
                       {gram.values().data(), std::ssize(gram.values())}, {},
                       {scratch_.data(), std::ssize(scratch_)});
    }
  });
  channels_.push_back(std::move(found));
}

}  // namespace ktrain
