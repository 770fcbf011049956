// Texture: smooth noise over a plane, a pure function of place and seed.
#pragma once

#include <cmath>
#include <cstdint>

namespace ktrain::synth {

[[nodiscard]] constexpr std::uint32_t hash_words(std::uint32_t a, std::uint32_t b,
                                                 std::uint32_t c) {
  std::uint32_t h = a * 0x9E3779B1u ^ b * 0x85EBCA77u ^ c * 0xC2B2AE3Du;
  h = (h ^ (h >> 15)) * 0x2C1B3C6Du;
  h = (h ^ (h >> 12)) * 0x297A2D39u;
  return h ^ (h >> 15);
}

// Even on [0, 1), one value per cell.
[[nodiscard]] constexpr float cell_noise(int x, int y, std::uint32_t seed) {
  return static_cast<float>(
             hash_words(static_cast<std::uint32_t>(x), static_cast<std::uint32_t>(y), seed) >> 8) *
         0x1p-24F;
}

// On [-1, 1], smooth, with one bump per unit.
[[nodiscard]] inline float smooth_noise(float x, float y, std::uint32_t seed) {
  const float fx = std::floor(x), fy = std::floor(y);
  const int ix = static_cast<int>(fx), iy = static_cast<int>(fy);
  const float u = x - fx, v = y - fy;
  const float s = u * u * (3 - 2 * u), t = v * v * (3 - 2 * v);
  const float top = cell_noise(ix, iy, seed) * (1 - s) + cell_noise(ix + 1, iy, seed) * s;
  const float low = cell_noise(ix, iy + 1, seed) * (1 - s) + cell_noise(ix + 1, iy + 1, seed) * s;
  return 2 * (top * (1 - t) + low * t) - 1;
}

}  // namespace ktrain::synth
