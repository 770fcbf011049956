// Working memory that a kernel's caller owns. A kernel that needs some takes `Span<std::byte>
// scratch` last of its memory arguments and offers `<kernel>_scratch_bytes(...)`. Both carve the
// same pieces with a Scratch, once without memory to count and once with it, so that they agree.
// What the memory holds before and after a call means nothing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/check.h"
#include "kernels/view.h"

namespace ktrain {

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
