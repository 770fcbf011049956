#include "data/synth/street.h"

#include "data/synth/noise.h"

namespace ktrain::synth {
namespace {

// A point of a house front: how far along the street, how high, how wide a pixel is there.
struct Spot {
  float along = 0, up = 0, footprint = 0.01F;
  int side = 0;  // of the street: 0 left, 1 right, 2 its end
};

// One or zero between two places that repeat, softened over a pixel's footprint.
float stripe(float at, float period, float width, float footprint) {
  const float place = at - period * std::floor(at / period);
  const float edge = std::max(footprint, 0.001F);
  const float inside = std::min(place, width - place) / edge + 0.5F;
  const float sharp = unit_clamp(inside), blurred = width / period;
  return mix(sharp, blurred, unit_clamp(footprint / period * 1.5F - 0.25F));
}

class Street3 {
 public:
  Street3(const Scene& scene, const View& view)
      : scene_(scene), street_(scene.street), climate_(scene.climate), view_(view) {}

  [[nodiscard]] Texel at(Vec2 p) const {
    const float slope_x = (p.x - view_.middle) / view_.focal;
    const float slope_y = (p.y - view_.horizon) / view_.focal;  // down
    // The first of: a house to the side, the end of the street, the ground.
    const float z_side = std::abs(slope_x) > 1e-4F ? street_.wall / std::abs(slope_x) : 1e6F;
    const float z_ground = slope_y > 1e-4F ? view_.eye / slope_y : 1e6F;
    if (z_ground < std::min(z_side, street_.end)) return ground(slope_x * z_ground, z_ground);
    if (z_side < street_.end) {
      const Spot spot = {z_side, view_.eye - slope_y * z_side,
                         z_side / view_.focal / std::max(std::abs(slope_x), 0.05F),
                         slope_x < 0 ? 0 : 1};
      Texel texel;
      if (house(spot, slope_x < 0 ? -street_.wall : street_.wall, z_side, texel)) return texel;
    }
    const Spot spot = {slope_x * street_.end, view_.eye - slope_y * street_.end,
                       street_.end / view_.focal, 2};
    Texel texel;
    if (z_side >= street_.end && house(spot, spot.along, street_.end, texel)) return texel;
    return beyond(p, slope_x, slope_y);
  }

 private:
  [[nodiscard]] Texel ground(float x, float z) const {
    const float footprint = z / view_.focal;               // across
    const float deep = z * z / (view_.focal * view_.eye);  // along
    const float from_road = std::abs(x - street_.road_centre) - street_.road_half;
    const float fade = unit_clamp(0.25F / deep);
    const float rough = 0.16F * fade * smooth_noise(x * 9, z * 5, street_.seed) +
                        0.12F * smooth_noise(x * 0.7F, z * 0.45F, street_.seed + 1);
    Texel texel;
    Rgb albedo = grey(0.13F);
    texel.celsius = climate_.ground + 0.9F * smooth_noise(x * 0.6F, z * 0.4F, street_.seed + 2);
    if (from_road < 0) {
      albedo = mix(albedo, grey(0.62F), markings(x, z, footprint, deep));
      texel.celsius += 0.5F;
    } else if (from_road < 0.18F) {
      albedo = grey(0.30F);  // the kerb
      texel.celsius -= 0.7F;
    } else if (street_.place == Place::kCampus && from_road > 2.2F) {
      albedo = {0.10F, 0.17F, 0.055F};
      texel.celsius += climate_.night ? -2.0F : -1.0F - 4.0F * climate_.sun;
    } else {
      const float joint = stripe(x, 0.6F, 0.03F, footprint) + stripe(z, 0.6F, 0.03F, deep);
      albedo = Rgb{0.27F, 0.255F, 0.235F} * (1 - 0.35F * unit_clamp(joint));
      texel.celsius -= 1.0F;
    }
    texel.light = albedo * light_at(scene_, x, z) * (1 + rough);
    return texel;
  }

  [[nodiscard]] float markings(float x, float z, float footprint, float deep) const {
    const float off = x - street_.road_centre;
    float paint = 0;
    const float middle = unit_clamp((0.07F - std::abs(off)) / footprint + 0.5F);
    paint = std::max(paint, middle * stripe(z + 1.0F, 4.5F, 2.2F, deep));
    const float rim = std::abs(std::abs(off) - (street_.road_half - 0.35F));
    paint = std::max(paint, unit_clamp((0.06F - rim) / footprint + 0.5F));
    if (street_.crossing > 0 && z > street_.crossing && z < street_.crossing + 2.8F)
      paint = std::max(paint, stripe(x, 1.0F, 0.5F, footprint));
    return paint;
  }

