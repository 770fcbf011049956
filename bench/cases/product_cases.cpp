// Convolutions and matrix products of a training step of two R50-FPN streams: every distinct shape
// of one stream, the fusion, the RPN and the RoI head; forward (scale, shift, ReLU), data and
// weight gradients.
#include "bench/cases/product_jobs.h"
#include "kernels/bias_relu.h"
#include "kernels/columns.h"

namespace ktrain::bench {
namespace {

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

const bool kConvolutions = [] {
  for (const Layer& layer : kLayers) add_convolutions<float>("conv2d", layer);
  add_convolution_and_shift<float>("conv2d", kLayers[1]);
  return true;
}();

// The layers of the RoI head for 512 regions of each of two images, and their gradients.
void add_linear(const char* shape, std::int64_t inputs, std::int64_t outputs) {
  constexpr std::int64_t kRegions = 1024;
  add_case("gemm", "forward", shape, [=](const Lab& lab) {
    return product<float>(lab, kRegions, outputs, inputs,
                          {.transpose_a = false, .transpose_b = true});
  });
  add_case("gemm", "backward_data", shape,
           [=](const Lab& lab) { return product<float>(lab, kRegions, inputs, outputs, {}); });
  add_case("gemm", "backward_weights", shape, [=](const Lab& lab) {
    return product<float>(lab, outputs, inputs, kRegions, {.transpose_a = true});
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
  add_linear_gradients<float>("gemm");
  add_case("gemm", "square", "4096",
           [](const Lab& lab) { return product<float>(lab, 4096, 4096, 4096, {}); });
  add_case("bias_relu", "backward", "P2 pixels x 256",
           [](const Lab& lab) { return bias_relu(lab, kImages * 128 * 160, 256); });
  add_case("bias_relu", "backward", "1024 regions x 1024",
           [](const Lab& lab) { return bias_relu(lab, 1024, 1024); });
  add_case("columns", "place", "256 of 512, P2 pixels", columns);
  return true;
}();

}  // namespace
}  // namespace ktrain::bench
