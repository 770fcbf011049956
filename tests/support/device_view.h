// Arrays on a GPU, or on its emulation, and numbers to fill them with.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/device/memory.h"
#include "tests/support/gradcheck.h"

namespace ktrain::test {

// An array on the device that starts `offset` elements after an aligned address.
template <class T>
class DeviceView {
 public:
  DeviceView(CudaStream stream, const std::vector<T>& values, std::int64_t offset = 0)
      : size_(static_cast<std::int64_t>(values.size())), offset_(offset), buffer_(size_ + offset) {
    if (size_ == 0) return;
    copy_to_device(stream, values.data(), data(), size_ * std::int64_t{sizeof(T)});
    (void)to_host(stream);  // `values` may be a temporary: wait
  }
  // Nobody has written it.
  explicit DeviceView(std::int64_t size, std::int64_t offset = 0)
      : size_(size), offset_(offset), buffer_(size + offset) {}

  [[nodiscard]] T* data() const { return buffer_.data() + offset_; }
  [[nodiscard]] Span<T> span() const { return {data(), size_}; }
  [[nodiscard]] Span<const T> in() const { return {data(), size_}; }
  [[nodiscard]] std::vector<T> to_host(CudaStream stream) const {
    std::vector<T> values(static_cast<std::size_t>(size_));
    if (size_ > 0) copy_to_host(stream, data(), values.data(), size_ * std::int64_t{sizeof(T)});
    return values;
  }

 private:
  std::int64_t size_, offset_;
  DeviceBuffer<T> buffer_;
};

inline std::vector<float> random_floats(std::int64_t size, unsigned seed, double low = -1,
                                        double high = 1) {
  const Vec values = random_vec(static_cast<std::size_t>(size), seed, low, high);
  return {values.begin(), values.end()};
}

template <class To, class From>
std::vector<To> cast(const std::vector<From>& values) {
  return std::vector<To>(values.begin(), values.end());
}

}  // namespace ktrain::test
