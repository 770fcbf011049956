// Who walks in the street: random people, and what is taken for people by one camera alone.
#pragma once

#include "data/synth/dice.h"
#include "data/synth/scene.h"

namespace ktrain::synth {

// Build, pose, clothes and warmth of somebody in that weather.
[[nodiscard]] Figure random_person(Dice& dice, const Climate& climate);
// A shop-window dummy, cut-out or statue: a person to the visible camera, but no warmer than the
// street.
[[nodiscard]] Figure cold_figure(Dice& dice, const Climate& climate);
// A person's mirror image in glass: thermal radiation alone, for glass lets light through and
// reflects warmth.
[[nodiscard]] Figure mirrored_figure(Dice& dice, const Climate& climate);

}  // namespace ktrain::synth
