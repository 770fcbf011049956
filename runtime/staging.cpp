#include "runtime/staging.h"

#include <cstring>

namespace ktrain {

std::size_t Staging::add(const Tensor& tensor) {
  KT_CHECK(!begun_, "Staging: a tensor is added after the first round");
  KT_CHECK(tensors_.empty() || tensor.context() == tensors_[0].context(),
           "Staging: tensors of two contexts");
  tensors_.push_back(tensor);
  offsets_.push_back(bytes_);
  bytes_ += (tensor.size() * size_bytes(tensor.dtype()) + 63) / 64 * 64;
  written_.push_back(false);
  return tensors_.size() - 1;
}

bool Staging::on_gpu() const {
  return !tensors_.empty() && tensors_[0].queue().device == Device::kCuda &&
         !tensors_[0].queue().planning;
}

void Staging::begin() {
  begun_ = true;
  written_.assign(written_.size(), false);
  if (!on_gpu()) return;
  if (rounds_.empty())
    for (std::size_t i = 0; i < kRounds; ++i) rounds_.push_back(std::make_unique<Round>(bytes_));
  current_ = (current_ + 1) % kRounds;
  rounds_[current_]->sent.wait();
}

template <class T>
void Staging::write(std::size_t entry, std::span<const T> values) {
  Tensor& tensor = tensors_.at(entry);
  KT_CHECK(tensor.dtype() == DTypeOf<T>::value && std::ssize(values) == tensor.size(),
           "Staging: {} values of {} for a tensor {} of {}", values.size(), name(DTypeOf<T>::value),
           tensor.shape().text(), name(tensor.dtype()));
  KT_CHECK(!written_[entry], "Staging: entry {} is written twice in a round", entry);
  written_[entry] = true;
  if (!on_gpu()) return tensor.copy_from<T>(values);
  std::memcpy(rounds_.at(current_)->memory.data() + offsets_[entry], values.data(),
              values.size_bytes());
}
template void Staging::write<float>(std::size_t, std::span<const float>);
template void Staging::write<std::int32_t>(std::size_t, std::span<const std::int32_t>);
template void Staging::write<std::uint8_t>(std::size_t, std::span<const std::uint8_t>);

namespace {

std::byte* address(Tensor& tensor) {
  switch (tensor.dtype()) {
    case DType::kF32:
      return reinterpret_cast<std::byte*>(tensor.mutable_span<float>().data);
    case DType::kI32:
      return reinterpret_cast<std::byte*>(tensor.mutable_span<std::int32_t>().data);
    default:
      return reinterpret_cast<std::byte*>(tensor.mutable_span<std::uint8_t>().data);
  }
}

}  // namespace

void Staging::send() {
  if (!on_gpu()) return;
  const CudaStream stream = tensors_[0].queue().stream;
  Round& round = *rounds_.at(current_);
  for (std::size_t i = 0; i < tensors_.size(); ++i)
    if (written_[i])
      copy_to_device(stream, round.memory.data() + offsets_[i], address(tensors_[i]),
                     tensors_[i].size() * size_bytes(tensors_[i].dtype()));
  round.sent.record(stream);
}

}  // namespace ktrain