  // False where no house stands; `x`, `z` is the spot's place on the ground.
  bool house(const Spot& spot, float x, float z, Texel& texel) const {
    const float plot = street_.place == Place::kDowntown ? 9.0F : 13.0F;
    const int number = static_cast<int>(std::floor(spot.along / plot));
    const std::uint32_t seed = street_.seed + 17U * static_cast<std::uint32_t>(spot.side);
    const auto fact = [&](int which) { return cell_noise(number, which, seed); };
    if (fact(0) > street_.houses) return false;
    const int floors = street_.place == Place::kDowntown ? 3 + static_cast<int>(fact(1) * 6)
                                                         : 1 + static_cast<int>(fact(1) * 3);
    if (spot.up > 3.1F * static_cast<float>(floors) + 0.6F) return false;
    const Rgb tone = mix(Rgb{0.42F, 0.36F, 0.30F}, Rgb{0.30F, 0.17F, 0.13F}, fact(2));
    Rgb albedo = mix(tone, grey(0.15F + 0.35F * fact(3)), fact(4));
    const float rough = 0.10F * smooth_noise(spot.along * 3, spot.up * 3, seed + 3);
    Rgb light = light_at(scene_, x * 0.94F, z);
    if (climate_.night)
      light = light * (1 / (1 + 0.12F * spot.up * spot.up));
    else
      light =
          light * (1 + 0.28F * climate_.sun * climate_.sun_side * (spot.side == 0 ? 1.0F : -1.0F));
    texel.light = albedo * light * (1 + rough);
    texel.celsius = climate_.wall + 2.0F * (fact(5) - 0.5F) +
                    0.5F * smooth_noise(spot.along * 0.5F, spot.up * 0.5F, seed + 4);
    window(spot, number, seed, texel);
    return true;
  }

  void window(const Spot& spot, int number, std::uint32_t seed, Texel& texel) const {
    const float period = 2.4F + 1.4F * cell_noise(number, 6, seed);
    const float level = spot.up / 3.1F;
    const int floor = static_cast<int>(std::floor(level));
    const float height = (level - std::floor(level)) * 3.1F;
    const bool shop = floor == 0 && street_.place == Place::kDowntown;
    const float low = shop ? 0.5F : 1.0F, high = shop ? 2.6F : 2.4F;
    const float share = shop ? 0.8F : 0.5F;
    const float frame = unit_clamp(std::min(height - low, high - height) / spot.footprint + 0.5F) *
                        stripe(spot.along, period, period * share, spot.footprint);
    if (frame <= 0) return;
    const int column = static_cast<int>(std::floor(spot.along / period));
    const float kind = cell_noise(column * 31 + number, floor, seed + 9);
    const float grain = cell_noise(column, floor, seed + 10);
    Rgb light = climate_.sky_high * 0.35F + grey(0.01F);
    float celsius = climate_.wall - (climate_.night ? 1.5F : 3.0F);
    if (climate_.night && kind < (shop ? 0.45F : 0.16F)) {
      light = Rgb{0.34F, 0.26F, 0.15F} * (0.5F + grain);
      celsius = climate_.wall + 3 + 3 * grain;
    } else if (kind > 0.93F) {
      celsius = climate_.wall + 4 + 4 * grain;  // open, or badly insulated
    }
    texel.light = mix(texel.light, light, frame);
    texel.celsius = mix(texel.celsius, celsius, frame);
  }

  // Sky, and a row of trees far away.
  [[nodiscard]] Texel beyond(Vec2 p, float slope_x, float slope_y) const {
    Texel texel;
    const float up = unit_clamp(-slope_y * 2.2F);
    const float cloud = 0.5F + 0.5F * smooth_noise(slope_x * 6, slope_y * 14, street_.seed + 5) +
                        0.25F * smooth_noise(slope_x * 15, slope_y * 34, street_.seed + 6);
    const float white = climate_.night ? 0.15F : 0.45F;
    texel.light = mix(mix(climate_.sky_low, climate_.sky_high, std::sqrt(up)), climate_.sky_low,
                      white * unit_clamp(cloud));
    texel.celsius = mix(climate_.air - 6, climate_.sky, std::sqrt(up)) + 2 * cloud;
    const float row = 0.035F + 0.022F * smooth_noise(slope_x * 22, 0, street_.seed + 7) +
                      0.008F * smooth_noise(slope_x * 90, 0, street_.seed + 8);
    const float tree = unit_clamp((row + slope_y) * view_.focal + 0.5F);
    const float leaf = 1 + 0.3F * smooth_noise(p.x * 0.35F, p.y * 0.35F, street_.seed + 11);
    texel.light = mix(texel.light, Rgb{0.07F, 0.10F, 0.06F} * climate_.ambient * leaf, tree);
    texel.celsius = mix(texel.celsius, climate_.air - 0.5F, tree);
    return texel;
  }

  const Scene& scene_;
  const Street& street_;
  const Climate& climate_;
  const View& view_;
};

}  // namespace

void paint_street(Canvas& canvas, const Scene& scene, const View& view) {
  const Street3 street(scene, view);
  const int margin = canvas.margin();
  for (int y = -margin; y < canvas.height() + margin; ++y)
    for (int x = -margin; x < canvas.width() + margin; ++x)
      canvas.at(x, y) = street.at({static_cast<float>(x) + 0.5F, static_cast<float>(y) + 0.5F});
}

}  // namespace ktrain::synth
