// The sizes of a tensor, slowest axis first. At most kMaxRank axes; a scalar has none.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

namespace ktrain {

class Shape {
 public:
  static constexpr int kMaxRank = 6;

  Shape() = default;
  // Throws Error when there are more than kMaxRank sizes or one is negative.
  Shape(std::initializer_list<std::int64_t> sizes);

  [[nodiscard]] int rank() const { return rank_; }
  // Size of an axis; a negative axis counts from the end. Throws Error when there is no such axis.
  [[nodiscard]] std::int64_t operator[](int axis) const;
  // Product of all sizes; 1 for a scalar.
  [[nodiscard]] std::int64_t size() const;
  [[nodiscard]] std::string text() const;  // "2x128x160x256"
  [[nodiscard]] bool operator==(const Shape& other) const = default;

 private:
  int rank_ = 0;
  std::array<std::int64_t, kMaxRank> sizes_{};
};

}  // namespace ktrain
