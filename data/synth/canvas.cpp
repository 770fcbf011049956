#include "data/synth/canvas.h"

#include <array>

#include "data/synth/noise.h"
#include "runtime/fault.h"

namespace ktrain::synth {
namespace {

constexpr std::size_t kMaxCorners = 8;

struct Edge {
  float nx = 0, ny = 0, d = 0;  // inside: nx x + ny y + d > 0, in pixels
};

}  // namespace

void Canvas::blend(int x, int y, const Surface& surface, Cover covered) {
  const std::size_t i = place(x, y);
  const float share = std::min(covered.share, 1.0F);
  Texel& texel = texels_[i];
  if (surface.visible) {
    const float u = std::clamp(covered.across, -1.0F, 1.0F);
    float shade = 1 - surface.round * u * u + surface.round * 0.6F * surface.lit_from * u;
    if (surface.texture > 0)
      shade *= 1 + surface.texture * smooth_noise(static_cast<float>(x) * surface.grain,
                                                  static_cast<float>(y) * surface.grain * 0.6F,
                                                  surface.seed);
    texel.light = mix(texel.light, surface.light * shade, share);
  }
  if (surface.thermal) texel.celsius = mix(texel.celsius, surface.celsius, share);
  if (share >= 0.5F) owners_[i] = owner_;
}

void Canvas::capsule(Vec2 a, float ra, Vec2 b, float rb, const Surface& surface) {
  const float r = std::max(ra, rb) + 1;
  const Extent extent = {std::min(a.x, b.x) - r, std::min(a.y, b.y) - r, std::max(a.x, b.x) + r,
                         std::max(a.y, b.y) + r};
  const Vec2 along = b - a;
  const float length = std::max(dot(along, along), 1e-6F);
  paint(extent, surface, [=](Vec2 p) {
    const float t = unit_clamp(dot(p - a, along) / length);
    const Vec2 off = p - (a + along * t);
    const float radius = mix(ra, rb, t);
    const float distance = std::sqrt(dot(off, off)) - radius;
    return Cover{unit_clamp(0.5F - distance), off.x / std::max(radius, 0.5F)};
  });
}

void Canvas::ellipse(Vec2 centre, Vec2 radius, const Surface& surface) {
  const Extent extent = {centre.x - radius.x - 1, centre.y - radius.y - 1, centre.x + radius.x + 1,
                         centre.y + radius.y + 1};
  const float small = std::min(radius.x, radius.y);
  paint(extent, surface, [=](Vec2 p) {
    const Vec2 off = {(p.x - centre.x) / radius.x, (p.y - centre.y) / radius.y};
    return Cover{unit_clamp(0.5F - (std::sqrt(dot(off, off)) - 1) * small), off.x};
  });
}

void Canvas::polygon(std::span<const Vec2> corners, const Surface& surface) {
  KT_CHECK(corners.size() >= 3 && corners.size() <= kMaxCorners, "polygon: {} corners",
           corners.size());
  std::array<Edge, kMaxCorners> edges;
  Extent extent = {corners[0].x, corners[0].y, corners[0].x, corners[0].y};
  float area = 0;
  for (std::size_t i = 0; i < corners.size(); ++i) {
    const Vec2 a = corners[i], b = corners[(i + 1) % corners.size()];
    area += a.x * b.y - b.x * a.y;
    extent = {std::min(extent.left, a.x), std::min(extent.top, a.y), std::max(extent.right, a.x),
              std::max(extent.bottom, a.y)};
  }
  const float turn = area < 0 ? -1.0F : 1.0F;
  for (std::size_t i = 0; i < corners.size(); ++i) {
    const Vec2 a = corners[i], side = corners[(i + 1) % corners.size()] - a;
    const float length = std::max(std::sqrt(dot(side, side)), 1e-4F);
    edges[i] = {-side.y / length * turn, side.x / length * turn, 0};
    edges[i].d = -(edges[i].nx * a.x + edges[i].ny * a.y);
  }
  const float middle = (extent.left + extent.right) / 2;
  const float half = std::max((extent.right - extent.left) / 2, 0.5F);
  const std::size_t count = corners.size();
  extent = {extent.left - 1, extent.top - 1, extent.right + 1, extent.bottom + 1};
  paint(extent, surface, [=](Vec2 p) {
    float inside = 1;
    for (std::size_t i = 0; i < count; ++i)
      inside = std::min(inside, edges[i].nx * p.x + edges[i].ny * p.y + edges[i].d + 0.5F);
    return Cover{unit_clamp(inside), (p.x - middle) / half};
  });
}

void Canvas::rectangle(const Extent& extent, const Surface& surface) {
  const std::array<Vec2, 4> corners = {
      Vec2{extent.left, extent.top}, Vec2{extent.right, extent.top},
      Vec2{extent.right, extent.bottom}, Vec2{extent.left, extent.bottom}};
  polygon(corners, surface);
}

void Canvas::glow(Vec2 centre, float radius, Rgb light) {
  const int reach = whole(std::ceil(radius * 3));
  const int cx = whole(centre.x), cy = whole(centre.y);
  for (int y = std::max(cy - reach, -margin_); y < std::min(cy + reach, height_ + margin_); ++y)
    for (int x = std::max(cx - reach, -margin_); x < std::min(cx + reach, width_ + margin_); ++x) {
      const Vec2 off = Vec2{static_cast<float>(x) + 0.5F, static_cast<float>(y) + 0.5F} - centre;
      const float q = dot(off, off) / (radius * radius);
      if (q < 9) at(x, y).light = at(x, y).light + light * (1 / (1 + 6 * q) * (1 - q / 9));
    }
}

void Canvas::shadow(Vec2 centre, Vec2 radius, float depth) {
  const int left = std::max(whole(centre.x - radius.x), -margin_);
  const int right = std::min(whole(centre.x + radius.x) + 1, width_ + margin_);
  const int top = std::max(whole(centre.y - radius.y), -margin_);
  const int bottom = std::min(whole(centre.y + radius.y) + 1, height_ + margin_);
  for (int y = top; y < bottom; ++y)
    for (int x = left; x < right; ++x) {
      const Vec2 off = {(static_cast<float>(x) + 0.5F - centre.x) / std::max(radius.x, 1.0F),
                        (static_cast<float>(y) + 0.5F - centre.y) / std::max(radius.y, 1.0F)};
      const float q = dot(off, off);
      if (q < 1) at(x, y).light = at(x, y).light * (1 - depth * (1 - q * q));
    }
}

}  // namespace ktrain::synth
