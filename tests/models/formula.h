// The numbers of tests/reference/formula.py: weights and images by formula, so that the files of
// expected numbers need not hold them.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/parameters.h"

namespace ktrain::test {

// Number `index` of `name`, even on [-1, 1).
inline double formula_value(std::uint64_t hash, std::int64_t index) {
  std::uint64_t z = hash + (static_cast<std::uint64_t>(index) + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  return static_cast<double>(z >> 40) * 0x1p-23 - 1.0;
}

inline std::uint64_t formula_hash(std::string_view name) {
  std::uint64_t h = 0xCBF29CE484222325u;
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return h;
}

// `salt` stands before the name: another salt, other weights.
inline void fill_by_formula(Parameter& parameter, const std::string& salt = "") {
  const std::string& name = parameter.name;
  const Shape& shape = parameter.value.shape();
  double offset = 0, scale = 0.1;
  if (shape.rank() > 1) {
    const bool small = name.ends_with("rpn_cls.weight") || name.ends_with("_reg.weight");
    const double fan_in = static_cast<double>(shape.size() / shape[0]);
    scale = (small ? 0.2 : std::sqrt(2.0)) * std::sqrt(3.0 / fan_in);
  } else if (name.ends_with("running_var")) {
    offset = 1, scale = 0.3;
  } else if (name.ends_with(".weight")) {
    offset = 0.5, scale = 0.25;
  }
  std::vector<float> values(static_cast<std::size_t>(shape.size()));
  const std::uint64_t hash = formula_hash(salt + name);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] =
        static_cast<float>(offset + scale * formula_value(hash, static_cast<std::int64_t>(i)));
  parameter.value.copy_from<float>(values);
}

// uint8 NHWC: 16 x 16 blocks of colour under noise.
inline std::vector<std::uint8_t> formula_image(const std::string& name, std::int64_t batch,
                                               std::int64_t height, std::int64_t width) {
  const std::int64_t rows = (height + 15) / 16, cols = (width + 15) / 16;
  const std::uint64_t blocks = formula_hash(name + ".blocks"),
                      noise = formula_hash(name + ".noise");
  std::vector<std::uint8_t> image;
  for (std::int64_t n = 0; n < batch; ++n)
    for (std::int64_t h = 0; h < height; ++h)
      for (std::int64_t w = 0; w < width; ++w)
        for (std::int64_t c = 0; c < 3; ++c) {
          const double coarse =
              formula_value(blocks, ((n * rows + h / 16) * cols + w / 16) * 3 + c);
          const double fine = formula_value(noise, static_cast<std::int64_t>(image.size()));
          image.push_back(static_cast<std::uint8_t>(std::floor(128 + 90 * coarse + 30 * fine)));
        }
  return image;
}

}  // namespace ktrain::test
