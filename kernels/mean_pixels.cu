// Forward: sums by column of each image (device/bands.cuh), the map is read once. Backward: the
// same layout, a thread writes its four channels of many pixels.
#include "kernels/mean_pixels.h"

#include "kernels/check.h"
#include "kernels/device/bands.cuh"
#include "kernels/scratch.h"

namespace ktrain::cuda {
namespace {

template <class T>
struct Sum {
  static constexpr int kSums = 1;
  const T* x;
  std::int64_t channels;
  bool aligned;

  __device__ int lane(const ColumnPlace&) const { return 0; }
  __device__ void add(int, const ColumnPlace& at, std::int64_t row, double (&total)[1][4]) const {
    const float4 q = load_quad(x + row * channels + at.first, aligned, at.count);
    total[0][0] += static_cast<double>(q.x);
    total[0][1] += static_cast<double>(q.y);
    total[0][2] += static_cast<double>(q.z);
    total[0][3] += static_cast<double>(q.w);
  }
};

struct Mean {
  static constexpr int kSums = 1;
  std::int64_t channels;
  double pixels;
  float* y;

  __device__ void operator()(int image, std::int64_t c, const double (&total)[1]) const {
    y[image * channels + c] = static_cast<float>(total[0] / pixels);
  }
};

template <class T>
struct Spread {
  const float* dy;
  std::int64_t channels;
  float pixels;
  bool aligned;
  T* dx;

  __device__ float4 lane(const ColumnPlace& at) const {
    const float4 q = load_quad(dy + at.group * channels + at.first, false, at.count);
    return make_float4(q.x / pixels, q.y / pixels, q.z / pixels, q.w / pixels);
  }
  __device__ void apply(const float4& q, const ColumnPlace& at, std::int64_t row) const {
    store_quad(dx + row * channels + at.first, q, aligned, at.count);
  }
};

template <class A, class B>
void check_sizes(const char* who, const Nhwc<A>& map, const Rows<B>& rows) {
  KT_CHECK(rows.rows == map.batch && rows.cols == map.channels,
           "{}: the map is {}x{}x{}x{}, the means are {}x{}", who, map.batch, map.height, map.width,
           map.channels, rows.rows, rows.cols);
}

}  // namespace

template <class T>
void mean_pixels_forward(CudaStream stream, Nhwc<const T> x, Rows<Wide<T>> y,
                         Span<double> scratch) {
  constexpr auto kWho = "mean_pixels_forward";
  check_sizes(kWho, x, y);
  const std::int64_t wanted = mean_pixels_scratch(x.batch, x.channels);
  KT_CHECK(scratch.size >= wanted, "{}: scratch has {} elements, wanted {}", kWho, scratch.size,
           wanted);
  const std::int64_t pixels = x.height * x.width;
  const ColumnPlan plan =
      plan_columns(x.batch, pixels, x.channels, kBandRows, most_bands(x.batch * x.channels));
  sum_columns(kWho, stream,
              Sum<T>{x.data, x.channels, x.channels % 4 == 0 && aligned_for_quads(x.data)},
              Mean{x.channels, static_cast<double>(pixels), y.data}, plan, scratch);
}

template <class T>
void mean_pixels_backward(CudaStream stream, Rows<const Wide<T>> dy, Nhwc<T> dx) {
  constexpr auto kWho = "mean_pixels_backward";
  check_sizes(kWho, dx, dy);
  const std::int64_t pixels = dx.height * dx.width;
  map_bands(kWho, stream,
            Spread<T>{dy.data, dx.channels, static_cast<float>(pixels),
                      dx.channels % 4 == 0 && aligned_for_quads(dx.data), dx.data},
            dx.batch, pixels, dx.channels);
}

#define KT_INSTANTIATE(T)                                                                    \
  template void mean_pixels_forward(CudaStream, Nhwc<const T>, Rows<Wide<T>>, Span<double>); \
  template void mean_pixels_backward(CudaStream, Rows<const Wide<T>>, Nhwc<T>);
KT_INSTANTIATE(float)
KT_INSTANTIATE(Bfloat16)
#undef KT_INSTANTIATE

}  // namespace ktrain::cuda
