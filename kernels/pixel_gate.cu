// A warp per pixel takes the pixel's sums in double over its channels. Backward: a block walks over
// a band of pixels, 32 at a time; its warps write dx and leave v in shared memory, then a thread
// per channel adds v x of the 32, which L1 still holds, to the band's sums. A second kernel adds
// the bands (device/bands.cuh). 8 bytes moved by element forward, 12 backward; of bf16
// half of that.
#include "kernels/pixel_gate.h"

#include "kernels/check.h"
#include "kernels/device/bands.cuh"
#include "kernels/scratch.h"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarpSize;
static_assert(kGateTile == kWarpSize, "warp 0 adds up what the tile's pixels leave");

__device__ double sigmoid(double z) {
  const double e = exp(-fabs(z));
  return (z < 0 ? e : 1.0) / (1.0 + e);
}

struct Gate {
  const float *w, *b, *strength;
  std::int64_t channels;
  bool aligned;  // quads, everywhere

  template <class T>
  __device__ float4 load(const T* p, std::int64_t c) const {
    return load_quad(p + c, aligned, channels - c);
  }
  template <class T>
  __device__ void store(T* p, std::int64_t c, const float4& q) const {
    store_quad(p + c, q, aligned, channels - c);
  }
};

__device__ double dot(const float4& a, const float4& b) {
  return static_cast<double>(a.x) * static_cast<double>(b.x) +
         static_cast<double>(a.y) * static_cast<double>(b.y) +
         static_cast<double>(a.z) * static_cast<double>(b.z) +
         static_cast<double>(a.w) * static_cast<double>(b.w);
}

// Of this warp's pixel; all 32 lanes call it. x null: a pixel that does not exist.
template <class T>
__device__ double opening(const Gate& gate, const T* x, int lane) {
  double sum = 0;
  for (std::int64_t c = lane * 4; x && c < gate.channels; c += kWarpSize * 4)
    sum += dot(gate.load(x, c), gate.load(gate.w, c));
  return sigmoid(warp_reduce(sum, Add{}) + static_cast<double>(gate.b[0]));
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    forward_kernel(const T* x, Gate gate, std::int64_t pixels, T* y) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const std::int64_t p =
      std::int64_t{blockIdx.x} * kWarps + static_cast<int>(threadIdx.x) / kWarpSize;
  const double s = sigmoid(static_cast<double>(gate.strength[0]));
  const bool exists = p < pixels;
  const T* const in = x + p * gate.channels;
  const auto gain = static_cast<float>(1 + s * opening(gate, exists ? in : nullptr, lane));
  if (!exists) return;
  for (std::int64_t c = lane * 4; c < gate.channels; c += kWarpSize * 4) {
    const float4 q = gate.load(in, c);
    gate.store(y + p * gate.channels, c,
               make_float4(q.x * gain, q.y * gain, q.z * gain, q.w * gain));
  }
}

// What the sums over pixels take from one pixel: v, and u g.
struct PixelTerms {
  double v, ug;
};

// dx of this warp's pixel, and its terms.
template <class T>
__device__ PixelTerms pass_back(const Gate& gate, double s, const T* in, const T* grad, T* dx,
                                int lane) {
  const double g = opening(gate, in, lane);
  double u = 0;
  for (std::int64_t c = lane * 4; c < gate.channels; c += kWarpSize * 4)
    u += dot(gate.load(grad, c), gate.load(in, c));
  u = warp_reduce(u, Add{});
  const double v = u * s * g * (1 - g), gain = 1 + s * g;
  const auto one = [&](float gradient, float weight) {
    return static_cast<float>(static_cast<double>(gradient) * gain +
                              v * static_cast<double>(weight));
  };
  for (std::int64_t c = lane * 4; c < gate.channels; c += kWarpSize * 4) {
    const float4 d = gate.load(grad, c), w = gate.load(gate.w, c);
    gate.store(dx, c, make_float4(one(d.x, w.x), one(d.y, w.y), one(d.z, w.z), one(d.w, w.w)));
  }
  return {v, u * g};
}

// Pixels of a tile: rows of x and what each of them leaves.
template <class T>
struct Tile {
  const T* x;
  int count;
};

