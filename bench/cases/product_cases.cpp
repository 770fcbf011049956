// Convolutions and matrix products of a training step of two R50-FPN streams: every distinct shape
// of one stream, the fusion, the RPN and the RoI head; forward (scale, shift, ReLU), data and
// weight gradients. Rivals run the bare product, without the epilogue that ours has fused.
#include "bench/cases.h"
#include "bench/rivals/products.h"
#include "kernels/bias_relu.h"
#include "kernels/columns.h"
#include "kernels/conv2d.h"
#include "kernels/gemm.h"

namespace ktrain::bench {
namespace {

struct Layer {
  const char* name;
  std::int64_t height, width, channels, filters, taps, stride;
};

// 3x3 256-256 first: nearly half of all work of a step.
constexpr Layer kLayers[] = {
    {"P2 3x3 256-256", 128, 160, 256, 256, 3, 1},
    {"P3 3x3 256-256", 64, 80, 256, 256, 3, 1},
    {"P4 3x3 256-256", 32, 40, 256, 256, 3, 1},
    {"P5 3x3 256-256", 16, 20, 256, 256, 3, 1},
    {"P6 3x3 256-256", 8, 10, 256, 256, 3, 1},
    {"stem 7x7/2 3-64", 512, 640, 3, 64, 7, 2},
    {"C2 1x1 64-64", 128, 160, 64, 64, 1, 1},
    {"C2 3x3 64-64", 128, 160, 64, 64, 3, 1},
    {"C2 1x1 64-256", 128, 160, 64, 256, 1, 1},
    {"C2 1x1 256-64", 128, 160, 256, 64, 1, 1},
    {"C3 1x1 256-128", 128, 160, 256, 128, 1, 1},
    {"C3 3x3/2 128-128", 128, 160, 128, 128, 3, 2},
    {"C3 1x1/2 256-512", 128, 160, 256, 512, 1, 2},
    {"C3 1x1 512-128", 64, 80, 512, 128, 1, 1},
    {"C3 3x3 128-128", 64, 80, 128, 128, 3, 1},
    {"C3 1x1 128-512", 64, 80, 128, 512, 1, 1},
    {"C4 1x1 512-256", 64, 80, 512, 256, 1, 1},
    {"C4 3x3/2 256-256", 64, 80, 256, 256, 3, 2},
    {"C4 1x1/2 512-1024", 64, 80, 512, 1024, 1, 2},
    {"C4 1x1 1024-256", 32, 40, 1024, 256, 1, 1},
    {"C4 1x1 256-1024", 32, 40, 256, 1024, 1, 1},
    {"C5 1x1 1024-512", 32, 40, 1024, 512, 1, 1},
    {"C5 3x3/2 512-512", 32, 40, 512, 512, 3, 2},
    {"C5 1x1/2 1024-2048", 32, 40, 1024, 2048, 1, 2},
    {"C5 1x1 2048-512", 16, 20, 2048, 512, 1, 1},
    {"C5 3x3 512-512", 16, 20, 512, 512, 3, 1},
    {"C5 1x1 512-2048", 16, 20, 512, 2048, 1, 1},
    {"lateral 1x1 256-256", 128, 160, 256, 256, 1, 1},
    {"lateral 1x1 2048-256", 16, 20, 2048, 256, 1, 1},
    {"fusion 1x1 512-256", 128, 160, 512, 256, 1, 1},
    {"RPN 1x1 256-3", 128, 160, 256, 3, 1, 1},
    {"RPN 1x1 256-12", 128, 160, 256, 12, 1, 1},
};

// A layer's arrays.
struct Convolution {
  Conv2dOptions options;
  Nhwc<float> x, y;
  Krsc<float> w;
  Array<float> x_data, w_data, y_data, scale, shift, dw, dscale;

