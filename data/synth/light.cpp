#include "data/synth/scene.h"

namespace ktrain::synth {

Rgb light_at(const Scene& scene, float x, float z) {
  Rgb light = scene.climate.ambient;
  for (const Lamp& lamp : scene.lamps) {
    const float dx = x - lamp.x, dz = z - lamp.z;
    if (!lamp.beam) {
      const float q = (dx * dx + dz * dz) / (lamp.reach * lamp.reach);
      light = light + lamp.light * (1 / ((1 + q) * (1 + q)));
      continue;
    }
    if (dz > 0) continue;
    const float spread = 0.9F + 0.16F * -dz;
    const float side = dx / spread, far = dz / lamp.reach;
    const float share = std::exp(-side * side) / (1 + far * far);
    light = light + lamp.light * (share * unit_clamp(-dz));
  }
  return light;
}

}  // namespace ktrain::synth
