// Products of bf16, which are CUDA's alone: the shapes that most work of a step is in. What of them
// the tier of Hopper's own instructions gives shows a second run with KT_WGMMA=1; without it all
// are left to mma.sync.
#include <algorithm>
#include <utility>
#include <vector>

#include "bench/cases.h"
#include "bench/numbers.h"
#include "bench/rivals/products.h"
#include "kernels/conv2d.h"
#include "kernels/gemm.h"

namespace ktrain::bench {
namespace {

struct Layer {
  const char* name;
  std::int64_t height, width, channels, filters, taps, stride;
};

constexpr Layer kLayers[] = {
    {"P2 3x3 256-256", 128, 160, 256, 256, 3, 1}, {"P4 3x3 256-256", 32, 40, 256, 256, 3, 1},
    {"C2 3x3 64-64", 128, 160, 64, 64, 3, 1},     {"C3 3x3 128-128", 64, 80, 128, 128, 3, 1},
    {"C5 3x3 512-512", 16, 20, 512, 512, 3, 1},   {"C4 3x3/2 256-256", 64, 80, 256, 256, 3, 2},
    {"C2 1x1 64-256", 128, 160, 64, 256, 1, 1},   {"C4 1x1 1024-256", 32, 40, 1024, 256, 1, 1},
    {"RPN 1x1 256-12", 128, 160, 256, 12, 1, 1},
};

struct Convolution {
  Conv2dOptions options;
  Nhwc<Bfloat16> x, y;
  Krsc<Bfloat16> w;
  Array<Bfloat16> x_data, w_data, y_data;
  Array<float> scale, shift, dw, dscale;

