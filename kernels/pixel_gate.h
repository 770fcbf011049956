// One gate per pixel, up to a learned strength: the features where it opens are amplified.
//   g[p] = sigmoid(<w, x[p]> + b[0]),  s = sigmoid(strength[0])
//   forward:   y[p,c] = x[p,c] * (1 + s * g[p])
//   backward:  u[p]   = sum_c dy[p,c] x[p,c],  v[p] = u[p] * s * g[p] * (1 - g[p])
//              dx[p,c] = dy[p,c] * (1 + s * g[p]) + v[p] * w[c]
//              dw[c] = sum_p v[p] x[p,c],  db[0] = sum_p v[p]
//              dstrength[0] = s * (1 - s) * sum_p u[p] g[p]
// x, y: pixels x channels. Sums are taken in double in the order of channels and pixels, dw over
// chunks of a fixed number of pixels. Wrong sizes throw Error. y may alias x; dx may alias dy.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/view.h"

namespace ktrain {

template <class T>
struct PixelGate {
  Span<const T> w;         // channels
  Span<const T> b;         // 1
  Span<const T> strength;  // 1
};

template <class T>
struct PixelGateGradients {
  Rows<T> dx;
  Span<T> dw, db, dstrength;
};

namespace cpu {

template <class T>
void pixel_gate_forward(Rows<const T> x, const PixelGate<T>& gate, Rows<T> y);
template <class T>
void pixel_gate_backward(Rows<const T> x, const PixelGate<T>& gate, Rows<const T> dy,
                         const PixelGateGradients<T>& out, Span<std::byte> scratch);
[[nodiscard]] std::int64_t pixel_gate_scratch_bytes(std::int64_t pixels, std::int64_t channels);

}  // namespace cpu
}  // namespace ktrain
