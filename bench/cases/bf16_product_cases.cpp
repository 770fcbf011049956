// Products of bf16, which are CUDA's alone: the shapes that most work of a step is in. What of them
// the tier of Hopper's own instructions gives shows a second run with KT_WGMMA=1; without it all
// are left to mma.sync.
#include "bench/cases/product_jobs.h"

namespace ktrain::bench {
namespace {

constexpr Layer kShifted = {"P3 3x3 256-256", 64, 80, 256, 256, 3, 1};
constexpr Layer kLayers[] = {
    {"P2 3x3 256-256", 128, 160, 256, 256, 3, 1}, {"P4 3x3 256-256", 32, 40, 256, 256, 3, 1},
    {"C2 3x3 64-64", 128, 160, 64, 64, 3, 1},     {"C3 3x3 128-128", 64, 80, 128, 128, 3, 1},
    {"C5 3x3 512-512", 16, 20, 512, 512, 3, 1},   {"C4 3x3/2 256-256", 64, 80, 256, 256, 3, 2},
    {"C2 1x1 64-256", 128, 160, 64, 256, 1, 1},   {"C4 1x1 1024-256", 32, 40, 1024, 256, 1, 1},
    {"RPN 1x1 256-12", 128, 160, 256, 12, 1, 1},
};

const bool kBf16 = [] {
  for (const Layer& layer : kLayers) add_convolutions<Bfloat16>("conv2d_bf16", layer);
  add_convolution_and_shift<Bfloat16>("conv2d_bf16", kShifted);
  add_linear_gradients<Bfloat16>("gemm_bf16");
  const auto add = [](const char* op, const char* shape, auto prepare) {
    add_case("gemm_bf16", op, shape, prepare);
    cases().back().cuda_only = true;
  };
  add("forward", "1024 regions 12544-1024", [](const Lab& lab) {
    return product<Bfloat16>(lab, 1024, 1024, 12544, {.transpose_b = true});
  });
  add("square", "4096",
      [](const Lab& lab) { return product<Bfloat16>(lab, 4096, 4096, 4096, {}); });
  return true;
}();

}  // namespace
}  // namespace ktrain::bench
