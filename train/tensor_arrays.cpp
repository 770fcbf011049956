#include "train/tensor_arrays.h"

namespace ktrain {
namespace {

ArrayType array_type(DType type) {
  return type == DType::kF32   ? ArrayType::kF32
         : type == DType::kI32 ? ArrayType::kI32
                               : ArrayType::kU8;
}

template <class T>
std::span<const std::byte> bytes_of(const Tensor& tensor) {
  const Span<const T> view = tensor.host_span<T>();
  return std::as_bytes(std::span(view.data, static_cast<std::size_t>(view.size)));
}

template <class T>
void copy_into(std::span<const std::byte> bytes, Tensor& tensor) {
  std::vector<T> values(bytes.size() / sizeof(T));
  std::copy(bytes.begin(), bytes.end(), std::as_writable_bytes(std::span(values)).begin());
  tensor.copy_from<T>(values);
}

}  // namespace

ArraySpec array_spec(const std::string& name, const Tensor& tensor) {
  ArraySpec spec{name, array_type(tensor.dtype()), {}};
  for (int axis = 0; axis < tensor.shape().rank(); ++axis) spec.shape.push_back(tensor.size(axis));
  return spec;
}

NamedArray named_array(const std::string& name, const Tensor& tensor) {
  if (tensor.queue().device != Device::kCpu) {
    const auto copy = std::make_shared<std::vector<std::byte>>(
        static_cast<std::size_t>(tensor.size() * size_bytes(tensor.dtype())));
    tensor.read_bytes(*copy);
    return {array_spec(name, tensor), *copy, copy};
  }
  const std::span<const std::byte> bytes = tensor.dtype() == DType::kF32 ? bytes_of<float>(tensor)
                                           : tensor.dtype() == DType::kI32
                                               ? bytes_of<std::int32_t>(tensor)
                                               : bytes_of<std::uint8_t>(tensor);
  return {array_spec(name, tensor), bytes};
}

std::vector<NamedArray> parameter_arrays(const ParameterSet& parameters) {
  std::vector<NamedArray> arrays;
  for (const Parameter& parameter : parameters.all())
    arrays.push_back(named_array(parameter.name, parameter.value));
  return arrays;
}

void load_tensor(const LoadedCheckpoint& from, const std::string& name, Tensor tensor) {
  const std::span<const std::byte> bytes = from.bytes(array_spec(name, tensor));
  if (tensor.dtype() == DType::kF32)
    copy_into<float>(bytes, tensor);
  else if (tensor.dtype() == DType::kI32)
    copy_into<std::int32_t>(bytes, tensor);
  else
    copy_into<std::uint8_t>(bytes, tensor);
}

}  // namespace ktrain