  Convolution(const Lab& lab, const Layer& l)
      : options{.stride = l.stride, .pad = l.taps / 2, .relu = true} {
    const std::int64_t channels = lab.scaled(l.channels, std::min<std::int64_t>(l.channels, 8));
    const std::int64_t filters = lab.scaled(l.filters, std::min<std::int64_t>(l.filters, 8));
    x = {nullptr, kImages, lab.scaled(l.height, 8), lab.scaled(l.width, 8), channels};
    w = {nullptr, filters, l.taps, l.taps, channels};
    y = {nullptr, kImages, conv2d_out_size(x.height, l.taps, options),
         conv2d_out_size(x.width, l.taps, options), filters};
    x_data = lab.normal(x.size(), 1);
    w_data = lab.normal(w.size(), 2, 0.05);
    y_data = lab.normal(y.size(), 3);
    scale = lab.filled(filters, 1.0f);  // so that results can be held against rivals'
    shift = lab.filled(filters, 0.0f);
    dw = lab.make<float>(w.size());
    dscale = lab.make<float>(filters);
    x.data = x_data.data();
    w.data = w_data.data();
    y.data = y_data.data();
  }
  [[nodiscard]] Nhwc<const float> cx() const { return x; }
  [[nodiscard]] Nhwc<const float> cy() const { return y; }
  [[nodiscard]] Krsc<const float> cw() const { return w; }
  [[nodiscard]] Krsc<float> filters_gradient() const {
    return {dw.data(), w.filters, w.rows, w.cols, w.channels};
  }
  // Each of the three arrays once, and the work of one pass.
  [[nodiscard]] Job job(std::function<void()> run) const {
    return {.bytes = static_cast<double>(x_data.bytes() + w_data.bytes() + y_data.bytes()),
            .flops = conv2d_flops<float>(y, w),
            .run = std::move(run),
            .rivals = {}};
  }
};

void add_rivals(Job& job, const Lab& lab, const Convolution& c, ConvPass pass) {
  const bool filters = pass == ConvPass::kBackwardWeights;
  const ConvArrays arrays{c.x, filters ? c.filters_gradient() : c.w, c.y, c.options};
  job.output = filters ? c.dw : pass == ConvPass::kForward ? c.y_data : c.x_data;
  job.relu = pass == ConvPass::kForward;
  for (Rival& rival : convolution_rivals(lab, arrays, pass)) job.rivals.push_back(std::move(rival));
}

Job forward(const Lab& lab, const Layer& layer) {
  const Convolution c(lab, layer);
  const auto run = [&lab](const Convolution& k, const Array<float>& workspace, ConvEngine engine) {
    Conv2dOptions options = k.options;
    options.engine = engine;
    const Conv2dEpilogue<float> epilogue{k.scale.span(), k.shift.span(), {}};
    KT_RUN(lab.queue(), conv2d_forward, k.cx(), k.cw(), epilogue, workspace.out(), k.y, options);
  };
  const auto workspace = [&](ConvEngine engine) {
    Conv2dOptions options = c.options;
    options.engine = engine;
    const Conv2dEpilogue<float> epilogue{c.scale.span(), c.shift.span(), {}};
    return lab.make<float>(
        lab.cuda()
            ? cuda::conv2d_forward_workspace<float>(c.cx(), c.cw(), epilogue, c.cy(), options)
            : cpu::conv2d_forward_workspace<float>(c.cx(), c.cw(), epilogue, c.cy(), options));
  };
  const auto engine = [&](ConvEngine e) {
    return [c, run, e, space = workspace(e)] { run(c, space, e); };
  };
  Job job = c.job(engine(ConvEngine::kAuto));
  if (!lab.cuda()) job.rivals.push_back({"oneDNN float", engine(ConvEngine::kOneDnn), {}});
  add_rivals(job, lab, c, ConvPass::kForward);
  return job;
}

Job backward_data(const Lab& lab, const Layer& layer) {
  const Convolution c(lab, layer);
  const auto engine = [&](ConvEngine e) {
    Conv2dOptions options = c.options;
    options.engine = e;
    const Array<float> space =
        lab.make<float>(lab.cuda() ? cuda::conv2d_backward_data_workspace<float>(
                                         c.cy(), c.cw(), c.scale.span(), c.cx(), options)
                                   : cpu::conv2d_backward_data_workspace<float>(
                                         c.cy(), c.cw(), c.scale.span(), c.cx(), options));
    return [c, space, options, &lab] {
      KT_RUN(lab.queue(), conv2d_backward_data, c.cy(), c.cw(), c.scale.span(), space.out(), c.x,
             options);
    };
  };
  Job job = c.job(engine(ConvEngine::kAuto));
  if (!lab.cuda()) job.rivals.push_back({"oneDNN float", engine(ConvEngine::kOneDnn), {}});
  add_rivals(job, lab, c, ConvPass::kBackwardData);
  return job;
}

Job backward_weights(const Lab& lab, const Layer& layer) {
  const Convolution c(lab, layer);
  const auto engine = [&](ConvEngine e) {
    Conv2dOptions options = c.options;
    options.engine = e;
    const Krsc<const float> dw = c.filters_gradient();
    const Array<float> space = lab.make<float>(
        lab.cuda() ? cuda::conv2d_backward_weights_workspace<float>(c.cx(), c.cy(), dw, options)
                   : cpu::conv2d_backward_weights_workspace<float>(c.cx(), c.cy(), dw, options));
    return [c, space, options, &lab] {
      const Conv2dScaled<float> scaled{c.cw(), c.scale.span()};
      KT_RUN(lab.queue(), conv2d_backward_weights, c.cx(), c.cy(), scaled, space.out(),
             c.filters_gradient(), c.dscale.out(), options);
    };
  };
  Job job = c.job(engine(ConvEngine::kAuto));
  if (!lab.cuda()) job.rivals.push_back({"oneDNN float", engine(ConvEngine::kOneDnn), {}});
  add_rivals(job, lab, c, ConvPass::kBackwardWeights);
  return job;
}

const bool kConvolutions = [] {
  for (const Layer& layer : kLayers) {
    add_case("conv2d", "forward", layer.name, [&](const Lab& lab) { return forward(lab, layer); });
    add_case("conv2d", "backward_data", layer.name,
             [&](const Lab& lab) { return backward_data(lab, layer); });
    add_case("conv2d", "backward_weights", layer.name,
             [&](const Lab& lab) { return backward_weights(lab, layer); });
  }
  return true;
}();

// c = op(a) op(b), m x n and k long.
Job product(const Lab& lab, std::int64_t rows, std::int64_t cols, std::int64_t depth,
            GemmOptions options) {
  const std::int64_t m = lab.scaled(rows, 8), n = lab.scaled(cols, 8), k = lab.scaled(depth, 8);
  const Array<float> a = lab.normal(m * k, 1), b = lab.normal(k * n, 2), c = lab.make<float>(m * n);
  const Rows<const float> left = a.rows(options.transpose_a ? m : k),
                          right = b.rows(options.transpose_b ? k : n);
  const Rows<float> out = c.out_rows(n);
  const Rows<const float> shape = out;
  const Span<const float> bias;
  const Array<float> workspace =
      lab.make<float>(lab.cuda() ? cuda::gemm_workspace<float>(left, right, bias, shape, options)
                                 : cpu::gemm_workspace<float>(left, right, bias, shape, options));
  Job job{.bytes = static_cast<double>(a.bytes() + b.bytes() + c.bytes()),
          .flops = 2.0 * static_cast<double>(m * n) * static_cast<double>(k),
          .run =
              [=, &lab] {
                (void)a, (void)b, (void)c;  // what the views point to
                KT_RUN(lab.queue(), gemm, left, right, bias, workspace.out(), out, options);
              },
          .rivals = {}};
  job.output = c;
  for (Rival& rival : product_rivals(lab, {left, right, out, options}))
    job.rivals.push_back(std::move(rival));
  return job;
}

// The layers of the RoI head for 512 regions of each of two images, and their gradients.
void add_linear(const char* shape, std::int64_t inputs, std::int64_t outputs) {
  constexpr std::int64_t kRegions = 1024;
  add_case("gemm", "forward", shape, [=](const Lab& lab) {
    return product(lab, kRegions, outputs, inputs, {.transpose_a = false, .transpose_b = true});
  });
  add_case("gemm", "backward_data", shape,
           [=](const Lab& lab) { return product(lab, kRegions, inputs, outputs, {}); });
  add_case("gemm", "backward_weights", shape, [=](const Lab& lab) {
    return product(lab, outputs, inputs, kRegions, {.transpose_a = true});
  });
}

Job bias_relu(const Lab& lab, std::int64_t wanted_rows, std::int64_t cols) {
  const std::int64_t rows = lab.scaled(wanted_rows);
  const Array<float> y = lab.normal(rows * cols, 1), dy = lab.normal(rows * cols, 2),
                     g = lab.make<float>(rows * cols), dbias = lab.make<float>(cols);
  const Array<float> workspace = lab.make<float>(cpu::bias_relu_backward_workspace(rows, cols));
  return {.bytes = static_cast<double>(y.bytes() + dy.bytes() + g.bytes()),
          .flops = static_cast<double>(rows * cols),
          .run =
              [=, &lab] {
                KT_RUN(lab.queue(), bias_relu_backward, y.rows(cols), dy.rows(cols),
                       workspace.out(), g.out_rows(cols), dbias.out());
              },
          .rivals = {}};
}

Job columns(const Lab& lab) {
  const std::int64_t rows = lab.scaled(kImages * 128 * 160);
  const Array<float> x = lab.normal(rows * 256), y = lab.make<float>(rows * 512);
  return {.bytes = 2.0 * static_cast<double>(x.bytes()),
          .run =
              [=, &lab] {
                KT_RUN(lab.queue(), place_columns, x.rows(256), y.out_rows(512), std::int64_t{256});
              },
          .rivals = {}};
}

const bool kLinear = [] {
  add_linear("1024 regions 12544-1024", 12544, 1024);
  add_linear("1024 regions 1024-1024", 1024, 1024);
  add_linear("1024 regions 1024-8", 1024, 8);
  add_case("gemm", "square", "4096",
           [](const Lab& lab) { return product(lab, 4096, 4096, 4096, {}); });
  add_case("bias_relu", "backward", "P2 pixels x 256",
           [](const Lab& lab) { return bias_relu(lab, kImages * 128 * 160, 256); });
  add_case("bias_relu", "backward", "1024 regions x 1024",
           [](const Lab& lab) { return bias_relu(lab, 1024, 1024); });
  add_case("columns", "place", "256 of 512, P2 pixels", columns);
  return true;
}();

}  // namespace
}  // namespace ktrain::bench
