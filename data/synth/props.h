// Everything that stands in the street, each painted at its place.
#pragma once

#include "data/synth/canvas.h"
#include "data/synth/scene.h"

namespace ktrain::synth {

struct Spotlight {
  float x = 0, z = 0;  // where it stands
  Rgb light;           // that falls on it
};

void paint_car(Canvas& canvas, const View& view, const Car& car, const Spotlight& spot,
               const Climate& climate);
void paint_tree(Canvas& canvas, const View& view, const Tree& tree, const Spotlight& spot,
                const Climate& climate);
void paint_lamp(Canvas& canvas, const View& view, const LampPost& lamp, const Spotlight& spot,
                const Climate& climate);
void paint_post(Canvas& canvas, const View& view, const Post& post, const Spotlight& spot,
                const Climate& climate);
void paint_dog(Canvas& canvas, const View& view, const Dog& dog, const Spotlight& spot);
void paint_panel(Canvas& canvas, const View& view, const Panel& panel, const Spotlight& spot,
                 const Climate& climate);

}  // namespace ktrain::synth
