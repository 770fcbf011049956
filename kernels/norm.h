// Batch normalisation over the rows (pixels) of each column (channel).
// Frozen: statistics are constants, and the whole is a scale and a shift for a convolution's
// epilogue (conv2d.h). All norms of a list at once, on CUDA in a launch per 60:
//   fold:      scale[c] = gamma[c] * inv[c],  inv[c] = 1 / sqrt(var[c] + eps)
//              shift[c] = beta[c] - mean[c] * scale[c]
//   backward:  dgamma[c] = (dscale[c] - mean[c] * dshift[c]) * inv[c];  dbeta is dshift
// Training: statistics of the batch.
//   forward:   mean[c] = sum_r x[r,c] / rows, var[c] = sum_r (x[r,c] - mean[c])^2 / rows
//              y[r,c] = gamma[c] * (x[r,c] - mean[c]) * inv[c] + beta[c], mean and inv are kept
//              running = (1 - momentum) * running + momentum * statistic, with the variance times
//              rows / (rows - 1); one row leaves the running variance as it is
//   backward:  n[r,c] = (x[r,c] - mean[c]) * inv[c]
//              dbeta[c] = sum_r dy[r,c],  dgamma[c] = sum_r dy[r,c] * n[r,c]
//              dx[r,c] = gamma[c] * inv[c] * (dy[r,c] - (dbeta[c] + n[r,c] * dgamma[c]) / rows)
// Per-channel vectors have x.cols elements. y may alias x, dx may alias dy. No rows: y and the
// running statistics stay as they are, gradients are zero. Sums run in a fixed order that does not
// depend on the number of threads; on CUDA they are taken in double, the variance from sums around
// the first row. `scratch` holds norm_train_scratch_bytes. Throws Error on sizes that do not fit.
// Lists lie on the host; a norm may have no channels, what is written overlaps nothing.
// Of maps of Bfloat16 everything by channel is in float, y and dx are rounded once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/bfloat16.h"
#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

// A frozen normalisation, and the scale and shift that are written.
template <class T>
struct NormFold {
  Span<const T> gamma, beta, mean, var;
  Span<T> scale, shift;
};

// dscale or dshift may be empty, not both: no gradient is known.
template <class T>
struct NormFoldGradient {
  Span<const T> dscale, dshift, mean, var;
  Span<T> dgamma;
};

// gamma and beta for forward; backward reads gamma only.
template <class T>
struct NormAffine {
  Span<const T> gamma, beta;
};

// What forward writes: the batch's mean and inv for backward, and the running statistics.
template <class T>
struct NormStatistics {
  Span<T> mean, inv, running_mean, running_var;
};

// What backward reads beside dy: the forward's input and its batch statistics.
template <class T>
struct NormSaved {
  Rows<const T> x;
  Span<const Wide<T>> mean, inv;
};

template <class T>
struct NormGradients {
  Rows<T> dx;  // may be empty: not wanted
  Span<Wide<T>> dgamma, dbeta;
};

// Of either device.
[[nodiscard]] std::int64_t norm_train_scratch_bytes(std::int64_t rows, std::int64_t cols);

namespace cpu {

template <class T>
void norm_fold_forward(std::span<const NormFold<T>> norms, double eps);
template <class T>
void norm_fold_backward(std::span<const NormFoldGradient<T>> norms, double eps);

template <class T>
void norm_train_forward(Rows<const T> x, NormAffine<Wide<T>> affine, Span<std::byte> scratch,
                        NormStatistics<Wide<T>> statistics, Rows<T> y, double eps, double momentum);
template <class T>
void norm_train_backward(Rows<const T> dy, NormSaved<T> saved, Span<const Wide<T>> gamma,
                         Span<std::byte> scratch, NormGradients<T> gradients);

}  // namespace cpu

namespace cuda {

void norm_fold_forward(CudaStream stream, std::span<const NormFold<float>> norms, double eps);
void norm_fold_backward(CudaStream stream, std::span<const NormFoldGradient<float>> norms,
                        double eps);
template <class T>
void norm_train_forward(CudaStream stream, Rows<const T> x, NormAffine<Wide<T>> affine,
                        Span<std::byte> scratch, NormStatistics<Wide<T>> statistics, Rows<T> y,
                        double eps, double momentum);
template <class T>
void norm_train_backward(CudaStream stream, Rows<const T> dy, NormSaved<T> saved,
                         Span<const Wide<T>> gamma, Span<std::byte> scratch,
                         NormGradients<T> gradients);

}  // namespace cuda
}  // namespace ktrain