// Adds to the band's sums, by thread channel, then v and u g in the two last columns.
template <class T>
__device__ void add_tile(const Tile<T>& tile, const double* v, const double* ug,
                         std::int64_t channels, bool first, double* sums) {
  const int thread = static_cast<int>(threadIdx.x);
  for (std::int64_t c = thread; c < channels; c += kThreads) {
    double sum = 0;
#pragma unroll 8
    for (int p = 0; p < tile.count; ++p)
      sum += v[p] * static_cast<double>(widen(tile.x[p * channels + c]));
    sums[c] = first ? sum : sums[c] + sum;
  }
  if (thread >= kWarpSize) return;
  const double sum_v = warp_reduce(thread < tile.count ? v[thread] : 0.0, Add{});
  const double sum_ug = warp_reduce(thread < tile.count ? ug[thread] : 0.0, Add{});
  if (thread > 0) return;
  sums[channels] = first ? sum_v : sums[channels] + sum_v;
  sums[channels + 1] = first ? sum_ug : sums[channels + 1] + sum_ug;
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    backward_kernel(const T* x, const T* dy, Gate gate, std::int64_t pixels, std::int64_t band,
                    T* dx, double* partials) {
  double* const v = shared_array<double, kGateTile, struct Vs>();
  double* const ug = shared_array<double, kGateTile, struct Ugs>();
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
  const double s = sigmoid(static_cast<double>(gate.strength[0]));
  const std::int64_t begin = std::int64_t{blockIdx.x} * band;
  const std::int64_t end = begin + band < pixels ? begin + band : pixels;
  for (std::int64_t at = begin; at < end; at += kGateTile) {
    const int count = static_cast<int>(end - at < kGateTile ? end - at : kGateTile);
    __syncthreads();  // the tile before has been added
    for (int p = warp; p < count; p += kWarps) {
      const std::int64_t row = (at + p) * gate.channels;
      const PixelTerms terms = pass_back(gate, s, x + row, dy + row, dx + row, lane);
      if (lane == 0) {
        v[p] = terms.v;
        ug[p] = terms.ug;
      }
    }
    __syncthreads();
    add_tile<T>({x + at * gate.channels, count}, v, ug, gate.channels, at == begin,
                partials + blockIdx.x * (gate.channels + 2));
  }
}

struct Finish {
  static constexpr int kSums = 1;
  std::int64_t channels;
  const float* strength;
  float *dw, *db, *dstrength;

  __device__ void operator()(int, std::int64_t c, const double (&total)[1]) const {
    if (c < channels) {
      dw[c] = static_cast<float>(total[0]);
    } else if (c == channels) {
      db[0] = static_cast<float>(total[0]);
    } else {
      const double s = sigmoid(static_cast<double>(strength[0]));
      dstrength[0] = static_cast<float>(s * (1 - s) * total[0]);
    }
  }
};

template <class T>
void check_gate(const char* who, Rows<const T> x, const PixelGate<float>& gate, std::int64_t rows,
                std::int64_t cols) {
  KT_CHECK(gate.w.size == x.cols && gate.b.size == 1 && gate.strength.size == 1 && rows == x.rows &&
               cols == x.cols,
           "{}: x is {}x{}, the other map {}x{}, w has {} elements, b {}, strength {}", who, x.rows,
           x.cols, rows, cols, gate.w.size, gate.b.size, gate.strength.size);
}

template <class T>
Gate device_gate(const PixelGate<float>& gate, Rows<const T> x, const T* other, const T* out) {
  return {gate.w.data, gate.b.data, gate.strength.data, x.cols,
          x.cols % 4 == 0 && aligned_for_quads(gate.w.data) && aligned_for_quads(x.data) &&
              aligned_for_quads(other) && aligned_for_quads(out)};
}

}  // namespace

template <class T>
void pixel_gate_forward(CudaStream stream, Rows<const T> x, const PixelGate<Wide<T>>& gate,
                        Rows<T> y) {
  constexpr auto kWho = "pixel_gate_forward";
  check_gate(kWho, x, gate, y.rows, y.cols);
  if (x.empty()) return;
  launch(kWho, forward_kernel<T>, num_blocks(x.rows, kWarps), kThreads, stream, x.data,
         device_gate<T>(gate, x, x.data, y.data), x.rows, y.data);
}

template <class T>
void pixel_gate_backward(CudaStream stream, Rows<const T> x, const PixelGate<Wide<T>>& gate,
                         Rows<const T> dy, const PixelGateGradients<T>& out,
                         Span<std::byte> memory) {
  constexpr auto kWho = "pixel_gate_backward";
  check_gate(kWho, x, gate, dy.rows, dy.cols);
  KT_CHECK(
      same_shape(x, out.dx) && out.dw.size == x.cols && out.db.size == 1 && out.dstrength.size == 1,
      "{}: x is {}x{}, dx {}x{}, dw has {} elements, db {}, dstrength {}", kWho, x.rows, x.cols,
      out.dx.rows, out.dx.cols, out.dw.size, out.db.size, out.dstrength.size);
  const std::int64_t bands = gate_bands(x.rows);
  const std::int64_t band = gate_band(x.rows);
  const Span<double> partials = Scratch(memory).take<double>(bands * (x.cols + 2));
  if (bands > 0)
    launch(kWho, backward_kernel<T>, bands, kThreads, stream, x.data, dy.data,
           device_gate<T>(gate, x, dy.data, out.dx.data), x.rows, band, out.dx.data, partials.data);
  finish_bands(kWho, stream,
               Finish{x.cols, gate.strength.data, out.dw.data, out.db.data, out.dstrength.data},
               partials.data, 1, x.cols + 2, static_cast<int>(bands));
}

#define KT_INSTANTIATE(T)                                                                          \
  template void pixel_gate_forward(CudaStream, Rows<const T>, const PixelGate<Wide<T>>&, Rows<T>); \
  template void pixel_gate_backward(CudaStream, Rows<const T>, const PixelGate<Wide<T>>&,          \
                                    Rows<const T>, const PixelGateGradients<T>&, Span<std::byte>);
KT_INSTANTIATE(float)
KT_INSTANTIATE(Bfloat16)
#undef KT_INSTANTIATE

}  // namespace ktrain::cuda
