// How far a product with operands of few bits may be from the exact one.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/bfloat16.h"

namespace ktrain::test {

// Unit roundoffs. A tensor core drops what lies below its float sum, where rounding would be half
// of that.
inline constexpr double kBf16Unit = 1.0 / 256, kTf32Unit = 1.0 / 2048, kSumUnit = 0x1p-23;

inline double as_double(float x) { return static_cast<double>(x); }
inline double as_double(Bfloat16 x) { return static_cast<double>(to_float(x)); }

// |got - want| <= of_terms * terms + of_result * |want|, element by element; `terms` are the sums
// of the absolute values of everything that is added up to `want`. A NaN fails.
template <class A>
::testing::AssertionResult within(const std::vector<A>& got, const std::vector<double>& want,
                                  const std::vector<double>& terms, double of_terms,
                                  double of_result) {
  if (got.size() != want.size() || terms.size() != want.size())
    return ::testing::AssertionFailure()
           << "sizes differ: " << got.size() << ", " << want.size() << " and " << terms.size();
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double error = std::abs(as_double(got[i]) - want[i]);
    const double bound = of_terms * terms[i] + of_result * std::abs(want[i]);
    if (!(error <= bound))
      return ::testing::AssertionFailure()
             << "element " << i << ": got " << as_double(got[i]) << ", want " << want[i]
             << ", off by " << error << ", may be by " << bound;
  }
  return ::testing::AssertionSuccess();
}

inline std::vector<float> magnitudes(std::vector<float> values) {
  for (float& v : values) v = std::abs(v);
  return values;
}

// Of a matrix of so many columns.
inline std::vector<double> column_sums(const std::vector<float>& values, std::int64_t columns) {
  std::vector<double> sums(static_cast<std::size_t>(columns));
  for (std::size_t i = 0; i < values.size(); ++i)
    sums[i % sums.size()] += static_cast<double>(values[i]);
  return sums;
}

// `values` rounded to what bf16 holds.
inline std::vector<float> rounded_to_bf16(std::vector<float> values) {
  for (float& v : values) v = to_float(to_bfloat16(v));
  return values;
}

// Exact where values were rounded.
inline std::vector<Bfloat16> as_bf16(const std::vector<float>& values) {
  std::vector<Bfloat16> result;
  result.reserve(values.size());
  for (const float v : values) result.push_back(to_bfloat16(v));
  return result;
}

// Floats as T.
template <class T>
std::vector<T> values_of(const std::vector<float>& values) {
  if constexpr (std::is_same_v<T, Bfloat16>)
    return as_bf16(values);
  else
    return values;
}

inline std::vector<std::uint16_t> bits_of(const std::vector<Bfloat16>& values) {
  std::vector<std::uint16_t> bits;
  for (const Bfloat16 v : values) bits.push_back(v.bits);
  return bits;
}

}  // namespace ktrain::test
