// What both cameras look at: linear light and temperature per pixel, painted from far to near with
// antialiased edges. A margin around the picture lets the cameras look in slightly different
// directions. Coordinates are those of the picture: (0, 0) is the corner of its first pixel, whose
// centre lies at (0.5, 0.5); painting clips to picture and margin.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "data/synth/vec.h"

namespace ktrain::synth {

struct Texel {
  Rgb light;
  float celsius = 0;
};

// How a surface looks in the two modalities; one that does not exist in a modality leaves what is
// there.
struct Surface {
  Rgb light;
  float celsius = 0;
  bool visible = true, thermal = true;
  float round = 0;     // of limbs: how much darker the sides are than the middle
  float lit_from = 0;  // -1 left .. 1 right: which side is brighter
  float texture = 0;   // relative depth of the pattern in visible light
  float grain = 1;     // bumps of the pattern per pixel
  std::uint32_t seed = 0;
};

struct Extent {
  float left = 0, top = 0, right = 0, bottom = 0;
};

// Of a shape at a point: how much of the pixel it covers, and where across it the point lies.
struct Cover {
  float share = 0;   // 0 .. 1
  float across = 0;  // -1 left edge .. 1 right edge
};

class Canvas {
 public:
  Canvas(int width, int height, int margin)
      : width_(width),
        height_(height),
        margin_(margin),
        pitch_(width + 2 * margin),
        texels_(static_cast<std::size_t>(pitch_) * static_cast<std::size_t>(height + 2 * margin)),
        owners_(texels_.size(), 0) {}

  [[nodiscard]] int width() const { return width_; }
  [[nodiscard]] int height() const { return height_; }
  [[nodiscard]] int margin() const { return margin_; }
  [[nodiscard]] Texel& at(int x, int y) { return texels_[place(x, y)]; }
  [[nodiscard]] const Texel& at(int x, int y) const { return texels_[place(x, y)]; }
  // Who was painted last over most of a pixel: 0 scenery.
  [[nodiscard]] int owner(int x, int y) const { return owners_[place(x, y)]; }
  void set_owner(int owner) { owner_ = static_cast<std::uint16_t>(owner); }

  // Paints `surface` wherever cover(x, y) says, at pixel centres within `extent`.
  template <class CoverAt>
  void paint(const Extent& extent, const Surface& surface, CoverAt&& cover) {
    const int left = std::max(-margin_, whole(std::floor(extent.left)));
    const int right = std::min(width_ + margin_, whole(std::ceil(extent.right)));
    const int top = std::max(-margin_, whole(std::floor(extent.top)));
    const int bottom = std::min(height_ + margin_, whole(std::ceil(extent.bottom)));
    for (int y = top; y < bottom; ++y)
      for (int x = left; x < right; ++x) {
        const Vec2 point = {static_cast<float>(x) + 0.5F, static_cast<float>(y) + 0.5F};
        const Cover covered = cover(point);
        if (covered.share > 0) blend(x, y, surface, covered);
      }
  }

  // A limb: a line that is `ra` thick at a and `rb` at b (radii).
  void capsule(Vec2 a, float ra, Vec2 b, float rb, const Surface& surface);
  void ellipse(Vec2 centre, Vec2 radius, const Surface& surface);
  // A convex polygon, in either direction.
  void polygon(std::span<const Vec2> corners, const Surface& surface);
  void rectangle(const Extent& extent, const Surface& surface);
  // Adds light around a lamp; no surface, so no owner and no temperature.
  void glow(Vec2 centre, float radius, Rgb light);
  // Darkens an ellipse, softly.
  void shadow(Vec2 centre, Vec2 radius, float depth);

 private:
  [[nodiscard]] static int whole(float v) {
    return static_cast<int>(std::clamp(v, -1.0e6F, 1.0e6F));
  }
  [[nodiscard]] std::size_t place(int x, int y) const {
    return static_cast<std::size_t>(y + margin_) * static_cast<std::size_t>(pitch_) +
           static_cast<std::size_t>(x + margin_);
  }
  void blend(int x, int y, const Surface& surface, Cover covered);

  int width_, height_, margin_, pitch_;
  std::vector<Texel> texels_;
  std::vector<std::uint16_t> owners_;
  std::uint16_t owner_ = 0;
};

}  // namespace ktrain::synth
