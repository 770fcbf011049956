// Sums that are kept in Wide<T> until they are whole, for kernels on the CPU whose output is T.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "kernels/bfloat16.h"

namespace ktrain::cpu {

// `size` sums, at first 0, that become `out`. They stand in `out` itself where T is wide, else in a
// buffer of the thread, which has one such row at a time.
template <class T>
class WideRow {
 public:
  WideRow(T* out, std::int64_t size) : out_(out), size_(size) {
    if constexpr (std::is_same_v<T, Wide<T>>) {
      sums_ = out;
    } else {
      static thread_local std::vector<Wide<T>> buffer;
      buffer.resize(std::max(buffer.size(), static_cast<std::size_t>(size)));
      sums_ = buffer.data();
    }
    std::fill_n(sums_, size, Wide<T>{0});
  }
  WideRow(const WideRow&) = delete;
  WideRow& operator=(const WideRow&) = delete;

  [[nodiscard]] Wide<T>* sums() const { return sums_; }
  // Nothing may be added afterwards.
  void finish() const {
    if constexpr (!std::is_same_v<T, Wide<T>>)
      for (std::int64_t i = 0; i < size_; ++i) out_[i] = narrow<T>(sums_[i]);
  }

 private:
  T* out_;
  std::int64_t size_;
  Wide<T>* sums_;
};

}  // namespace ktrain::cpu
