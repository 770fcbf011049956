// Points on the ground and in the picture, and linear light.
#pragma once

#include <algorithm>
#include <cmath>

namespace ktrain::synth {

struct Vec2 {
  float x = 0, y = 0;
};
[[nodiscard]] constexpr Vec2 operator+(Vec2 a, Vec2 b) { return {a.x + b.x, a.y + b.y}; }
[[nodiscard]] constexpr Vec2 operator-(Vec2 a, Vec2 b) { return {a.x - b.x, a.y - b.y}; }
[[nodiscard]] constexpr Vec2 operator*(Vec2 a, float s) { return {a.x * s, a.y * s}; }
[[nodiscard]] constexpr float dot(Vec2 a, Vec2 b) { return a.x * b.x + a.y * b.y; }

// Linear light or albedo: 1 is a white surface in daylight.
struct Rgb {
  float r = 0, g = 0, b = 0;
};
[[nodiscard]] constexpr Rgb operator+(Rgb a, Rgb b) { return {a.r + b.r, a.g + b.g, a.b + b.b}; }
[[nodiscard]] constexpr Rgb operator*(Rgb a, Rgb b) { return {a.r * b.r, a.g * b.g, a.b * b.b}; }
[[nodiscard]] constexpr Rgb operator*(Rgb a, float s) { return {a.r * s, a.g * s, a.b * s}; }
[[nodiscard]] constexpr Rgb grey(float level) { return {level, level, level}; }

[[nodiscard]] constexpr float mix(float a, float b, float t) { return a + (b - a) * t; }
[[nodiscard]] constexpr Rgb mix(Rgb a, Rgb b, float t) { return a * (1 - t) + b * t; }
[[nodiscard]] constexpr float unit_clamp(float v) { return std::clamp(v, 0.0F, 1.0F); }

}  // namespace ktrain::synth
