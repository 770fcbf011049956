#include "runtime/readback.h"

#include <cstring>

namespace ktrain {

Readback::Readback(const ContextPtr& context, std::int64_t floats)
    : numbers_(Tensor::zeros(context, {floats})) {}

std::int64_t Readback::send() {
  const auto at = static_cast<std::size_t>(sends_ % kRounds);
  const Queue& queue = numbers_.queue();
  if (queue.planning) return sends_;
  if (queue.device == Device::kCpu) {
    on_host_[at] = numbers_.to_vector<float>();
    return sends_++;
  }
  const std::int64_t bytes = numbers_.size() * std::int64_t{sizeof(float)};
  if (!rounds_[at])
    for (auto& round : rounds_) round = std::make_unique<Round>(bytes);
  copy_to_host_later(queue.stream, numbers_.span<float>().data, rounds_[at]->memory.data(), bytes);
  rounds_[at]->arrived.record(queue.stream);
  return sends_++;
}

std::vector<float> Readback::read(std::int64_t sent) {
  KT_CHECK(sent >= 0 && sent < sends_ && sends_ - sent <= kRounds,
           "Readback: the numbers of send {} are asked for after {}", sent, sends_);
  const auto at = static_cast<std::size_t>(sent % kRounds);
  if (!rounds_[at]) return on_host_[at];
  rounds_[at]->arrived.wait();
  std::vector<float> numbers(static_cast<std::size_t>(numbers_.size()));
  std::memcpy(numbers.data(), rounds_[at]->memory.data(), numbers.size() * sizeof(float));
  return numbers;
}

}  // namespace ktrain
