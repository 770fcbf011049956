// What is done to feature maps and images between convolutions.
#include <array>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include "bench/cases.h"
#include "kernels/concat_channels.h"
#include "kernels/gate.h"
#include "kernels/image_normalize.h"
#include "kernels/image_quality.h"
#include "kernels/mean_pixels.h"
#include "kernels/norm.h"
#include "kernels/pixel_gate.h"
#include "kernels/pool2d.h"
#include "kernels/upsample_add.h"

namespace ktrain::bench {
namespace {

// A map of normal numbers (or of nothing yet) with its view.
struct Map {
  Array<float> data;
  std::int64_t height, width, channels;

  Map(const Lab& lab, std::int64_t h, std::int64_t w, std::int64_t c, std::uint32_t sample = 1)
      : height(lab.scaled(h, 4)),
        width(lab.scaled(w, 4)),
        channels(lab.scaled(c, std::min<std::int64_t>(c, 8))) {
    data = lab.normal(kImages * height * width * channels, sample);
  }
  // What pooling makes of another map.
  Map(const Lab& lab, const Map& x, const PoolOptions& options)
      : height(pool_out_size(x.height, options)),
        width(pool_out_size(x.width, options)),
        channels(x.channels) {
    data = lab.normal(kImages * height * width * channels, 2);
  }
  [[nodiscard]] Nhwc<const float> in() const {
    return {data.data(), kImages, height, width, channels};
  }
  [[nodiscard]] Nhwc<float> out() const { return {data.data(), kImages, height, width, channels}; }
  [[nodiscard]] Rows<const float> rows() const { return data.rows(channels); }
  [[nodiscard]] Rows<float> out_rows() const { return data.out_rows(channels); }
  [[nodiscard]] double bytes() const { return static_cast<double>(data.bytes()); }
};

Job memory_bound(double bytes, std::function<void()> run) {
  return {.bytes = bytes, .flops = 0, .run = std::move(run), .rivals = {}};
}

Job norm_forward(const Lab& lab) {
  const Map x(lab, 128, 160, 256), y(lab, 128, 160, 256);
  const std::int64_t c = x.channels;
  const Array<float> gamma = lab.filled(c, 1.0f), beta = lab.filled(c, 0.0f),
                     mean = lab.make<float>(c), inv = lab.make<float>(c),
                     running = lab.filled(c, 0.0f), running_var = lab.filled(c, 1.0f);
  const Array<std::byte> scratch = lab.make<std::byte>(norm_train_scratch_bytes(x.rows().rows, c));
  return memory_bound(3 * x.bytes(), [=, &lab] {  // statistics first: x is read twice
    const NormAffine<float> affine{gamma.span(), beta.span()};
    const NormStatistics<float> statistics{mean.out(), inv.out(), running.out(), running_var.out()};
    KT_RUN(lab.queue(), norm_train_forward, x.rows(), affine, scratch.out(), statistics,
           y.out_rows(), 1e-5, 0.1);
  });
}

Job norm_backward(const Lab& lab) {
  const Map x(lab, 128, 160, 256), dy(lab, 128, 160, 256, 2), dx(lab, 128, 160, 256, 3);
  const std::int64_t c = x.channels;
  const Array<float> gamma = lab.filled(c, 1.0f), mean = lab.filled(c, 0.0f),
                     inv = lab.filled(c, 1.0f), dgamma = lab.make<float>(c),
                     dbeta = lab.make<float>(c);
  const Array<std::byte> scratch = lab.make<std::byte>(norm_train_scratch_bytes(x.rows().rows, c));
  return memory_bound(5 * x.bytes(), [=, &lab] {  // two passes over x and dy
    const NormSaved<float> saved{x.rows(), mean.span(), inv.span()};
    const NormGradients<float> gradients{dx.out_rows(), dgamma.out(), dbeta.out()};
    KT_RUN(lab.queue(), norm_train_backward, dy.rows(), saved, gamma.span(), scratch.out(),
           gradients);
  });
}

// Scale and shift of the norms of a ResNet-50, or the gradients of their gammas: launches count.
Job norm_fold(const Lab& lab, bool backward) {
  constexpr std::array<std::int64_t, 4> kBlocks = {3, 4, 6, 3};
  std::vector<std::int64_t> sizes = {64};
  for (std::size_t s = 0; s < 4; ++s) {
    const std::int64_t planes = std::int64_t{64} << s;
    for (std::int64_t block = 0; block < kBlocks[s]; ++block)
      sizes.insert(sizes.end(), {planes, planes, 4 * planes});
    sizes.push_back(4 * planes);
  }
  const std::int64_t n = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
  const Array<float> one = lab.filled(n, 1.0f), a = lab.normal(n, 1), b = lab.normal(n, 2),
                     y = lab.make<float>(n), z = lab.make<float>(n);
  std::vector<NormFold<float>> folds;
  std::vector<NormFoldGradient<float>> gradients;
  std::int64_t at = 0;
  for (const std::int64_t size : sizes) {
    const auto in = [&](const Array<float>& x) { return Span<const float>{x.data() + at, size}; };
    const auto out = [&](const Array<float>& x) { return Span<float>{x.out().data + at, size}; };
    folds.push_back({in(a), in(b), in(b), in(one), out(y), out(z)});
    gradients.push_back({in(a), in(b), in(b), in(one), out(y)});
    at += size;
  }
  return memory_bound((backward ? 5.0 : 6.0) * static_cast<double>(one.bytes()), [=, &lab] {
    (void)one, (void)a, (void)b, (void)y, (void)z;  // what the lists point to
    const std::span<const NormFold<float>> all = folds;
    const std::span<const NormFoldGradient<float>> all_gradients = gradients;
    if (backward)
      KT_RUN(lab.queue(), norm_fold_backward, all_gradients, 1e-5);
    else
      KT_RUN(lab.queue(), norm_fold_forward, all, 1e-5);
  });
}

struct Pool {
  static constexpr PoolOptions kOptions{};
  Map x, y;
  Array<std::uint8_t> taken;

