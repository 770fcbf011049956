// Convolutions and matrix products as cases: the same arrays, passes and rivals for float, on both
// devices, and for bf16. Rivals run the bare product, without the epilogue that ours has fused.
#pragma once

#include <algorithm>
#include <functional>
#include <type_traits>
#include <utility>

#include "bench/cases.h"
#include "bench/numbers.h"
#include "bench/rivals/products.h"
#include "kernels/bias_relu.h"
#include "kernels/conv2d.h"
#include "kernels/gemm.h"

namespace ktrain::bench {

struct Layer {
  const char* name;
  std::int64_t height, width, channels, filters, taps, stride;
};

template <class T>
inline constexpr bool kIsFloat = std::is_same_v<T, float>;
template <class T>
inline constexpr Precision kPrecisionOf = kIsFloat<T> ? Precision::kFloat : Precision::kBf16;
// Channels and sides below which a small lab does not go: a line of floats, what a tensor copy
// brings of bf16.
template <class T>
inline constexpr std::int64_t kLeast = kIsFloat<T> ? 8 : 64;

// A layer's arrays.
template <class T>
struct Convolution {
  Conv2dOptions options;
  Nhwc<T> x, y;
  Krsc<T> w;
  Array<T> x_data, w_data, y_data;
  Array<float> scale, shift, dw, dscale;

  Convolution(const Lab& lab, const Layer& l)
      : options{.stride = l.stride, .pad = l.taps / 2, .relu = true} {
    const std::int64_t channels = lab.scaled(l.channels, std::min(l.channels, kLeast<T>));
    const std::int64_t filters = lab.scaled(l.filters, std::min(l.filters, kLeast<T>));
    x = {nullptr, kImages, lab.scaled(l.height, 8), lab.scaled(l.width, 8), channels};
    w = {nullptr, filters, l.taps, l.taps, channels};
    y = {nullptr, kImages, conv2d_out_size(x.height, l.taps, options),
         conv2d_out_size(x.width, l.taps, options), filters};
    x_data = normal<T>(lab, x.size(), 1);
    w_data = normal<T>(lab, w.size(), 2, 0.05);
    y_data = normal<T>(lab, y.size(), 3);
    scale = lab.filled(filters, 1.0f);  // so that results can be held against rivals'
    shift = lab.filled(filters, 0.0f);
    dw = lab.make<float>(w.size());
    dscale = lab.make<float>(filters);
    x.data = x_data.data();
    w.data = w_data.data();
    y.data = y_data.data();
  }
  [[nodiscard]] Nhwc<const T> cx() const { return x; }
  [[nodiscard]] Nhwc<const T> cy() const { return y; }
  [[nodiscard]] Krsc<const T> cw() const { return w; }
  [[nodiscard]] Krsc<float> gradient() const {
    return {dw.data(), w.filters, w.rows, w.cols, w.channels};
  }
  [[nodiscard]] Conv2dEpilogue<T> epilogue() const { return {scale.span(), shift.span(), {}}; }

