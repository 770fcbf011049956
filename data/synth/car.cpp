#include <array>

#include "data/synth/props.h"

namespace ktrain::synth {
namespace {

// A car as boxes: the end that faces the camera, its side, the cabin on top.
class CarPainter {
 public:
  CarPainter(Canvas& canvas, const View& view, const Car& car, const Spotlight& spot,
             const Climate& climate)
      : canvas_(canvas), view_(view), car_(car), spot_(spot), climate_(climate) {
    length_ = car.van ? 4.9F : 4.2F;
    roof_ = car.van ? 2.0F : 1.45F;
    belt_ = car.van ? 1.1F : 0.88F;
    // The side that is seen is the one nearer to the camera's axis.
    seen_ = spot.x > 0 ? -kHalf : kHalf;
    warm_ = car.running ? 9.0F : 0.5F;
  }

  void paint() {
    const float s = view_.scale(spot_.z);
    canvas_.shadow(at(0, 0, 0.6F), {1.25F * s, 0.32F * s}, 0.6F);
    paint_wheels();
    const float low = 0.28F;
    quad({0, low, seen_}, {length_, belt_, seen_}, look(car_.paint * 0.8F, 0.6F));
    paint_cabin();
    // The bonnet or boot, seen from above, then the end.
    const std::array<Vec2, 4> lid = {at(-kHalf, belt_ - 0.1F, 0), at(kHalf, belt_ - 0.1F, 0),
                                     at(kHalf, belt_, 0.9F), at(-kHalf, belt_, 0.9F)};
    const bool engine = car_.towards;
    canvas_.polygon(lid, look(car_.paint * 1.15F, engine ? warm_ : 1.0F));
    const std::array<Vec2, 4> end = {at(-kHalf, low, 0), at(kHalf, low, 0),
                                     at(kHalf, belt_ - 0.1F, 0), at(-kHalf, belt_ - 0.1F, 0)};
    Surface face = look(car_.paint, engine ? warm_ * 0.6F : 0.8F);
    face.round = 0.15F;
    canvas_.polygon(end, face);
    paint_details();
  }

 private:
  static constexpr float kHalf = 0.88F;
  struct Corner {
    float z, up, x;
  };

  [[nodiscard]] Vec2 at(float dx, float up, float dz) const {
    return view_.at(spot_.x + dx, up, spot_.z + dz);
  }

  [[nodiscard]] Surface look(Rgb albedo, float warmer) const {
    Surface out;
    out.light = albedo * spot_.light;
    out.celsius = climate_.air + warmer + (climate_.night ? 0.0F : 5.0F * climate_.sun);
    return out;
  }

  // An upright rectangle in the plane x = const.
  void quad(Corner a, Corner b, const Surface& surface) {
    const std::array<Vec2, 4> corners = {at(a.x, a.up, a.z), at(b.x, a.up, b.z), at(b.x, b.up, b.z),
                                         at(a.x, b.up, a.z)};
    canvas_.polygon(corners, surface);
  }

  void paint_wheels() {
    const Surface tyre = look(grey(0.025F), car_.running ? 6.0F : 0.0F);
    for (const float dz : {0.75F, length_ - 0.8F}) {
      const float s = view_.scale(spot_.z + dz);
      canvas_.ellipse(at(seen_, 0.31F, dz), {0.12F * s, 0.32F * s}, tyre);
    }
    for (const float dx : {-0.72F, 0.72F}) {
      const Vec2 low = at(dx, 0, 0.1F), high = at(dx, 0.5F, 0.1F);
      const float half = 0.11F * view_.scale(spot_.z);
      canvas_.rectangle({low.x - half, high.y, low.x + half, low.y}, tyre);
    }
  }

  void paint_cabin() {
    const float front = car_.van ? 0.35F : 1.0F, back = length_ - 0.5F;
    const float slope = car_.van ? 0.15F : 0.5F, in = 0.12F;
    const float inner = seen_ > 0 ? seen_ - in : seen_ + in;
    Surface glass = look(grey(0.03F), -3);
    glass.light = glass.light + climate_.sky_high * 0.18F;
    const Surface metal = look(car_.paint, 1);
    const std::array<Vec2, 4> side = {at(seen_, belt_, front), at(seen_, belt_, back),
                                      at(inner, roof_, back - 0.3F),
                                      at(inner, roof_, front + slope)};
    canvas_.polygon(side, glass);
    const std::array<Vec2, 4> roof = {
        at(-kHalf + in, roof_, front + slope), at(kHalf - in, roof_, front + slope),
        at(kHalf - in, roof_ + 0.03F, back - 0.3F), at(-kHalf + in, roof_ + 0.03F, back - 0.3F)};
    canvas_.polygon(roof, metal);
    const std::array<Vec2, 4> pane = {
        at(-kHalf + 0.02F, belt_, front), at(kHalf - 0.02F, belt_, front),
        at(kHalf - in, roof_, front + slope), at(-kHalf + in, roof_, front + slope)};
    canvas_.polygon(pane, metal);
    const std::array<Vec2, 4> screen = {at(-kHalf + 0.12F, belt_ + 0.05F, front),
                                        at(kHalf - 0.12F, belt_ + 0.05F, front),
                                        at(kHalf - in - 0.09F, roof_ - 0.09F, front + slope),
                                        at(-kHalf + in + 0.09F, roof_ - 0.09F, front + slope)};
    canvas_.polygon(screen, glass);
  }

  void paint_details() {
    const float s = view_.scale(spot_.z);
    const Surface plate = look(grey(0.6F), 0.5F);
    const Vec2 middle = at(0, 0.45F, 0);
    canvas_.rectangle(
        {middle.x - 0.26F * s, middle.y - 0.06F * s, middle.x + 0.26F * s, middle.y + 0.06F * s},
        plate);
    if (car_.towards) {
      const Vec2 grill = at(0, 0.62F, 0);
      canvas_.rectangle(
          {grill.x - 0.45F * s, grill.y - 0.07F * s, grill.x + 0.45F * s, grill.y + 0.07F * s},
          look(grey(0.03F), warm_ * 1.3F));
    } else if (car_.running) {
      canvas_.ellipse(at(0.55F, 0.27F, 0), {0.06F * s, 0.05F * s}, look(grey(0.02F), 30));
    }
    for (const float dx : {-0.68F, 0.68F}) {
      const Vec2 bulb = at(dx, 0.66F, 0);
      Surface light = look(car_.towards ? grey(0.7F) : Rgb{0.35F, 0.02F, 0.02F}, 1);
      if (car_.running && climate_.night)
        light.light = car_.towards ? Rgb{1.6F, 1.6F, 1.4F} : Rgb{0.7F, 0.03F, 0.02F};
      canvas_.ellipse(bulb, {0.15F * s, 0.085F * s}, light);
      if (car_.running && climate_.night)
        canvas_.glow(bulb, (car_.towards ? 0.45F : 0.2F) * s,
                     car_.towards ? Rgb{0.6F, 0.6F, 0.5F} : Rgb{0.25F, 0.01F, 0.01F});
    }
  }

  Canvas& canvas_;
  const View& view_;
  const Car& car_;
  const Spotlight& spot_;
  const Climate& climate_;
  float length_, roof_, belt_, seen_, warm_;
};

}  // namespace

void paint_car(Canvas& canvas, const View& view, const Car& car, const Spotlight& spot,
               const Climate& climate) {
  CarPainter(canvas, view, car, spot, climate).paint();
}

}  // namespace ktrain::synth
