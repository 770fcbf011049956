// A copy with another row length: a thread per four neighbouring channels of y or dy (one, where a
// part's channels are no multiple of four or an address is not aligned), rows one after the other,
// one launch for both parts. Every byte is read and written once.
#include "kernels/concat_channels.h"

#include "kernels/check.h"
#include "kernels/device/launch.cuh"
#include "kernels/device/vector_io.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kMaxLanes = 128;

// How the rows are dealt out: `lanes` threads side by side, then further pixels.
struct Layout {
  std::int64_t pixels, channels, first;  // of y; of a
  int lanes;
};

struct Place {
  std::int64_t pixel;
  int lane;

  __device__ explicit Place(const Layout& layout)
      : pixel(std::int64_t{blockIdx.x} * (kThreads / layout.lanes) +
              static_cast<int>(threadIdx.x) / layout.lanes),
        lane(static_cast<int>(threadIdx.x) % layout.lanes) {}
};

// T is float4 or float; sizes and strides count T.
template <class T>
__global__ void __launch_bounds__(kThreads)
    forward_kernel(const T* a, const T* b, Layout layout, T* y) {
  const Place at(layout);
  if (at.pixel >= layout.pixels) return;
  const std::int64_t second = layout.channels - layout.first;
  for (std::int64_t c = at.lane; c < layout.channels; c += layout.lanes)
    y[at.pixel * layout.channels + c] =
        c < layout.first ? a[at.pixel * layout.first + c] : b[at.pixel * second + c - layout.first];
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    backward_kernel(const T* dy, Layout layout, T* da, T* db) {
  const Place at(layout);
  if (at.pixel >= layout.pixels) return;
  const std::int64_t second = layout.channels - layout.first;
  const std::int64_t begin = da ? 0 : layout.first, end = db ? layout.channels : layout.first;
  for (std::int64_t c = begin + at.lane; c < end; c += layout.lanes) {
    const T value = dy[at.pixel * layout.channels + c];
    if (c < layout.first)
      da[at.pixel * layout.first + c] = value;
    else
      db[at.pixel * second + c - layout.first] = value;
  }
}

// Channels counted in elements of `size` floats.
Layout lay_out(std::int64_t pixels, std::int64_t channels, std::int64_t first, int size) {
  Layout layout{pixels, channels / size, first / size, 1};
  while (layout.lanes < layout.channels && layout.lanes < kMaxLanes) layout.lanes *= 2;
  return layout;
}

template <class T>
void launch_forward(const char* who, CudaStream stream, const Layout& layout, Nhwc<const float> a,
                    Nhwc<const float> b, Nhwc<float> y) {
  launch(who, forward_kernel<T>, num_blocks(layout.pixels, kThreads / layout.lanes), kThreads,
         stream, reinterpret_cast<const T*>(a.data), reinterpret_cast<const T*>(b.data), layout,
         reinterpret_cast<T*>(y.data));
}

template <class T>
void launch_backward(const char* who, CudaStream stream, const Layout& layout, Nhwc<const float> dy,
                     Nhwc<float> da, Nhwc<float> db) {
  launch(who, backward_kernel<T>, num_blocks(layout.pixels, kThreads / layout.lanes), kThreads,
         stream, reinterpret_cast<const T*>(dy.data), layout,
         reinterpret_cast<T*>(da.empty() ? nullptr : da.data),
         reinterpret_cast<T*>(db.empty() ? nullptr : db.data));
}

// An empty part is not accessed, wherever it points.
template <class T>
bool in_quads(Nhwc<T> map) {
  return map.empty() || (map.channels % 4 == 0 && aligned_for_quads(map.data));
}

}  // namespace

void concat_channels_forward(CudaStream stream, Nhwc<const float> a, Nhwc<const float> b,
                             Nhwc<float> y) {
  constexpr auto kWho = "concat_channels_forward";
  KT_CHECK(a.batch == b.batch && a.height == b.height && a.width == b.width && y.batch == a.batch &&
               y.height == a.height && y.width == a.width && y.channels == a.channels + b.channels,
           "{}: a is {}x{}x{}x{}, b {}x{}x{}x{}, y {}x{}x{}x{}", kWho, a.batch, a.height, a.width,
           a.channels, b.batch, b.height, b.width, b.channels, y.batch, y.height, y.width,
           y.channels);
  if (y.empty()) return;
  if (in_quads(a) && in_quads(b) && in_quads(y))
    launch_forward<float4>(kWho, stream, lay_out(y.pixels(), y.channels, a.channels, 4), a, b, y);
  else
    launch_forward<float>(kWho, stream, lay_out(y.pixels(), y.channels, a.channels, 1), a, b, y);
}

void concat_channels_backward(CudaStream stream, Nhwc<const float> dy, Nhwc<float> da,
                              Nhwc<float> db, std::int64_t first) {
  constexpr auto kWho = "concat_channels_backward";
  KT_CHECK(first >= 0 && first <= dy.channels, "{}: the first part has {} of {} channels", kWho,
           first, dy.channels);
  const auto check = [&](const char* what, Nhwc<float> to, std::int64_t channels) {
    KT_CHECK(to.empty() || (to.pixels() == dy.pixels() && to.channels == channels),
             "{}: {} is {} pixels of {} channels, wanted {} of {}", kWho, what, to.pixels(),
             to.channels, dy.pixels(), channels);
  };
  check("da", da, first);
  check("db", db, dy.channels - first);
  if (dy.empty() || (da.empty() && db.empty())) return;
  if (in_quads(dy) && in_quads(da) && in_quads(db) && first % 4 == 0)
    launch_backward<float4>(kWho, stream, lay_out(dy.pixels(), dy.channels, first, 4), dy, da, db);
  else
    launch_backward<float>(kWho, stream, lay_out(dy.pixels(), dy.channels, first, 1), dy, da, db);
}

}  // namespace ktrain::cuda
