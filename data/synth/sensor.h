// The two cameras: from light and temperature to 8 bit images.
#pragma once

#include <cstdint>

#include "data/image_io.h"
#include "data/synth/canvas.h"

namespace ktrain::synth {

struct VisibleCamera {
  double photons = 4000;         // electrons of a white surface in daylight per pixel and channel
  bool night = false;            // may expose longer
  int shift_x = 0, shift_y = 0;  // it looks that many pixels to the right, down
};

// Shot noise and read noise, then gain towards a usual brightness (within limits: a dark scene
// stays dark), then the usual curve. `seed` and `sample` as in random.h.
[[nodiscard]] Image expose_visible(const Canvas& canvas, const VisibleCamera& camera,
                                   std::uint64_t seed, std::uint32_t sample);

// Blur of a soft lens, noise of the detector, contrast stretched over the scene's temperatures.
// Does not depend on the visible camera.
[[nodiscard]] Image expose_thermal(const Canvas& canvas, std::uint64_t seed, std::uint32_t sample);

}  // namespace ktrain::synth
