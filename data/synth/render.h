// One pair: both images and what is in them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/image_io.h"
#include "data/synth/canvas.h"
#include "data/synth/scene.h"

namespace ktrain::synth {

// Whole pixels: columns left .. left + width - 1.
struct PixelBox {
  int left = 0, top = 0, width = 0, height = 0;
  [[nodiscard]] bool empty() const { return width == 0; }
};

// In the thermal image; the visible one may be shifted.
struct Label {
  std::string name;   // person; people: a crowd; person?: next to nothing of it is seen
  PixelBox box;       // all of it, what is hidden by others included, cut at the image's border
  PixelBox seen;      // what is not hidden
  int occlusion = 0;  // 0 seen to 92 % or more, 1 to half or more, 2 less
  int subject = 0;    // Thing::person, or 1000 and Thing::crowd
};

struct RenderedPair {
  Image visible, thermal;
  std::vector<Label> labels;
};

// Paints everything from far to near and returns what is to be annotated, far to near.
[[nodiscard]] std::vector<Label> paint_scene(Canvas& canvas, const Scene& scene);

[[nodiscard]] RenderedPair render_pair(const SynthSpec& spec, SceneId id);

// KAIST's bbGt text, version 3.
[[nodiscard]] std::string bbgt_text(const std::vector<Label>& labels);

}  // namespace ktrain::synth
