// Working memory that a kernel's caller owns. A kernel that needs some takes `Span<std::byte>
// scratch` last of its memory arguments and offers `<kernel>_scratch_bytes(...)`. Both carve the
// same pieces with a Scratch, once without memory to count and once with it, so that they agree.
// What the memory holds before and after a call means nothing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/check.h"
#include "kernels/view.h"

namespace ktrain {

// CUDA takes sums by column over bands of rows (device/bands.cuh) and keeps each band's: as many
// bands as give that many sums, one at least, of 64 rows or more.
constexpr std::int64_t kBandPartials = 16384;
constexpr std::int64_t kBandRows = 64;
[[nodiscard]] constexpr std::int64_t most_bands(std::int64_t cols) {
  return cols > 0 ? std::max<std::int64_t>(1, kBandPartials / cols) : 1;
}
[[nodiscard]] constexpr std::int64_t column_bands(std::int64_t rows, std::int64_t cols) {
  return std::clamp<std::int64_t>((rows + kBandRows - 1) / kBandRows, 1, most_bands(cols));
}

class Scratch {
 public:
  // Counts only: take() gives spans of null.
  Scratch() = default;
  // `memory` is aligned as operator new and Storage align it (16 bytes or more).
  explicit Scratch(Span<std::byte> memory) : memory_(memory), counting_(false) {}

  // The next `size` elements, on a boundary of 64 bytes relative to the start. Throws Error when
  // the memory ends before.
  template <class T>
  [[nodiscard]] Span<T> take(std::int64_t size) {
    const std::int64_t begin = bytes_;
    bytes_ += (size * std::int64_t{sizeof(T)} + 63) / 64 * 64;
    if (counting_) return {nullptr, size};
    KT_CHECK(bytes_ <= memory_.size, "scratch has {} bytes, {} or more wanted", memory_.size,
             bytes_);
    return {reinterpret_cast<T*>(memory_.data + begin), size};
  }

  [[nodiscard]] std::int64_t bytes() const { return bytes_; }

 private:
  Span<std::byte> memory_;
  std::int64_t bytes_ = 0;
  bool counting_ = true;
};

}  // namespace ktrain
