// The size policy of the detector: keep the ratio, bilinear, pad to the right and below.
#pragma once

#include "data/image_io.h"

namespace ktrain {

// The box that a resized image must fit in; which side is which does not matter.
struct Scale {
  int long_side = 640;
  int short_side = 512;
};

struct Size {
  int height = 0;
  int width = 0;
  [[nodiscard]] bool operator==(const Size&) const = default;
};

// factor = min(long/long, short/short); each side becomes int(side * factor + 0.5), at least 1.
[[nodiscard]] Size resized(Size size, Scale scale);
// Both sides rounded up to a multiple of `divisor`.
[[nodiscard]] Size padded(Size size, int divisor = 32);

// Bilinear with half-pixel centres, edges repeated, in the 11-bit fixed point of OpenCV's
// INTER_LINEAR; halving both sides is the mean of four, as there. Equal sizes copy. `out` keeps its
// memory when that is large enough and must not be `in`.
void resize_bilinear(const Image& in, Size size, Image& out);
[[nodiscard]] Image resize_bilinear(const Image& in, Size size);

}  // namespace ktrain
