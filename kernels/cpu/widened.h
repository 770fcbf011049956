// Copies in float of what is stored as Bfloat16, for kernels on the CPU that compute through those
// of float. They lie in the caller's workspace, one after the other.
#pragma once

#include <cstdint>

#include "kernels/bfloat16.h"
#include "kernels/elementwise.h"
#include "kernels/view.h"

namespace ktrain::cpu {

// What is left of a workspace. Every piece begins at a multiple of 16 floats. From a null workspace
// the sizes alone are counted.
class WidenedRoom {
 public:
  WidenedRoom() = default;
  explicit WidenedRoom(Span<float> workspace) : left_(workspace) {}

  [[nodiscard]] float* take(std::int64_t size) {
    const std::int64_t padded = (size + 15) / 16 * 16;
    float* const piece = left_.data;
    taken_ += padded;
    if (left_.data) left_ = {left_.data + padded, left_.size - padded};
    return piece;
  }
  [[nodiscard]] std::int64_t taken() const { return taken_; }
  [[nodiscard]] Span<float> left() const { return left_; }

  // The copies.
  [[nodiscard]] Nhwc<float> map(Nhwc<const Bfloat16> x) {
    return {copy(x.data, x.size()), x.batch, x.height, x.width, x.channels};
  }
  [[nodiscard]] Krsc<float> filters(Krsc<const Bfloat16> w) {
    return {copy(w.data, w.size()), w.filters, w.rows, w.cols, w.channels};
  }
  [[nodiscard]] Rows<float> rows(Rows<const Bfloat16> x) {
    return {copy(x.data, x.size()), x.rows, x.cols};
  }

 private:
  [[nodiscard]] float* copy(const Bfloat16* x, std::int64_t size) {
    float* const to = take(size);
    if (to) convert(Span<const Bfloat16>{x, size}, Span<float>{to, size});
    return to;
  }
  Span<float> left_;
  std::int64_t taken_ = 0;
};

}  // namespace ktrain::cpu
