// Where a benchmark runs: a device, its queue, and arrays in its memory. A case is written once,
// for both devices: KT_RUN(lab.queue(), kernel, ...) calls the one that the lab has.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "kernels/check.h"
#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain::bench {

// For `if constexpr (kCudaBuild) if (lab.cuda()) ... cuda::name(...)`: where kernels of both
// devices differ in more than their stream. cuda:: names do not link in a build without CUDA.
inline constexpr bool kCudaBuild = KT_CUDA_ENABLED != 0;

// Memory of a lab's device, shared by its copies: a case's lambda takes what it needs by value.
template <class T>
class Array {
 public:
  Array() = default;
  Array(std::shared_ptr<void> memory, std::int64_t size)
      : memory_(std::move(memory)), size_(size) {}

  [[nodiscard]] T* data() const { return static_cast<T*>(memory_.get()); }
  [[nodiscard]] std::int64_t size() const { return size_; }
  [[nodiscard]] std::int64_t bytes() const { return size_ * std::int64_t{sizeof(T)}; }
  // Views of constant elements are what kernels read, the others what they write.
  [[nodiscard]] Span<const T> span() const { return {data(), size_}; }
  [[nodiscard]] Span<T> out() const { return {data(), size_}; }
  [[nodiscard]] Rows<const T> rows(std::int64_t cols) const { return {data(), size_ / cols, cols}; }
  [[nodiscard]] Rows<T> out_rows(std::int64_t cols) const { return {data(), size_ / cols, cols}; }

 private:
  std::shared_ptr<void> memory_;
  std::int64_t size_ = 0;
};

class Lab {
 public:
  // `scale` divides the sides of maps and the lengths of lists: 1 is a training step's, tests take
  // more.
  explicit Lab(Device device, std::int64_t scale = 1);
  ~Lab();
  Lab(const Lab&) = delete;
  Lab& operator=(const Lab&) = delete;

  [[nodiscard]] bool cuda() const { return queue_.device == Device::kCuda; }
  [[nodiscard]] const Queue& queue() const { return queue_; }
  [[nodiscard]] CudaStream stream() const { return queue_.stream; }
  // A length of a training step's, at least `least`.
  [[nodiscard]] std::int64_t scaled(std::int64_t length, std::int64_t least = 1) const {
    return std::max(least, length / scale_);
  }

  [[nodiscard]] bool full_scale() const { return scale_ == 1; }

  template <class T>
  [[nodiscard]] Array<T> make(std::int64_t size) const {
    return {allocate(size * std::int64_t{sizeof(T)}), size};
  }
  template <class T>
  [[nodiscard]] Array<T> copy(const std::vector<T>& values) const {
    Array<T> array = make<T>(static_cast<std::int64_t>(values.size()));
    upload(values.data(), array.data(), array.bytes());
    return array;
  }
  template <class T>
  [[nodiscard]] Array<T> filled(std::int64_t size, T value) const {
    return copy(std::vector<T>(static_cast<std::size_t>(size), value));
  }
  // Independent N(0, deviation): data decide how much power a GPU draws, and zeros flatter it.
  [[nodiscard]] Array<float> normal(std::int64_t size, std::uint32_t sample = 1,
                                    double deviation = 1) const;
  // The first `most` elements.
  template <class T>
  [[nodiscard]] std::vector<T> to_host(
      const Array<T>& array, std::int64_t most = std::numeric_limits<std::int64_t>::max()) const {
    std::vector<T> values(static_cast<std::size_t>(std::min(most, array.size())));
    download(array.data(), values.data(),
             static_cast<std::int64_t>(values.size()) * std::int64_t{sizeof(T)});
    return values;
  }

  // Empties the caches of a GPU of what was last read; on the CPU nothing: a step works on far more
  // than its caches, a benchmark of one kernel does so only where its arrays are large.
  void evict() const;
  void wait() const;

 private:
  // Aligned to 256 bytes, in large pages on the CPU, as a training step's arena is.
  [[nodiscard]] std::shared_ptr<void> allocate(std::int64_t bytes) const;
  void upload(const void* from, void* to, std::int64_t bytes) const;
  void download(const void* from, void* to, std::int64_t bytes) const;

  struct Gpu;
  std::unique_ptr<Gpu> gpu_;
  Queue queue_;
  std::int64_t scale_;
};

}  // namespace ktrain::bench
