// Memory of a GPU: allocation and copies. A host header: it compiles without the toolkit.
// Copies are ordered within their stream and return before they are done, unless they say
// otherwise. Errors are Error. In a build without CUDA everything here throws one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/check.h"
#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

// Aligned to 256 bytes, uninitialised. Zero bytes give a pointer that can be freed. Throws Error
// with the number of bytes when the device has no memory left.
[[nodiscard]] void* device_allocate(std::int64_t bytes);
void device_free(void* p) noexcept;  // null is nothing

struct DeviceMemory {
  std::int64_t free_bytes = 0, total_bytes = 0;
};
// What the GPU has, now.
[[nodiscard]] DeviceMemory device_memory();

// Memory of the host that a GPU reads and writes by itself, while the host goes on.
[[nodiscard]] void* pinned_allocate(std::int64_t bytes);
void pinned_free(void* p) noexcept;

// The host's side must stay as it is until the stream has been synchronized. From or to memory that
// is not pinned, a copy may wait, and no graph can hold it.
void copy_to_device(CudaStream stream, const void* from, void* to, std::int64_t bytes);
// Does not wait: `to` is pinned memory and has the bytes when the stream has come so far.
void copy_to_host_later(CudaStream stream, const void* from, void* to, std::int64_t bytes);
// Waits until the bytes are there.
void copy_to_host(CudaStream stream, const void* from, void* to, std::int64_t bytes);
// Between two places that do not overlap.
void copy_on_device(CudaStream stream, const void* from, void* to, std::int64_t bytes);
void fill_device(CudaStream stream, void* to, std::uint8_t value, std::int64_t bytes);
// Fills with the byte 0xFF: NaN as float or double, -1 as an integer.
void poison_device(CudaStream stream, void* to, std::int64_t bytes);

// An array on the device, owned; moves, does not copy.
template <class T>
class DeviceBuffer {
 public:
  explicit DeviceBuffer(std::int64_t size)
      : data_(static_cast<T*>(device_allocate(size * std::int64_t{sizeof(T)}))), size_(size) {}
  // Copied from the host, done on return.
  DeviceBuffer(CudaStream stream, const std::vector<T>& values)
      : DeviceBuffer(static_cast<std::int64_t>(values.size())) {
    assign(stream, values);
  }
  DeviceBuffer(DeviceBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~DeviceBuffer() { device_free(data_); }

  [[nodiscard]] T* data() const { return data_; }
  [[nodiscard]] std::int64_t size() const { return size_; }
  [[nodiscard]] Span<T> span() const { return {data_, size_}; }
  [[nodiscard]] Span<const T> const_span() const { return {data_, size_}; }

  // `values` must have the buffer's size.
  void assign(CudaStream stream, const std::vector<T>& values) {
    KT_CHECK(static_cast<std::int64_t>(values.size()) == size_,
             "DeviceBuffer: {} values for {} elements", values.size(), size_);
    if (values.empty()) return;
    copy_to_device(stream, values.data(), data_, size_ * std::int64_t{sizeof(T)});
    std::vector<T> last(1);  // waits: `values` may be a temporary
    copy_to_host(stream, data_, last.data(), sizeof(T));
  }
  [[nodiscard]] std::vector<T> to_host(CudaStream stream) const {
    std::vector<T> values(static_cast<std::size_t>(size_));
    if (size_ > 0) copy_to_host(stream, data_, values.data(), size_ * std::int64_t{sizeof(T)});
    return values;
  }

 private:
  T* data_;
  std::int64_t size_;
};

// Pinned bytes of the host, owned.
class PinnedBuffer {
 public:
  explicit PinnedBuffer(std::int64_t bytes)
      : data_(static_cast<std::byte*>(pinned_allocate(bytes))), bytes_(bytes) {}
  PinnedBuffer(PinnedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  PinnedBuffer& operator=(PinnedBuffer&&) = delete;
  ~PinnedBuffer() {
    if (data_) pinned_free(data_);
  }
  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }

 private:
  std::byte* data_;
  std::int64_t bytes_;
};

}  // namespace ktrain