  explicit Pool(const Lab& lab)
      : x(lab, 256, 320, 64),
        y(lab, x, kOptions),
        taken(lab.filled<std::uint8_t>(y.data.size(), 4)) {}
  [[nodiscard]] double bytes() const {
    return x.bytes() + y.bytes() + static_cast<double>(taken.bytes());
  }
  template <class T>
  [[nodiscard]] Nhwc<T> bits() const {
    return {taken.data(), kImages, y.height, y.width, y.channels};
  }
};

Job pool_forward(const Lab& lab) {
  const Pool p(lab);
  return memory_bound(p.bytes(), [=, &lab] {
    KT_RUN(lab.queue(), max_pool_forward, p.x.in(), p.y.out(), p.bits<std::uint8_t>(),
           Pool::kOptions);
  });
}

Job pool_backward(const Lab& lab) {
  const Pool p(lab);
  return memory_bound(p.bytes(), [=, &lab] {
    KT_RUN(lab.queue(), max_pool_backward, p.y.in(), p.bits<const std::uint8_t>(), p.x.out(),
           Pool::kOptions);
  });
}

Job upsample_forward(const Lab& lab) {
  const Map coarse(lab, 64, 80, 256), fine(lab, 128, 160, 256, 2), y(lab, 128, 160, 256, 3);
  return memory_bound(coarse.bytes() + 2 * fine.bytes(), [=, &lab] {
    KT_RUN(lab.queue(), upsample_add_forward, coarse.in(), fine.in(), y.out());
  });
}

Job upsample_backward(const Lab& lab) {
  const Map coarse(lab, 64, 80, 256), dy(lab, 128, 160, 256, 2);
  return memory_bound(coarse.bytes() + dy.bytes(), [=, &lab] {
    KT_RUN(lab.queue(), upsample_add_backward, dy.in(), coarse.out());
  });
}

// Two maps beside one that is as wide as both.
struct Joined {
  Map a, b;
  Array<float> y;

