#include <type_traits>

#include "kernels/cpu/conv2d_engines.h"
#include "kernels/cpu/widened.h"
#include "kernels/parallel.h"

namespace ktrain::cpu::bf16 {
namespace {

// The same shape over other memory.
template <class To, class From>
Nhwc<To> like(Nhwc<From> map, To* data = nullptr) {
  return {data, map.batch, map.height, map.width, map.channels};
}

// Forward with its operands in float; of `y` the memory is taken last, where it needs any.
struct WideForward {
  Nhwc<const float> x;
  Krsc<const float> w;
  Conv2dEpilogue<float> epilogue;

  WideForward(WidenedRoom& room, Nhwc<const Bfloat16> x16, Krsc<const Bfloat16> w16,
              const Conv2dEpilogue<Bfloat16>& e)
      : x(room.map(x16)), w(room.filters(w16)), epilogue{e.scale, e.shift, {}} {
    if (!e.residual.empty()) epilogue.residual = room.map(e.residual);
  }
};

}  // namespace

std::int64_t conv2d_forward_workspace(Nhwc<const Bfloat16> x, Krsc<const Bfloat16> w,
                                      const Conv2dEpilogue<Bfloat16>& epilogue,
                                      Nhwc<const Bfloat16> y, const Conv2dOptions& options) {
  WidenedRoom room;
  const WideForward wide(room, x, w, epilogue);
  (void)room.take(y.size());
  return room.taken() + cpu::conv2d_forward_workspace<float>(wide.x, wide.w, wide.epilogue,
                                                             like<const float>(y), options);
}

template <class Y>
void conv2d_forward(Nhwc<const Bfloat16> x, Krsc<const Bfloat16> w,
                    const Conv2dEpilogue<Bfloat16>& epilogue, Span<float> workspace, Nhwc<Y> y,
                    const Conv2dOptions& options) {
  WidenedRoom room(workspace);
  const WideForward wide(room, x, w, epilogue);
  const Nhwc<float> sums = like<float>(y, room.take(y.size()));
  const auto run = [&](Nhwc<float> to) {
    cpu::conv2d_forward<float>(wide.x, wide.w, wide.epilogue, room.left(), to, options);
  };
  if constexpr (std::is_same_v<Y, float>) {
    run(y);
  } else {
    run(sums);
    convert(Span<const float>{sums.data, sums.size()}, Span<Bfloat16>{y.data, y.size()});
  }
}

template void conv2d_forward(Nhwc<const Bfloat16>, Krsc<const Bfloat16>,
                             const Conv2dEpilogue<Bfloat16>&, Span<float>, Nhwc<Bfloat16>,
                             const Conv2dOptions&);
template void conv2d_forward(Nhwc<const Bfloat16>, Krsc<const Bfloat16>,
                             const Conv2dEpilogue<Bfloat16>&, Span<float>, Nhwc<float>,
                             const Conv2dOptions&);

std::int64_t conv2d_backward_data_workspace(Nhwc<const Bfloat16> g, Krsc<const Bfloat16> w,
                                            Nhwc<const Bfloat16> dx, const Conv2dOptions& options) {
  WidenedRoom room;
  const Krsc<const float> wide_w = room.filters(w);
  const Nhwc<const float> wide_g = room.map(g);
  (void)room.take(dx.size());
  return room.taken() + cpu::conv2d_backward_data_workspace<float>(wide_g, wide_w, {},
                                                                   like<const float>(dx), options);
}

void conv2d_backward_data(Nhwc<const Bfloat16> g, Krsc<const Bfloat16> w, Span<const float> scale,
                          Span<float> workspace, Nhwc<Bfloat16> dx, const Conv2dOptions& options) {
  WidenedRoom room(workspace);
  const Krsc<float> wide_w = room.filters(w);
  const Nhwc<const float> wide_g = room.map(g);
  const Nhwc<float> sums = like<float>(dx, room.take(dx.size()));
  // Filters times their scale are operands of the product, and as such bf16.
  const std::int64_t taps = w.rows * w.cols * w.channels;
  if (!scale.empty())
    parallel_for(w.filters, 16, [&](std::int64_t k) {
      float* const row = wide_w.data + k * taps;
      for (std::int64_t i = 0; i < taps; ++i) row[i] = to_float(to_bfloat16(row[i] * scale[k]));
    });
  cpu::conv2d_backward_data<float>(wide_g, wide_w, {}, room.left(), sums, options);
  convert(Span<const float>{sums.data, sums.size()}, Span<Bfloat16>{dx.data, dx.size()});
}

std::int64_t conv2d_backward_weights_workspace(Nhwc<const Bfloat16> x, Nhwc<const Bfloat16> g,
                                               Krsc<const float> dw, const Conv2dOptions& options) {
  WidenedRoom room;
  const Nhwc<const float> wide_x = room.map(x), wide_g = room.map(g);
  (void)room.take(dw.size());
  return room.taken() +
         cpu::conv2d_backward_weights_workspace<float>(wide_x, wide_g, dw, {}, options);
}

void conv2d_backward_weights(Nhwc<const Bfloat16> x, Nhwc<const Bfloat16> g,
                             const Conv2dScaled<Bfloat16>& forward, Span<float> workspace,
                             Krsc<float> dw, Span<float> dscale, const Conv2dOptions& options) {
  WidenedRoom room(workspace);
  const Nhwc<const float> wide_x = room.map(x), wide_g = room.map(g);
  Conv2dScaled<float> wide{{}, forward.scale};
  if (forward.scale.empty())
    (void)room.take(dw.size());
  else
    wide.w = room.filters(forward.w);
  cpu::conv2d_backward_weights<float>(wide_x, wide_g, wide, room.left(), dw, dscale, {}, options);
}

}  // namespace ktrain::cpu::bf16
