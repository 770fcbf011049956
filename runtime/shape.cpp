#include "runtime/shape.h"

#include "kernels/check.h"

namespace ktrain {

Shape::Shape(std::initializer_list<std::int64_t> sizes) {
  KT_CHECK(sizes.size() <= kMaxRank, "Shape: {} axes, at most {} allowed", sizes.size(), kMaxRank);
  for (const std::int64_t size : sizes) {
    KT_CHECK(size >= 0, "Shape: axis {} has the size {}", rank_, size);
    sizes_[static_cast<std::size_t>(rank_++)] = size;
  }
}

std::int64_t Shape::operator[](int axis) const {
  const int at = axis < 0 ? axis + rank_ : axis;
  KT_CHECK(at >= 0 && at < rank_, "Shape: axis {} of {}", axis, text());
  return sizes_[static_cast<std::size_t>(at)];
}

std::int64_t Shape::size() const {
  std::int64_t product = 1;
  for (int axis = 0; axis < rank_; ++axis) product *= sizes_[static_cast<std::size_t>(axis)];
  return product;
}

std::string Shape::text() const {
  if (rank_ == 0) return "scalar";
  std::string out;
  for (int axis = 0; axis < rank_; ++axis) {
    if (axis > 0) out += 'x';
    out += std::to_string(sizes_[static_cast<std::size_t>(axis)]);
  }
  return out;
}

}  // namespace ktrain