  explicit Joined(const Lab& lab)
      : a(lab, 128, 160, 256), b(lab, 128, 160, 256, 2), y(lab.normal(2 * a.data.size(), 3)) {}
  [[nodiscard]] double bytes() const { return 4 * a.bytes(); }
  template <class T>
  [[nodiscard]] Nhwc<T> joined() const {
    return {y.data(), kImages, a.height, a.width, 2 * a.channels};
  }
};

Job concat_forward(const Lab& lab) {
  const Joined j(lab);
  return memory_bound(j.bytes(), [=, &lab] {
    KT_RUN(lab.queue(), concat_channels_forward, j.a.in(), j.b.in(), j.joined<float>());
  });
}

Job concat_backward(const Lab& lab) {
  const Joined j(lab);
  return memory_bound(j.bytes(), [=, &lab] {
    KT_RUN(lab.queue(), concat_channels_backward, j.joined<const float>(), j.a.out(), j.b.out(),
           j.a.channels);
  });
}

Job mean_forward(const Lab& lab) {
  const Map x(lab, 128, 160, 256);
  const Array<float> y = lab.make<float>(kImages * x.channels);
  const Array<double> scratch = lab.make<double>(mean_pixels_scratch(kImages, x.channels));
  return memory_bound(x.bytes(), [=, &lab] {
    KT_RUN(lab.queue(), mean_pixels_forward, x.in(), y.out_rows(x.channels), scratch.out());
  });
}

Job mean_backward(const Lab& lab) {
  const Map dx(lab, 128, 160, 256);
  const Array<float> dy = lab.normal(kImages * dx.channels);
  return memory_bound(dx.bytes(), [=, &lab] {
    KT_RUN(lab.queue(), mean_pixels_backward, dy.rows(dx.channels), dx.out());
  });
}

Job gate_forward(const Lab& lab) {
  const Map z(lab, 128, 160, 256), a(lab, 128, 160, 256, 2), b(lab, 128, 160, 256, 3),
      y(lab, 128, 160, 256, 4);
  return memory_bound(4 * z.bytes(), [=, &lab] {
    KT_RUN(lab.queue(), gate_forward, z.data.span(), a.data.span(), b.data.span(), y.data.out());
  });
}

Job gate_backward(const Lab& lab) {
  const Map z(lab, 128, 160, 256), a(lab, 128, 160, 256, 2), b(lab, 128, 160, 256, 3),
      dy(lab, 128, 160, 256, 4);
  const Array<float> dz = lab.make<float>(z.data.size()), da = lab.make<float>(z.data.size()),
                     db = lab.make<float>(z.data.size());
  return memory_bound(7 * z.bytes(), [=, &lab] {
    KT_RUN(lab.queue(), gate_backward, z.data.span(), a.data.span(), b.data.span(), dy.data.span(),
           dz.out(), da.out(), db.out());
  });
}

struct PixelGates {
  Map x, dy;
  Array<float> y, w, b, strength, dw, db, dstrength;
  Array<std::byte> scratch;

  explicit PixelGates(const Lab& lab)
      : x(lab, 128, 160, 256),
        dy(lab, 128, 160, 256, 2),
        y(lab.make<float>(x.data.size())),
        w(lab.normal(x.channels, 3, 0.1)),
        b(lab.filled(1, 0.0f)),
        strength(lab.filled(1, 0.5f)),
        dw(lab.make<float>(x.channels)),
        db(lab.make<float>(1)),
        dstrength(lab.make<float>(1)),
        scratch(lab.make<std::byte>(pixel_gate_scratch_bytes(x.rows().rows, x.channels))) {}
  [[nodiscard]] PixelGate<float> gate() const { return {w.span(), b.span(), strength.span()}; }
};

Job pixel_gate_forward(const Lab& lab) {
  const PixelGates g(lab);
  return memory_bound(2 * g.x.bytes(), [=, &lab] {
    KT_RUN(lab.queue(), pixel_gate_forward, g.x.rows(), g.gate(), g.y.out_rows(g.x.channels));
  });
}

Job pixel_gate_backward(const Lab& lab) {
  const PixelGates g(lab);
  return memory_bound(3 * g.x.bytes(), [=, &lab] {
    const PixelGateGradients<float> out{g.y.out_rows(g.x.channels), g.dw.out(), g.db.out(),
                                        g.dstrength.out()};
    KT_RUN(lab.queue(), pixel_gate_backward, g.x.rows(), g.gate(), g.dy.rows(), out,
           g.scratch.out());
  });
}

// Images of bytes that look like noise around mid-grey.
struct Images {
  std::int64_t height, width;
  Array<std::uint8_t> bytes;
  Array<std::int32_t> sizes;

