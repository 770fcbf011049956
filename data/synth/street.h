// What is behind everybody: sky, house fronts, road and pavements, pixel by pixel.
#pragma once

#include "data/synth/canvas.h"
#include "data/synth/scene.h"

namespace ktrain::synth {

void paint_street(Canvas& canvas, const Scene& scene, const View& view);

}  // namespace ktrain::synth
