// A thread per four channels of a pixel, of y forward, of dcoarse backward, which gathers from the
// pixels that read it, row by row as the CPU does: the same bits. Each map is moved once.
#include "kernels/upsample_add.h"

#include "kernels/check.h"
#include "kernels/device/pixel_grid.cuh"
#include "kernels/device/vector_io.cuh"

namespace ktrain::cuda {
namespace {

// The map that is not dealt out by the grid.
struct Other {
  int height, width;
  bool aligned;
};

// The coarse index that a fine one reads. Sides are below 2^16.
__device__ int reads(int at, int coarse, int fine) {
  return static_cast<int>(static_cast<unsigned>(at) * static_cast<unsigned>(coarse) /
                          static_cast<unsigned>(fine));
}

// The first fine index that reads coarse index `at` or a later one.
__device__ int first_reader(int at, int coarse, int fine) {
  return static_cast<int>((static_cast<unsigned>(at) * static_cast<unsigned>(fine) +
                           static_cast<unsigned>(coarse) - 1u) /
                          static_cast<unsigned>(coarse));
}

template <class T>
__global__ void __launch_bounds__(kPixelThreads)
    forward_kernel(const T* coarse, const T* fine, PixelGrid grid, Other other, T* y) {
  const PixelPlace at(grid);
  if (!at.exists) return;
  const std::int64_t here =
      pixel_offset(at.image, at.row, at.col, grid.height, grid.width, grid.channels);
  const std::int64_t there = pixel_offset(at.image, reads(at.row, other.height, grid.height),
                                          reads(at.col, other.width, grid.width), other.height,
                                          other.width, grid.channels);
  for (int c = at.first; c < grid.channels; c += at.step) {
    const int count = grid.channels - c;
    const float4 a = load_quad(coarse + there + c, other.aligned, count);
    const float4 b = load_quad(fine + here + c, other.aligned, count);
    store_quad(y + here + c, make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w), other.aligned,
               count);
  }
}

template <class T>
__global__ void __launch_bounds__(kPixelThreads)
    backward_kernel(const T* dy, PixelGrid grid, Other other, T* dcoarse) {
  const PixelPlace at(grid);
  if (!at.exists) return;
  const int row_begin = first_reader(at.row, grid.height, other.height);
  const int row_end = first_reader(at.row + 1, grid.height, other.height);
  const int col_begin = first_reader(at.col, grid.width, other.width);
  const int col_end = first_reader(at.col + 1, grid.width, other.width);
  T* const out =
      dcoarse + pixel_offset(at.image, at.row, at.col, grid.height, grid.width, grid.channels);
  for (int c = at.first; c < grid.channels; c += at.step) {
    const int count = grid.channels - c;
    float4 sum = make_float4(0, 0, 0, 0);
    for (int h = row_begin; h < row_end; ++h)
#pragma unroll 2
      for (int w = col_begin; w < col_end; ++w) {
        const float4 d = load_quad(
            dy + c + pixel_offset(at.image, h, w, other.height, other.width, grid.channels),
            other.aligned, count);
        sum.x += d.x;
        sum.y += d.y;
        sum.z += d.z;
        sum.w += d.w;
      }
    store_quad(out + c, sum, other.aligned, count);
  }
}

template <class A, class B>
void check_shapes(const char* who, Nhwc<A> coarse, Nhwc<B> fine) {
  KT_CHECK(coarse.batch == fine.batch && coarse.channels == fine.channels &&
               (!coarse.empty() || fine.empty()),
           "{}: a map of {}x{}x{}x{} cannot fill one of {}x{}x{}x{}", who, coarse.batch,
           coarse.height, coarse.width, coarse.channels, fine.batch, fine.height, fine.width,
           fine.channels);
}

}  // namespace

template <class T>
void upsample_add_forward(CudaStream stream, Nhwc<const T> coarse, Nhwc<const T> fine, Nhwc<T> y) {
  constexpr auto kWho = "upsample_add_forward";
  check_shapes(kWho, coarse, fine);
  KT_CHECK(same_shape(fine, y), "{}: fine is {}x{}x{}x{}, y {}x{}x{}x{}", kWho, fine.batch,
           fine.height, fine.width, fine.channels, y.batch, y.height, y.width, y.channels);
  if (y.empty()) return;
  (void)pixel_grid(kWho, coarse);  // its sides, too
  const PixelGrid grid = pixel_grid(kWho, y);
  const Other other{static_cast<int>(coarse.height), static_cast<int>(coarse.width),
                    y.channels % 4 == 0 && aligned_for_quads(coarse.data) &&
                        aligned_for_quads(fine.data) && aligned_for_quads(y.data)};
  launch(kWho, forward_kernel<T>, grid.blocks(), kPixelThreads, stream, coarse.data, fine.data,
         grid, other, y.data);
}

template <class T>
void upsample_add_backward(CudaStream stream, Nhwc<const T> dy, Nhwc<T> dcoarse) {
  constexpr auto kWho = "upsample_add_backward";
  check_shapes(kWho, dcoarse, dy);
  if (dcoarse.empty()) return;
  (void)pixel_grid(kWho, dy);
  const PixelGrid grid = pixel_grid(kWho, dcoarse);
  const Other other{
      static_cast<int>(dy.height), static_cast<int>(dy.width),
      dy.channels % 4 == 0 && aligned_for_quads(dy.data) && aligned_for_quads(dcoarse.data)};
  launch(kWho, backward_kernel<T>, grid.blocks(), kPixelThreads, stream, dy.data, grid, other,
         dcoarse.data);
}

#define KT_INSTANTIATE(T)                                                                \
  template void upsample_add_forward(CudaStream, Nhwc<const T>, Nhwc<const T>, Nhwc<T>); \
  template void upsample_add_backward(CudaStream, Nhwc<const T>, Nhwc<T>);
KT_INSTANTIATE(float)
KT_INSTANTIATE(Bfloat16)
#undef KT_INSTANTIATE

}  // namespace ktrain::cuda
