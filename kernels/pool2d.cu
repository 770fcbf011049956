// A thread per four channels of a pixel, of the output forward, of the input backward, where it
// gathers from the windows that cover the pixel in their order: no atomics, and the CPU's sums to
// the bit. What neighbouring windows share comes from L1 and L2: each map is moved once, 4 (bf16:
// 2) bytes an element and 1 of `taken`.
#include "kernels/pool2d.h"

#include "kernels/check.h"
#include "kernels/device/pixel_grid.cuh"
#include "kernels/device/vector_io.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kStemTaps = 3;  // has kernels of its own, whose loops are unrolled

struct Window {
  int height, width;  // of the other map than the grid's
  int taps, stride, pad;
  bool aligned;

  // taps, or the number that the compiler knows.
  template <int kTaps>
  [[nodiscard]] __device__ int taps_or() const {
    return kTaps > 0 ? kTaps : taps;
  }
};

// A NaN wins over numbers and the first of equals over later ones.
__device__ __forceinline__ void take_larger(float x, unsigned char tap, float& best,
                                            unsigned char& taken) {
  const bool larger = !(x <= best) && best == best;
  best = larger ? x : best;
  taken = larger ? tap : taken;
}

template <int kTaps, class T>
__global__ void __launch_bounds__(kPixelThreads)
    forward_kernel(const T* x, PixelGrid grid, Window window, T* y, std::uint8_t* taken) {
  const PixelPlace at(grid);
  if (!at.exists) return;
  const int taps = window.taps_or<kTaps>();
  const int top = at.row * window.stride - window.pad, left = at.col * window.stride - window.pad;
  const int first_r = top < 0 ? -top : 0, first_s = left < 0 ? -left : 0;
  const std::int64_t out =
      pixel_offset(at.image, at.row, at.col, grid.height, grid.width, grid.channels);
  for (int c = at.first; c < grid.channels; c += at.step) {
    const int count = grid.channels - c;
    const auto load = [&](int r, int s) {
      return load_quad(
          x + c +
              pixel_offset(at.image, top + r, left + s, window.height, window.width, grid.channels),
          window.aligned, count);
    };
    // The first tap, which the loop meets again and leaves as it is.
    float4 best = load(first_r, first_s);
    const auto first_tap = static_cast<unsigned char>(first_r * taps + first_s);
    uchar4 tap_of = make_uchar4(first_tap, first_tap, first_tap, first_tap);
#pragma unroll
    for (int r = 0; r < taps; ++r) {
      if (top + r < 0 || top + r >= window.height) continue;
#pragma unroll
      for (int s = 0; s < taps; ++s) {
        if (left + s < 0 || left + s >= window.width) continue;
        const float4 q = load(r, s);
        const auto tap = static_cast<unsigned char>(r * taps + s);
        take_larger(q.x, tap, best.x, tap_of.x);
        take_larger(q.y, tap, best.y, tap_of.y);
        take_larger(q.z, tap, best.z, tap_of.z);
        take_larger(q.w, tap, best.w, tap_of.w);
      }
    }
    store_quad(y + out + c, best, window.aligned, count);
    if (taken) store_quad(taken + out + c, tap_of, window.aligned, count);
  }
}

// Windows [begin, end) along one axis that cover a pixel.
struct Cover {
  int begin, end;
  __device__ Cover(int at, int outputs, int taps, const Window& window) {
    const int reach = at + window.pad - taps + 1;
    const int last = (at + window.pad) / window.stride + 1;
    begin = reach <= 0 ? 0 : (reach + window.stride - 1) / window.stride;
    end = last < outputs ? last : outputs;
  }
};

template <int kTaps, class T>
__global__ void __launch_bounds__(kPixelThreads)
    backward_kernel(const T* dy, const std::uint8_t* taken, PixelGrid grid, Window window, T* dx) {
  const PixelPlace at(grid);
  if (!at.exists) return;
  const int taps = window.taps_or<kTaps>();
  const Cover rows(at.row, window.height, taps, window), cols(at.col, window.width, taps, window);
  T* const out =
      dx + pixel_offset(at.image, at.row, at.col, grid.height, grid.width, grid.channels);
  for (int c = at.first; c < grid.channels; c += at.step) {
    const int count = grid.channels - c;
    float4 sum = make_float4(0, 0, 0, 0);
    for (int p = rows.begin; p < rows.end; ++p)
      for (int q = cols.begin; q < cols.end; ++q) {
        const std::int64_t from =
            c + pixel_offset(at.image, p, q, window.height, window.width, grid.channels);
        const int r = at.row + window.pad - p * window.stride;
        const int s = at.col + window.pad - q * window.stride;
        const float4 d = load_quad(dy + from, window.aligned, count);
        const auto tap = static_cast<unsigned char>(r * taps + s);
        const uchar4 tap_of = taken ? load_quad(taken + from, window.aligned, count)
                                    : make_uchar4(tap, tap, tap, tap);
        sum.x += tap_of.x == tap ? d.x : 0.0f;
        sum.y += tap_of.y == tap ? d.y : 0.0f;
        sum.z += tap_of.z == tap ? d.z : 0.0f;
        sum.w += tap_of.w == tap ? d.w : 0.0f;
      }
    store_quad(out + c, sum, window.aligned, count);
  }
}

