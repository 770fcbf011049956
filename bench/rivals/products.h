// Other libraries' convolutions and matrix products, on the arrays of our own benchmark.
#pragma once

#include <string>
#include <vector>

#include "bench/cases.h"
#include "kernels/conv2d.h"
#include "kernels/gemm.h"

namespace ktrain::bench {

enum class ConvPass : std::uint8_t { kForward, kBackwardData, kBackwardWeights };

// x, w, y of a layer, of which the pass writes one: y, x, or w.
struct ConvArrays {
  Nhwc<float> x;
  Krsc<float> w;
  Nhwc<float> y;
  Conv2dOptions options;
};

struct ProductArrays {
  Rows<const float> a, b;
  Rows<float> c;
  GemmOptions options;
};

// On a GPU cuDNN's fastest plan (convolution) and cuBLAS (product); none on the CPU. In kBf16 they
// work on arrays of their own. One that is absent is in the list, with its reason.
[[nodiscard]] std::vector<Rival> convolution_rivals(const Lab& lab, const ConvArrays& arrays,
                                                    ConvPass pass,
                                                    Precision precision = Precision::kFloat);
[[nodiscard]] std::vector<Rival> product_rivals(const Lab& lab, const ProductArrays& arrays,
                                                Precision precision = Precision::kFloat);

// A line per library: version and file, or why it is absent.
[[nodiscard]] std::vector<std::string> rival_lines();

}  // namespace ktrain::bench