  [[nodiscard]] std::int64_t workspace(const Lab& lab, ConvPass pass,
                                       const Conv2dOptions& o) const {
    const Krsc<const float> to = gradient();
    const bool gpu = lab.cuda();
    if (pass == ConvPass::kForward)
      return gpu ? cuda::conv2d_forward_workspace<T>(cx(), cw(), epilogue(), cy(), o)
                 : cpu::conv2d_forward_workspace<T>(cx(), cw(), epilogue(), cy(), o);
    if (pass == ConvPass::kBackwardData)
      return gpu ? cuda::conv2d_backward_data_workspace<T>(cy(), cw(), scale.span(), cx(), o)
                 : cpu::conv2d_backward_data_workspace<T>(cy(), cw(), scale.span(), cx(), o);
    return gpu ? cuda::conv2d_backward_weights_workspace<T>(cx(), cy(), to, {}, o)
               : cpu::conv2d_backward_weights_workspace<T>(cx(), cy(), to, {}, o);
  }
  void run(const Lab& lab, ConvPass pass, const Array<float>& space, const Conv2dOptions& o) const {
    const Conv2dEpilogue<T> end = epilogue();
    const Conv2dScaled<T> scaled{cw(), scale.span()};
    if (pass == ConvPass::kForward)
      KT_RUN(lab.queue(), conv2d_forward, cx(), cw(), end, space.out(), y, o);
    else if (pass == ConvPass::kBackwardData)
      KT_RUN(lab.queue(), conv2d_backward_data, cy(), cw(), scale.span(), space.out(), x, o);
    else
      KT_RUN(lab.queue(), conv2d_backward_weights, cx(), cy(), scaled, space.out(), gradient(),
             dscale.out(), {}, o);
  }
  // For rivals: of bf16 the shapes alone, since they have arrays of their own.
  [[nodiscard]] ConvArrays arrays(ConvPass pass) const {
    if constexpr (kIsFloat<T>)
      return {x, pass == ConvPass::kBackwardWeights ? gradient() : w, y, options};
    else
      return {{nullptr, x.batch, x.height, x.width, x.channels},
              {nullptr, w.filters, w.rows, w.cols, w.channels},
              {nullptr, y.batch, y.height, y.width, y.channels},
              options};
  }
};

// One pass of a layer: each of its three arrays once, and the work of the product.
template <class T>
Job convolution(const Lab& lab, const Layer& layer, ConvPass pass) {
  const Convolution<T> c(lab, layer);
  const auto engine = [&](ConvEngine e) {
    Conv2dOptions options = c.options;
    options.engine = e;
    const Array<float> space = lab.make<float>(c.workspace(lab, pass, options));
    return [c, space, options, pass, &lab] { c.run(lab, pass, space, options); };
  };
  Job job{.bytes = static_cast<double>(c.x_data.bytes() + c.w_data.bytes() + c.y_data.bytes()),
          .flops = conv2d_flops<T>(c.y, c.w),
          .run = engine(ConvEngine::kAuto),
          .precision = kPrecisionOf<T>,
          .rivals = {}};
  if constexpr (kIsFloat<T>) {
    if (!lab.cuda()) job.rivals.push_back({"oneDNN float", engine(ConvEngine::kOneDnn), {}});
    job.output = pass == ConvPass::kBackwardWeights ? c.dw
                 : pass == ConvPass::kForward       ? c.y_data
                                                    : c.x_data;
    job.relu = pass == ConvPass::kForward;
  }
  for (Rival& rival : convolution_rivals(lab, c.arrays(pass), pass, kPrecisionOf<T>))
    job.rivals.push_back(std::move(rival));
  return job;
}

// The gradient of the shift along with those of the filters, beside one by a pass over g after
// them.
template <class T>
Job convolution_and_shift(const Lab& lab, const Layer& layer) {
  const Convolution<T> c(lab, layer);
  const std::int64_t rows = c.cy().pixels(), cols = c.w.filters;
  const Array<float> dshift = lab.make<float>(cols);
  const Conv2dScaled<T> scaled{c.cw(), c.scale.span()};
  const Krsc<const float> to = c.gradient();
  const Array<float> space =
      lab.make<float>(lab.cuda() ? cuda::conv2d_backward_weights_workspace<T>(
                                       c.cx(), c.cy(), to, dshift.span(), c.options)
                                 : cpu::conv2d_backward_weights_workspace<T>(
                                       c.cx(), c.cy(), to, dshift.span(), c.options));
  const Array<float> filters_space =
      lab.make<float>(c.workspace(lab, ConvPass::kBackwardWeights, c.options));
  const Array<float> sums_space = lab.make<float>(cpu::bias_relu_backward_workspace(rows, cols));
  Job job{.bytes = static_cast<double>(c.x_data.bytes() + c.w_data.bytes() + c.y_data.bytes()),
          .flops = conv2d_flops<T>(c.y, c.w),
          .run =
              [=, &lab] {
                KT_RUN(lab.queue(), conv2d_backward_weights, c.cx(), c.cy(), scaled, space.out(),
                       c.gradient(), c.dscale.out(), dshift.out(), c.options);
              },
          .precision = kPrecisionOf<T>,
          .rivals = {}};
  job.rivals.push_back({"column sums after it",
                        [=, &lab] {
                          c.run(lab, ConvPass::kBackwardWeights, filters_space, c.options);
                          const Rows<const T> no_y, g{c.y.data, rows, cols};
                          KT_RUN(lab.queue(), bias_relu_backward, no_y, g, sums_space.out(),
                                 Rows<T>{}, dshift.out());
                        },
                        {}});
  job.output = dshift;
  return job;
}

// c = op(a) op(b), m x n and k long.
template <class T>
Job product(const Lab& lab, std::int64_t rows, std::int64_t cols, std::int64_t depth,
            const GemmOptions& options) {
  const std::int64_t m = lab.scaled(rows, kLeast<T>), n = lab.scaled(cols, kLeast<T>),
                     k = lab.scaled(depth, kLeast<T>);
  const Array<T> a = normal<T>(lab, m * k, 1), b = normal<T>(lab, k * n, 2), c = lab.make<T>(m * n);
  const Rows<const T> left = a.rows(options.transpose_a ? m : k),
                      right = b.rows(options.transpose_b ? k : n);
  const Rows<T> out = c.out_rows(n);
  const Rows<const T> shape = out;
  const Span<const float> bias;
  const Array<float> space =
      lab.make<float>(lab.cuda() ? cuda::gemm_workspace<T>(left, right, bias, shape, options)
                                 : cpu::gemm_workspace<T>(left, right, bias, shape, options));
  Job job{.bytes = static_cast<double>(a.bytes() + b.bytes() + c.bytes()),
          .flops = 2.0 * static_cast<double>(m * n) * static_cast<double>(k),
          .run =
              [=, &lab] {
                (void)a, (void)b, (void)c;  // what the views point to
                KT_RUN(lab.queue(), gemm, left, right, bias, space.out(), out, options);
              },
          .precision = kPrecisionOf<T>,
          .rivals = {}};
  ProductArrays arrays{
      {nullptr, left.rows, left.cols}, {nullptr, right.rows, right.cols}, {nullptr, m, n}, options};
  if constexpr (kIsFloat<T>) {
    job.output = c;
    arrays = {left, right, out, options};
  }
  job.rivals = product_rivals(lab, arrays, kPrecisionOf<T>);
  return job;
}

// A linear layer's gradient, of its weights with the bias along (`weights`) or of its input through
// the ReLU that made it, beside a pass for the sums or the mask after it.
template <class T>
Job linear_gradient(const Lab& lab, bool weights, std::int64_t wanted_rows, std::int64_t inputs,
                    std::int64_t outputs) {
  const std::int64_t rows = lab.scaled(wanted_rows, kLeast<T>), in = lab.scaled(inputs, kLeast<T>),
                     out = lab.scaled(outputs, kLeast<T>);
  const Array<T> g = normal<T>(lab, rows * out, 1), x = normal<T>(lab, rows * in, 2),
                 w = normal<T>(lab, out * in, 3, 0.05), dx = lab.make<T>(rows * in);
  const Array<float> dw = lab.make<float>(out * in), dbias = lab.make<float>(out);
  const Rows<const T> left = g.rows(out), right = weights ? x.rows(in) : w.rows(in),
                      input = x.rows(in);
  const GemmOptions options{.transpose_a = weights};
  GemmSides<T> sides;
  if (weights)
    sides.row_sums = dbias.out();
  else
    sides.end.positive = x.span();
  const Rows<const T> shape{nullptr, weights ? out : rows, in};
  const auto room = [&](const GemmSides<T>& with) {
    return lab.make<float>(lab.cuda()
                               ? cuda::gemm_workspace<T>(left, right, {}, shape, options, with)
                               : cpu::gemm_workspace<T>(left, right, {}, shape, options, with));
  };
  const auto multiply = [=, &lab](const Array<float>& space, const GemmSides<T>& with) {
    (void)g, (void)x, (void)w;  // what the views point to
    const Span<const float> bias;
    if (weights)
      KT_RUN(lab.queue(), gemm, left, right, bias, space.out(), dw.out_rows(in), options, with);
    else
      KT_RUN(lab.queue(), gemm, left, right, bias, space.out(), dx.out_rows(in), options, with);
  };
  const Array<float> space = room(sides), alone = room({}),
                     for_sums = lab.make<float>(cpu::bias_relu_backward_workspace(rows, out));
  Job job{.bytes = static_cast<double>(g.bytes() + x.bytes() +
                                       (weights ? dw.bytes() : w.bytes() + dx.bytes())),
          .flops = 2.0 * static_cast<double>(rows * in) * static_cast<double>(out),
          .run = [=] { multiply(space, sides); },
          .precision = kPrecisionOf<T>,
          .rivals = {}};
  job.rivals.push_back({weights ? "column sums after it" : "mask after it",
                        [=, &lab] {
                          multiply(alone, {});
                          const Rows<const T> none;
                          if (weights)
                            KT_RUN(lab.queue(), bias_relu_backward, none, left, for_sums.out(),
                                   Rows<T>{}, dbias.out());
                          else
                            KT_RUN(lab.queue(), bias_relu_backward, input, dx.rows(in),
                                   Span<float>{}, dx.out_rows(in), Span<float>{});
                        },
                        {}});
  if (weights) job.output = dbias;
  if constexpr (kIsFloat<T>)
    if (!weights) job.output = dx;
  return job;
}

// The three passes of a layer as cases of `family`.
template <class T>
void add_convolutions(const char* family, const Layer& layer) {
  for (const auto& [op, pass] : {std::pair{"forward", ConvPass::kForward},
                                 std::pair{"backward_data", ConvPass::kBackwardData},
                                 std::pair{"backward_weights", ConvPass::kBackwardWeights}}) {
    add_case(family, op, layer.name,
             [&layer, pass = pass](const Lab& lab) { return convolution<T>(lab, layer, pass); });
    cases().back().cuda_only = !kIsFloat<T>;
  }
}

template <class T>
void add_linear_gradients(const char* family) {
  for (const bool weights : {true, false}) {
    add_case(family, weights ? "backward_weights + bias" : "backward_data + mask",
             "1024 regions 1024-1024", [weights](const Lab& lab) {
               return linear_gradient<T>(lab, weights, 1024, 1024, 1024);
             });
    cases().back().cuda_only = !kIsFloat<T>;
  }
}

template <class T>
void add_convolution_and_shift(const char* family, const Layer& layer) {
  add_case(family, "backward_weights + shift", layer.name,
           [&layer](const Lab& lab) { return convolution_and_shift<T>(lab, layer); });
  cases().back().cuda_only = !kIsFloat<T>;
}

}  // namespace ktrain::bench
