// cuDNN, opened when it is first asked for: convolutions through its graph interface, the fastest
// of the plans that its heuristics offer.
#pragma once

#include <functional>
#include <string>

#include "bench/rivals/products.h"

namespace ktrain::bench {

struct CudnnProblem {
  std::int64_t batch, height, width, channels;  // of x
  std::int64_t filters, taps;
  std::int64_t out_height, out_width;
  std::int64_t stride, pad;
  ConvPass pass;
  Precision precision;
};

struct CudnnArrays {
  void *x, *w, *y;
};

// A plan that is ready, or the reason why there is none. `run` enqueues on the lab's stream.
struct CudnnRun {
  std::function<void()> run;
  std::string reason;
  std::string plan;  // which of how many, with how much workspace
};
[[nodiscard]] CudnnRun prepare_cudnn(const Lab& lab, const CudnnProblem& problem,
                                     const CudnnArrays& arrays);

// "cuDNN 9.1.0 (/usr/...)" or "cuDNN: absent: ...".
[[nodiscard]] std::string cudnn_line();
// Why convolutions cannot be run. Empty: they can.
[[nodiscard]] const std::string& cudnn_reason();

// Builds tensors, convolution and operation of the problem, all that needs no GPU, and returns what
// the library refuses, empty for nothing: the descriptions' own test. Without the library its
// reason.
[[nodiscard]] std::string check_cudnn_operation(const CudnnProblem& problem);

}  // namespace ktrain::bench