template <class A, class B, class C>
void check_shapes(const char* who, Nhwc<A> x, Nhwc<B> y, Nhwc<C> taken,
                  const PoolOptions& options) {
  KT_CHECK(options.taps >= 1 && options.taps <= 15 && options.stride >= 1 &&
               options.stride <= 65535 && options.pad >= 0 && 2 * options.pad <= options.taps,
           "{}: taps {}, stride {}, pad {}: wanted 1 to 15 taps, a positive stride and at most "
           "half a window of padding",
           who, options.taps, options.stride, options.pad);
  const std::int64_t height = pool_out_size(x.height, options);
  const std::int64_t width = pool_out_size(x.width, options);
  KT_CHECK(y.batch == x.batch && y.height == height && y.width == width && y.channels == x.channels,
           "{}: y is {}x{}x{}x{}, wanted {}x{}x{}x{}", who, y.batch, y.height, y.width, y.channels,
           x.batch, height, width, x.channels);
  KT_CHECK(taken.empty() || same_shape(taken, y), "{}: taken is {}x{}x{}x{}, y {}x{}x{}x{}", who,
           taken.batch, taken.height, taken.width, taken.channels, y.batch, y.height, y.width,
           y.channels);
}

template <class A, class B, class C>
Window window_over(Nhwc<A> other, Nhwc<B> map, Nhwc<C> taken, const PoolOptions& options) {
  return {static_cast<int>(other.height),
          static_cast<int>(other.width),
          static_cast<int>(options.taps),
          static_cast<int>(options.stride),
          static_cast<int>(options.pad),
          map.channels % 4 == 0 && aligned_for_quads(map.data) && aligned_for_quads(other.data) &&
              (taken.empty() || aligned_for_quads(taken.data))};
}

}  // namespace

template <class T>
void max_pool_forward(CudaStream stream, Nhwc<const T> x, Nhwc<T> y, Nhwc<std::uint8_t> taken,
                      const PoolOptions& options) {
  constexpr auto kWho = "max_pool_forward";
  check_shapes(kWho, x, y, taken, options);
  if (x.empty() || y.empty()) return;
  (void)pixel_grid(kWho, x);  // its sides, too
  const PixelGrid grid = pixel_grid(kWho, y);
  const Window window = window_over(x, y, taken, options);
  const auto kernel =
      options.taps == kStemTaps ? forward_kernel<kStemTaps, T> : forward_kernel<0, T>;
  launch(kWho, kernel, grid.blocks(), kPixelThreads, stream, x.data, grid, window, y.data,
         taken.empty() ? nullptr : taken.data);
}

template <class T>
void max_pool_backward(CudaStream stream, Nhwc<const T> dy, Nhwc<const std::uint8_t> taken,
                       Nhwc<T> dx, const PoolOptions& options) {
  constexpr auto kWho = "max_pool_backward";
  check_shapes(kWho, dx, dy, taken, options);
  KT_CHECK(options.taps == 1 || taken.empty() == dy.empty(), "{}: taken is missing", kWho);
  if (dx.empty()) return;
  const PixelGrid grid = pixel_grid(kWho, dx);
  const Window window = window_over(dy, dx, taken, options);
  const auto kernel =
      options.taps == kStemTaps ? backward_kernel<kStemTaps, T> : backward_kernel<0, T>;
  launch(kWho, kernel, grid.blocks(), kPixelThreads, stream, dy.data,
         taken.empty() ? nullptr : taken.data, grid, window, dx.data);
}

#define KT_INSTANTIATE(T)                                                                       \
  template void max_pool_forward(CudaStream, Nhwc<const T>, Nhwc<T>, Nhwc<std::uint8_t>,        \
                                 const PoolOptions&);                                           \
  template void max_pool_backward(CudaStream, Nhwc<const T>, Nhwc<const std::uint8_t>, Nhwc<T>, \
                                  const PoolOptions&);
KT_INSTANTIATE(float)
KT_INSTANTIATE(Bfloat16)
#undef KT_INSTANTIATE

}  // namespace ktrain::cuda