  Convolution(const Lab& lab, const Layer& l)
      : options{.stride = l.stride, .pad = l.taps / 2, .relu = true} {
    // No fewer than what a tensor copy brings.
    const std::int64_t channels = lab.scaled(l.channels, std::min<std::int64_t>(l.channels, 64));
    const std::int64_t filters = lab.scaled(l.filters, std::min<std::int64_t>(l.filters, 64));
    x = {nullptr, kImages, lab.scaled(l.height, 8), lab.scaled(l.width, 8), channels};
    w = {nullptr, filters, l.taps, l.taps, channels};
    y = {nullptr, kImages, conv2d_out_size(x.height, l.taps, options),
         conv2d_out_size(x.width, l.taps, options), filters};
    x_data = normal<Bfloat16>(lab, x.size(), 1);
    w_data = normal<Bfloat16>(lab, w.size(), 2, 0.05);
    y_data = normal<Bfloat16>(lab, y.size(), 3);
    scale = lab.filled(filters, 1.0f);
    shift = lab.filled(filters, 0.0f);
    dw = lab.make<float>(w.size());
    dscale = lab.make<float>(filters);
    x.data = x_data.data();
    w.data = w_data.data();
    y.data = y_data.data();
  }
  [[nodiscard]] Nhwc<const Bfloat16> cx() const { return x; }
  [[nodiscard]] Nhwc<const Bfloat16> cy() const { return y; }
  [[nodiscard]] Krsc<const Bfloat16> cw() const { return w; }
  [[nodiscard]] Krsc<float> gradient() const {
    return {dw.data(), w.filters, w.rows, w.cols, w.channels};
  }
  [[nodiscard]] Conv2dEpilogue<Bfloat16> epilogue() const {
    return {scale.span(), shift.span(), {}};
  }
};

// One pass of a layer, with cuDNN's beside it.
Job convolution(const Lab& lab, const Layer& layer, ConvPass pass) {
  const Convolution c(lab, layer);
  Job job{.bytes = static_cast<double>(c.x_data.bytes() + c.w_data.bytes() + c.y_data.bytes()),
          .flops = conv2d_flops<Bfloat16>(c.y, c.w),
          .run = {},
          .precision = Precision::kBf16,
          .rivals = {}};
  if constexpr (kCudaBuild) {
    const Krsc<const float> dw = c.gradient();
    const Array<float> space = lab.make<float>(
        pass == ConvPass::kForward ? cuda::conv2d_forward_workspace<Bfloat16>(
                                         c.cx(), c.cw(), c.epilogue(), c.cy(), c.options)
        : pass == ConvPass::kBackwardData
            ? cuda::conv2d_backward_data_workspace<Bfloat16>(c.cy(), c.cw(), c.scale.span(), c.cx(),
                                                             c.options)
            : cuda::conv2d_backward_weights_workspace<Bfloat16>(c.cx(), c.cy(), dw, c.options));
    job.run = [c, space, pass, &lab] {
      if (pass == ConvPass::kForward)
        return cuda::conv2d_forward<Bfloat16>(lab.stream(), c.cx(), c.cw(), c.epilogue(),
                                              space.out(), c.y, c.options);
      if (pass == ConvPass::kBackwardData)
        return cuda::conv2d_backward_data<Bfloat16>(lab.stream(), c.cy(), c.cw(), c.scale.span(),
                                                    space.out(), c.x, c.options);
      cuda::conv2d_backward_weights<Bfloat16>(lab.stream(), c.cx(), c.cy(),
                                              {c.cw(), c.scale.span()}, space.out(), c.gradient(),
                                              c.dscale.out(), c.options);
    };
  }
  const ConvArrays shapes{{nullptr, c.x.batch, c.x.height, c.x.width, c.x.channels},
                          {nullptr, c.w.filters, c.w.rows, c.w.cols, c.w.channels},
                          {nullptr, c.y.batch, c.y.height, c.y.width, c.y.channels},
                          c.options};
  job.rivals = convolution_rivals(lab, shapes, pass, Precision::kBf16);
  return job;
}

// c = op(a) op(b) in bf16, m x n and k long.
Job product(const Lab& lab, std::int64_t rows, std::int64_t cols, std::int64_t depth,
            GemmOptions options) {
  const std::int64_t m = lab.scaled(rows, 64), n = lab.scaled(cols, 64), k = lab.scaled(depth, 64);
  const Array<Bfloat16> a = normal<Bfloat16>(lab, m * k, 1), b = normal<Bfloat16>(lab, k * n, 2),
                        c = lab.make<Bfloat16>(m * n);
  Job job{.bytes = static_cast<double>(a.bytes() + b.bytes() + c.bytes()),
          .flops = 2.0 * static_cast<double>(m * n) * static_cast<double>(k),
          .run = {},
          .precision = Precision::kBf16,
          .rivals = {}};
  const std::int64_t a_cols = options.transpose_a ? m : k, b_cols = options.transpose_b ? k : n;
  if constexpr (kCudaBuild) {
    const Array<float> space = lab.make<float>(
        cuda::gemm_workspace<Bfloat16>(a.rows(a_cols), b.rows(b_cols), {}, c.rows(n), options));
    job.run = [=, &lab] {
      cuda::gemm<Bfloat16>(lab.stream(), a.rows(a_cols), b.rows(b_cols), {}, space.out(),
                           c.out_rows(n), options);
    };
  }
  const ProductArrays shapes{{nullptr, m * k / a_cols, a_cols},
                             {nullptr, k * n / b_cols, b_cols},
                             {nullptr, m, n},
                             options};
  job.rivals = product_rivals(lab, shapes, Precision::kBf16);
  return job;
}

const bool kBf16 = [] {
  const auto add = [](const char* family, const char* op, const char* shape, auto prepare) {
    add_case(family, op, shape, prepare);
    cases().back().cuda_only = true;
  };
  for (const Layer& layer : kLayers)
    for (const auto& [op, pass] : {std::pair{"forward", ConvPass::kForward},
                                   std::pair{"backward_data", ConvPass::kBackwardData},
                                   std::pair{"backward_weights", ConvPass::kBackwardWeights}})
      add("conv2d_bf16", op, layer.name,
          [&layer, pass = pass](const Lab& lab) { return convolution(lab, layer, pass); });
  add("gemm_bf16", "forward", "1024 regions 12544-1024",
      [](const Lab& lab) { return product(lab, 1024, 1024, 12544, {.transpose_b = true}); });
  add("gemm_bf16", "square", "4096",
      [](const Lab& lab) { return product(lab, 4096, 4096, 4096, {}); });
  return true;
}();

}  // namespace
}  // namespace ktrain::bench
