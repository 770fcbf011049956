#include "train/monitor/probe_numbers.h"

#include <cstring>

#include "kernels/elementwise.h"
#include "kernels/queue.h"

namespace ktrain {
namespace {

constexpr std::int64_t kBytes = sizeof(double);

}  // namespace

ProbeNumbers::ProbeNumbers(const ContextPtr& context, std::int64_t capacity) {
  const MemoryUseScope use(MemoryUse::kWorkspace);
  memory_ = Tensor::zeros(context, {kBytes * capacity}, DType::kU8);
}

ProbeNumbers::Place ProbeNumbers::take(std::int64_t count) {
  const std::int64_t capacity = memory_.defined() ? memory_.size() / kBytes : 0;
  KT_CHECK(count >= 0 && taken_ + count <= capacity, "probe: {} numbers behind {}, room for {}",
           count, taken_, capacity);
  taken_ += count;
  return {taken_ - count, count};
}

Span<double> ProbeNumbers::out(Place place) {
  std::uint8_t* const bytes = memory_.mutable_span<std::uint8_t>().data;
  return {reinterpret_cast<double*>(bytes + kBytes * place.at), place.count};
}

ProbeNumbers::Place ProbeNumbers::keep(const Tensor& number) {
  const Place place = take(1);
  KT_RUN(memory_.queue(), copy, number.span<float>(),
         (Span<float>{reinterpret_cast<float*>(out(place).data), 1}));
  return place;
}

void ProbeNumbers::fetch() const {
  if (fetched_ == taken_) return;
  host_.assign(static_cast<std::size_t>(taken_), 0.0);
  memory_.slice(0, kBytes * taken_).read_bytes(std::as_writable_bytes(std::span(host_)));
  fetched_ = taken_;
}

std::span<const double> ProbeNumbers::read(Place place) const {
  fetch();
  return std::span(host_).subspan(static_cast<std::size_t>(place.at),
                                  static_cast<std::size_t>(place.count));
}

double ProbeNumbers::read_kept(Place place) const {
  float value = 0;
  std::memcpy(&value, read(place).data(), sizeof value);
  return static_cast<double>(value);
}

}  // namespace ktrain
