// The project's own products and convolutions, compiled without their barriers
// (without_barriers.h).
#include <type_traits>

#include "kernels/bias_relu.h"
#include "kernels/conv2d.h"
#include "kernels/gemm.h"
#include "tests/emulation/bench.cuh"
#include "tests/emulation/defects.h"
#include "tests/support/wgmma.h"

namespace ktrain::test {
namespace {

bool product_without_barriers() {
  DefectBench b;
  cuda::gemm<float>(b.stream.get(), {b.dx.data(), 16, 32}, {b.dx.data(), 32, 20}, {}, {},
                    {b.y.data(), 16, 20}, {});
  std::vector<float> want(16 * 20);
  cpu::gemm<float>({b.x.data(), 16, 32}, {b.x.data(), 32, 20}, {}, {}, {want.data(), 16, 20},
                   {.engine = GemmEngine::kReference});
  return b.gives(want);
}

bool convolution_without_barriers() {
  DefectBench b;
  cuda::conv2d_forward<float>(b.stream.get(), {b.dx.data(), 1, 8, 8, 4}, {b.dx.data(), 4, 3, 3, 4},
                              {}, {}, {b.y.data(), 1, 8, 8, 4}, {.pad = 1});
  std::vector<float> want(8 * 8 * 4);
  cpu::conv2d_forward<float>({b.x.data(), 1, 8, 8, 4}, {b.x.data(), 4, 3, 3, 4}, {}, {},
                             {want.data(), 1, 8, 8, 4},
                             {.pad = 1, .engine = ConvEngine::kReference});
  return b.gives(want);
}

// Small whole numbers, so that tf32 and bf16 hold them.
std::vector<float> small_numbers(std::size_t count) {
  std::vector<float> x;
  for (std::size_t i = 0; i < count; ++i) x.push_back(static_cast<float>(i * i % 11) - 5);
  return x;
}

std::vector<Bfloat16> as_bf16(const std::vector<float>& x) {
  std::vector<Bfloat16> result;
  for (const float v : x) result.push_back(to_bfloat16(v));
  return result;
}

template <class T>
bool tensor_core_product_without_barriers() {
  DefectBench b;
  const std::vector<float> x = small_numbers(640);
  std::vector<T> values;
  if constexpr (std::is_same_v<T, float>)
    values = x;
  else
    values = as_bf16(x);
  const DeviceView<T> dx(b.stream.get(), values);
  GemmOptions options;
  if (std::is_same_v<T, float>) options.precision = Precision::kTf32;
  cuda::gemm(b.stream.get(), Rows<const T>{dx.data(), 16, 32}, Rows<const T>{dx.data(), 32, 16}, {},
             {}, Rows<float>{b.y.data(), 16, 16}, options);
  std::vector<float> want(16 * 16);
  cpu::gemm<float>({x.data(), 16, 32}, {x.data(), 32, 16}, {}, {}, {want.data(), 16, 16},
                   {.engine = GemmEngine::kReference});
  return b.gives(want);
}

bool wgmma_product_without_barriers() {
  const WgmmaSetting wgmma(true);
  return tensor_core_product_without_barriers<Bfloat16>();
}

bool bf16_convolution_without_barriers() {
  DefectBench b;
  const std::vector<float> x = small_numbers(640);
  const DeviceView<Bfloat16> dx(b.stream.get(), as_bf16(x));
  cuda::conv2d_backward_weights<Bfloat16>(b.stream.get(), {dx.data(), 1, 4, 4, 8},
                                          {dx.data(), 1, 4, 4, 8}, {}, {}, {b.y.data(), 8, 3, 3, 8},
                                          {}, {}, {.pad = 1});
  std::vector<float> want(8 * 9 * 8);
  cpu::conv2d_backward_weights<float>({x.data(), 1, 4, 4, 8}, {x.data(), 1, 4, 4, 8}, {}, {},
                                      {want.data(), 8, 3, 3, 8}, {}, {},
                                      {.pad = 1, .engine = ConvEngine::kReference});
  return b.gives(want);
}

bool shift_gradient_without_barriers() {
  DefectBench b;
  const DeviceView<float> dw(10 * 4);
  cuda::conv2d_backward_weights<float>(b.stream.get(), {b.dx.data(), 1, 8, 8, 4},
                                       {b.dx.data(), 1, 8, 8, 10}, {}, {}, {dw.data(), 10, 1, 1, 4},
                                       {}, {b.y.data(), 10}, {});
  std::vector<float> want(10, 0.0f);
  for (std::size_t i = 0; i < b.x.size(); ++i) want[i % 10] += b.x[i];
  return b.gives(want);
}

bool bias_gradient_without_barriers() {
  DefectBench b;
  const DeviceView<float> workspace(10);
  cuda::bias_relu_backward<float>(b.stream.get(), {}, {b.dx.data(), 64, 10}, workspace.span(), {},
                                  {b.y.data(), 10});
  std::vector<float> want(10, 0.0f);
  for (std::size_t i = 0; i < b.x.size(); ++i) want[i % 10] += b.x[i];
  return b.gives(want);
}

}  // namespace

std::vector<Defect> stripped_products() {
  return {
      {"matrix product without barriers",
       {'W', 'W', 'W', 'E'},
       "race|what nobody wrote",
       product_without_barriers},
      {"convolution without barriers",
       {'W', 'W', 'W', 'E'},
       "race|what nobody wrote",
       convolution_without_barriers},
      {"tf32 product without barriers",
       {'W', 'W', 'W', 'E'},
       "race|what nobody wrote",
       tensor_core_product_without_barriers<float>},
      {"bf16 product without barriers",
       {'W', 'W', 'W', 'E'},
       "race|what nobody wrote",
       tensor_core_product_without_barriers<Bfloat16>},
      {"wgmma product without barriers",
       {'E', 'E', 'E', 'E'},
       "nobody made|race|what nobody wrote",
       wgmma_product_without_barriers},
      {"bf16 convolution without barriers",
       {'W', 'W', 'W', 'E'},
       "race|what nobody wrote",
       bf16_convolution_without_barriers},
      {"shift gradient without barriers",
       {'W', 'W', 'W', 'E'},
       "race|what nobody wrote",
       shift_gradient_without_barriers},
      {"bias gradient without barriers",
       {'W', 'W', 'W', 'E'},
       "race|what nobody wrote",
       bias_gradient_without_barriers},
  };
}

}  // namespace ktrain::test
