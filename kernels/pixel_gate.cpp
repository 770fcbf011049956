#include "kernels/pixel_gate.h"

#include <algorithm>
#include <cmath>

#include "kernels/check.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace ktrain {
namespace {

constexpr std::int64_t kGrain = 256;  // pixels

}  // namespace

// The CPU keeps channels + 2 sums by chunk, CUDA by band.
std::int64_t pixel_gate_scratch_bytes(std::int64_t pixels, std::int64_t channels) {
  Scratch scratch;
  (void)scratch.take<double>(std::max(num_chunks(pixels, kGrain), gate_bands(pixels)) *
                             (channels + 2));
  return scratch.bytes();
}

namespace cpu {
namespace {

double sigmoid(double z) {
  const double e = std::exp(-std::abs(z));
  return (z < 0 ? e : 1.0) / (1 + e);
}

template <class A, class B>
double dot(const A* a, const B* b, std::int64_t size) {
  double total = 0;
  for (std::int64_t c = 0; c < size; ++c)
    total += static_cast<double>(widen(a[c])) * static_cast<double>(widen(b[c]));
  return total;
}

// Of one pixel.
template <class T>
double opening(const T* x, const PixelGate<Wide<T>>& gate) {
  return sigmoid(dot(x, gate.w.data, gate.w.size) + static_cast<double>(gate.b[0]));
}

// Sums over the pixels of a chunk: dw, then db and the strength's.
struct ChunkSums {
  Span<double> values;
  std::int64_t channels, chunks;
  ChunkSums(Scratch& scratch, std::int64_t pixels, std::int64_t c)
      : values(scratch.take<double>(num_chunks(pixels, kGrain) * (c + 2))),
        channels(c),
        chunks(num_chunks(pixels, kGrain)) {}
  [[nodiscard]] double* of(std::int64_t chunk) const {
    return values.data + chunk * (channels + 2);
  }
  [[nodiscard]] double total(std::int64_t column) const {
    double sum = 0;
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) sum += of(chunk)[column];
    return sum;
  }
};

template <class T>
void check_gate(const char* who, Rows<const T> x, const PixelGate<Wide<T>>& gate, std::int64_t rows,
                std::int64_t cols) {
  KT_CHECK(gate.w.size == x.cols && gate.b.size == 1 && gate.strength.size == 1 && rows == x.rows &&
               cols == x.cols,
           "{}: x is {}x{}, the other map {}x{}, w has {} elements, b {}, strength {}", who, x.rows,
           x.cols, rows, cols, gate.w.size, gate.b.size, gate.strength.size);
}

}  // namespace

template <class T>
void pixel_gate_forward(Rows<const T> x, const PixelGate<Wide<T>>& gate, Rows<T> y) {
  check_gate("pixel_gate_forward", x, gate, y.rows, y.cols);
  const double s = sigmoid(static_cast<double>(gate.strength[0]));
  parallel_for(x.rows, kGrain, [&](std::int64_t p) {
    const T* const in = x.data + p * x.cols;
    T* const out = y.data + p * x.cols;
    const auto gain = static_cast<Wide<T>>(1 + s * opening(in, gate));
    for (std::int64_t c = 0; c < x.cols; ++c) out[c] = narrow<T>(widen(in[c]) * gain);
  });
}

template <class T>
void pixel_gate_backward(Rows<const T> x, const PixelGate<Wide<T>>& gate, Rows<const T> dy,
                         const PixelGateGradients<T>& out, Span<std::byte> memory) {
  check_gate("pixel_gate_backward", x, gate, dy.rows, dy.cols);
  KT_CHECK(
      same_shape(x, out.dx) && out.dw.size == x.cols && out.db.size == 1 && out.dstrength.size == 1,
      "pixel_gate_backward: x is {}x{}, dx {}x{}, dw has {} elements, db {}, dstrength {}", x.rows,
      x.cols, out.dx.rows, out.dx.cols, out.dw.size, out.db.size, out.dstrength.size);
  Scratch scratch(memory);
  const ChunkSums sums(scratch, x.rows, x.cols);
  const double s = sigmoid(static_cast<double>(gate.strength[0]));
  parallel_chunks(x.rows, kGrain, [&](std::int64_t chunk, std::int64_t begin, std::int64_t end) {
    double* const part = sums.of(chunk);
    std::fill_n(part, x.cols + 2, 0.0);
    for (std::int64_t p = begin; p < end; ++p) {
      const T *const in = x.data + p * x.cols, *const grad = dy.data + p * x.cols;
      T* const dx = out.dx.data + p * x.cols;
      const double g = opening(in, gate), u = dot(grad, in, x.cols), v = u * s * g * (1 - g);
      for (std::int64_t c = 0; c < x.cols; ++c) {
        part[c] += v * static_cast<double>(widen(in[c]));
        dx[c] = narrow<T>(static_cast<Wide<T>>(static_cast<double>(widen(grad[c])) * (1 + s * g) +
                                               v * static_cast<double>(gate.w[c])));
      }
      part[x.cols] += v;
      part[x.cols + 1] += u * g;
    }
  });
  for (std::int64_t c = 0; c < x.cols; ++c) out.dw[c] = static_cast<Wide<T>>(sums.total(c));
  out.db[0] = static_cast<Wide<T>>(sums.total(x.cols));
  out.dstrength[0] = static_cast<Wide<T>>(s * (1 - s) * sums.total(x.cols + 1));
}

#define KT_INSTANTIATE(T)                                                                    \
  template void pixel_gate_forward(Rows<const T>, const PixelGate<Wide<T>>&, Rows<T>);       \
  template void pixel_gate_backward(Rows<const T>, const PixelGate<Wide<T>>&, Rows<const T>, \
                                    const PixelGateGradients<T>&, Span<std::byte>);
KT_INSTANTIATE(float)
KT_INSTANTIATE(double)
KT_INSTANTIATE(Bfloat16)
#undef KT_INSTANTIATE

}  // namespace cpu
}  // namespace ktrain
