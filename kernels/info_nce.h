// Symmetric InfoNCE between paired rows of two matrices (van den Oord et al. 2018; Radford et al.
// 2021): row i of u belongs to row i of v.
//   s           = exp(scale[0]);   1 / scale[0] when the scale is a raw temperature
//   logit[i,j]  = s <u_i, v_j>
//   allowed j of i: j = i, and every valid j that exclude[i,j] does not name
//   n_i         = the negatives of i, allowed j other than i
//   anchors     = the valid i with n_i >= least_negatives; M of them
//   row_i       = log sum_{allowed j} exp(logit[i,j]) - logit[i,i]     u_i looks for its v
//   col_i       = log sum_{allowed j} exp(logit[j,i]) - logit[i,i]     v_i looks for its u
//   loss        = 1/M sum_{anchors i} weight[i] (row_i + col_i) / 2;   row_i alone when
//   one-directional chance      = 1/M sum_{anchors i} weight[i] log(1 + n_i): what equal embeddings
//   score
// Without an anchor the loss, the chance and all gradients are 0. Weights are constants; a row of
// weight 0 is still a negative of the others. `exclude` must be symmetric, or the two directions
// have different negatives. An embedding that is NaN gives a NaN loss when its row is valid.
// Rows need not be of unit length. Sums are taken in double, on CUDA in an order that depends on
// the sizes alone. Outputs alias nothing. Throws Error on other shapes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/queue.h"
#include "kernels/scratch.h"
#include "kernels/view.h"

namespace ktrain {

enum InfoNceStat : std::uint8_t {
  kStatChance,
  kStatAnchors,         // M
  kStatRows,            // valid rows
  kStatLeastNegatives,  // of an anchor; 0 without one
  kStatMeanNegatives,   // over anchors
  kStatFirst,           // share of anchors whose partner is the nearest of the allowed (row_i)
  kStatScale,           // s
  kNumInfoNceStats
};

struct InfoNceOptions {
  std::int64_t least_negatives = 1;
  bool one_directional = false;
  bool raw_temperature = false;
};

template <class T>
struct InfoNceInputs {
  Rows<const T> u, v;                // N x d
  Span<const T> scale;               // one element
  Span<const T> valid;               // N: 0 for a row that is none
  Span<const T> weight;              // N, or empty for ones
  Rows<const std::uint8_t> exclude;  // N x N, or empty
};

// What the backward needs again.
template <class T>
struct InfoNceSaved {
  Rows<T> logits;    // N x N
  Span<T> row, col;  // N: log of the sums
  Span<T> factor;    // N: weight[i] / M for an anchor, else 0
};

template <class T>
struct InfoNceGradients {
  Rows<T> du, dv;  // N x d
  Span<T> dscale;  // one element
};

// What CUDA keeps of each row in scratch, forward or backward; the CPU takes an empty span.
struct InfoNcePieces {
  Span<std::int32_t> negatives, first;
  Span<double> along;

  InfoNcePieces(Scratch& scratch, std::int64_t n)
      : negatives(scratch.take<std::int32_t>(n)),
        first(scratch.take<std::int32_t>(n)),
        along(scratch.take<double>(n)) {}
};
[[nodiscard]] inline std::int64_t info_nce_scratch_bytes(std::int64_t n) {
  Scratch scratch;
  (void)InfoNcePieces(scratch, n);
  return scratch.bytes();
}

namespace cpu {

// stats: kNumInfoNceStats. anchors: one element, M.
template <class T>
void info_nce_forward(const InfoNceInputs<T>& in, const InfoNceSaved<T>& saved, Span<T> stats,
                      Span<std::int32_t> anchors, Span<T> loss, Span<std::byte> scratch,
                      const InfoNceOptions& options);

template <class T>
void info_nce_backward(const InfoNceInputs<T>& in, const InfoNceSaved<const T>& saved,
                       Span<const T> dloss, const InfoNceGradients<T>& out, Span<std::byte> scratch,
                       const InfoNceOptions& options);

}  // namespace cpu

namespace cuda {

void info_nce_forward(CudaStream stream, const InfoNceInputs<float>& in,
                      const InfoNceSaved<float>& saved, Span<float> stats,
                      Span<std::int32_t> anchors, Span<float> loss, Span<std::byte> scratch,
                      const InfoNceOptions& options);
void info_nce_backward(CudaStream stream, const InfoNceInputs<float>& in,
                       const InfoNceSaved<const float>& saved, Span<const float> dloss,
                       const InfoNceGradients<float>& out, Span<std::byte> scratch,
                       const InfoNceOptions& options);

}  // namespace cuda
}  // namespace ktrain
