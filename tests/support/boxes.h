// Views of vectors, and boxes drawn at random, for the tests of the detection kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "kernels/view.h"

namespace ktrain::test {

template <class T>
Span<T> span(std::vector<T>& values) {
  return {values.data(), static_cast<std::int64_t>(values.size())};
}

template <class T>
Span<const T> span(const std::vector<T>& values) {
  return {values.data(), static_cast<std::int64_t>(values.size())};
}

template <class T>
Rows<T> rows(std::vector<T>& values, std::int64_t cols) {
  return {values.data(), static_cast<std::int64_t>(values.size()) / cols, cols};
}

template <class T>
Rows<const T> rows(const std::vector<T>& values, std::int64_t cols) {
  return {values.data(), static_cast<std::int64_t>(values.size()) / cols, cols};
}

// One list of all boxes.
template <class T>
BoxList<const T> one_list(const std::vector<T>& values) {
  return {values.data(), nullptr, 1, static_cast<std::int64_t>(values.size()) / 4};
}

// x1 y1 x2 y2 of sides 1 to `largest` whose first corner lies within size x size.
template <class T>
std::vector<T> random_boxes(std::size_t count, unsigned seed, double size, double largest) {
  std::mt19937_64 engine(seed);
  std::uniform_real_distribution<double> corner(0, size), side(1, largest);
  std::vector<T> boxes;
  for (std::size_t i = 0; i < count; ++i) {
    const double x = corner(engine), y = corner(engine);
    const double right = x + side(engine), bottom = y + side(engine);
    for (const double value : {x, y, right, bottom}) boxes.push_back(static_cast<T>(value));
  }
  return boxes;
}

}  // namespace ktrain::test
