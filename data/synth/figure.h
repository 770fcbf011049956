// A walking person: a skeleton in metres, turned, projected and painted limb by limb.
#pragma once

#include "data/synth/canvas.h"
#include "data/synth/scene.h"

namespace ktrain::synth {

struct Stand {
  Vec2 feet;        // where the figure stands, pixels
  float scale = 1;  // pixels per metre
  Rgb light;
  float lit_from = 0;
};

void paint_figure(Canvas& canvas, const Figure& figure, const Stand& stand);

}  // namespace ktrain::synth