  explicit Images(const Lab& lab) : height(lab.scaled(kHeight, 16)), width(lab.scaled(kWidth, 16)) {
    std::vector<std::uint8_t> values;
    for (std::int64_t i = 0; i < kImages * height * width * 3; ++i)
      values.push_back(static_cast<std::uint8_t>(96 + (i * 7919 >> 3) % 64));
    bytes = lab.copy(values);
    std::vector<std::int32_t> sides;
    for (std::int64_t n = 0; n < kImages; ++n)
      sides.insert(sides.end(),
                   {static_cast<std::int32_t>(height), static_cast<std::int32_t>(width)});
    sizes = lab.copy(sides);
  }
  [[nodiscard]] Nhwc<const std::uint8_t> in() const {
    return {bytes.data(), kImages, height, width, 3};
  }
};

Job normalize(const Lab& lab) {
  const Images images(lab);
  const Array<float> y = lab.make<float>(images.bytes.size());
  return memory_bound(static_cast<double>(images.bytes.bytes() + y.bytes()), [=, &lab] {
    const ImageStatistics statistics{{123.7f, 116.3f, 103.5f}, {58.4f, 57.1f, 57.4f}};
    const Nhwc<float> out{y.data(), kImages, images.height, images.width, 3};
    KT_RUN(lab.queue(), image_normalize, images.in(), images.sizes.rows(2), out, statistics);
  });
}

Job quality(const Lab& lab) {
  const Images images(lab);
  const Array<float> q = lab.make<float>(kImages);
  const Array<std::byte> scratch =
      lab.make<std::byte>(image_quality_scratch_bytes(kImages, images.height));
  return memory_bound(static_cast<double>(images.bytes.bytes()), [=, &lab] {
    KT_RUN(lab.queue(), image_quality, images.in(), images.sizes.rows(2), q.out(), scratch.out());
  });
}

const bool kAdded = add_case("norm", "train_forward", "P2 map", norm_forward) &&
                    add_case("norm", "train_backward", "P2 map", norm_backward) &&
                    add_case("norm", "fold_forward", "53 norms",
                             [](const Lab& lab) { return norm_fold(lab, false); }) &&
                    add_case("norm", "fold_backward", "53 norms",
                             [](const Lab& lab) { return norm_fold(lab, true); }) &&
                    add_case("pool2d", "forward", "stem 256x320x64", pool_forward) &&
                    add_case("pool2d", "backward", "stem 256x320x64", pool_backward) &&
                    add_case("upsample_add", "forward", "P3 to P2", upsample_forward) &&
                    add_case("upsample_add", "backward", "P3 to P2", upsample_backward) &&
                    add_case("concat_channels", "forward", "two P2 maps", concat_forward) &&
                    add_case("concat_channels", "backward", "two P2 maps", concat_backward) &&
                    add_case("mean_pixels", "forward", "P2 map", mean_forward) &&
                    add_case("mean_pixels", "backward", "P2 map", mean_backward) &&
                    add_case("gate", "forward", "P2 map", gate_forward) &&
                    add_case("gate", "backward", "P2 map", gate_backward) &&
                    add_case("pixel_gate", "forward", "P2 map", pixel_gate_forward) &&
                    add_case("pixel_gate", "backward", "P2 map", pixel_gate_backward) &&
                    add_case("image_normalize", "forward", "640x512 bytes", normalize) &&
                    add_case("image_quality", "forward", "640x512 bytes", quality);

}  // namespace
}  // namespace ktrain::bench
