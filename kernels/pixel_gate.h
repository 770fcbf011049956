// One gate per pixel, up to a learned strength: the features where it opens are amplified.
//   g[p] = sigmoid(<w, x[p]> + b[0]),  s = sigmoid(strength[0])
//   forward:   y[p,c] = x[p,c] * (1 + s * g[p])
//   backward:  u[p]   = sum_c dy[p,c] x[p,c],  v[p] = u[p] * s * g[p] * (1 - g[p])
//              dx[p,c] = dy[p,c] * (1 + s * g[p]) + v[p] * w[c]
//              dw[c] = sum_p v[p] x[p,c],  db[0] = sum_p v[p]
//              dstrength[0] = s * (1 - s) * sum_p u[p] g[p]
// x, y: pixels x channels. Sums are taken in double, on the CPU in the order of channels and
// pixels, dw over chunks of a fixed number of pixels, on CUDA in an order that depends on the shape
// alone. T: float, Bfloat16 (arithmetic in double and float, maps rounded once) and, on the CPU,
// double; parameters and their gradients are Wide<T>. `scratch` holds pixel_gate_scratch_bytes.
// Wrong sizes throw Error. y may alias x; dx may alias dy.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/bfloat16.h"
#include "kernels/queue.h"
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
  Span<Wide<T>> dw, db, dstrength;
};

// CUDA's pixel_gate_backward: pixels are summed in bands of whole tiles, as many as that.
constexpr std::int64_t kGateBands = 512;
constexpr int kGateTile = 32;
[[nodiscard]] constexpr std::int64_t gate_band(std::int64_t pixels) {
  const std::int64_t tiles = (pixels + kGateTile - 1) / kGateTile;
  return std::max<std::int64_t>(1, (tiles + kGateBands - 1) / kGateBands) * kGateTile;
}
[[nodiscard]] constexpr std::int64_t gate_bands(std::int64_t pixels) {
  return (pixels + gate_band(pixels) - 1) / gate_band(pixels);
}

// Of either device.
[[nodiscard]] std::int64_t pixel_gate_scratch_bytes(std::int64_t pixels, std::int64_t channels);

namespace cpu {

template <class T>
void pixel_gate_forward(Rows<const T> x, const PixelGate<Wide<T>>& gate, Rows<T> y);
template <class T>
void pixel_gate_backward(Rows<const T> x, const PixelGate<Wide<T>>& gate, Rows<const T> dy,
                         const PixelGateGradients<T>& out, Span<std::byte> scratch);

}  // namespace cpu

namespace cuda {

template <class T>
void pixel_gate_forward(CudaStream stream, Rows<const T> x, const PixelGate<Wide<T>>& gate,
                        Rows<T> y);
template <class T>
void pixel_gate_backward(CudaStream stream, Rows<const T> x, const PixelGate<Wide<T>>& gate,
                         Rows<const T> dy, const PixelGateGradients<T>& out,
                         Span<std::byte> scratch);

}  // namespace cuda
}  // namespace ktrain
