// The contrast of queries with negatives out of a queue. Nothing flows into keys.
//   z[r,0] = <q_r, positive_r> / temperature,  z[r,c] = <q_r, queue[indices[r,c-1]]> / temperature
//   kInfoNce   row_loss[r] = -log softmax(z[r])[0], over the positive and the row's negatives
//   kRepel     row_loss[r] = the mean of -log(1 - sigmoid(z[r,c])) over the row's negatives
//   forward:   loss[0] = factor * sum_r row_loss[r] / max(R, 1), R the rows that count
//   backward:  dq = dloss[0] times the derivative
// A row counts when its mark is not negative and it has a negative; indices stand before a row's
// first -1. The others have loss 0 and derivative 0. slope[r,c] = d row_loss[r] / d z[r,c] and
// count[0] = max(R, 1) are what the backward needs. Sums are taken in double in a fixed order.
// `positive` may be empty for kRepel. Wrong sizes throw Error; so does an index outside the queue
// on the CPU, whereas on CUDA the row's loss and derivative become NaN. Outputs must not overlap
// inputs.
#pragma once

#include <cstdint>

#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

enum class ContrastForm : std::uint8_t { kInfoNce, kRepel };

struct ContrastOptions {
  ContrastForm form = ContrastForm::kInfoNce;
  double temperature = 0.07;  // above 0
  double factor = 1;
};

template <class T>
struct ContrastInputs {
  Rows<const T> queries;             // rows x channels
  Rows<const T> positive;            // rows x channels
  Rows<const T> queue;               // entries x channels
  Rows<const std::int32_t> indices;  // rows x negatives
  Span<const std::int32_t> marks;    // rows; negative for one that does not count
};

namespace cpu {

// slope: rows x (1 + negatives); row_loss: rows.
template <class T>
void queue_contrast_forward(const ContrastInputs<T>& inputs, Rows<T> slope, Span<T> row_loss,
                            Span<T> count, Span<T> loss, const ContrastOptions& options);
template <class T>
void queue_contrast_backward(const ContrastInputs<T>& inputs, Rows<const T> slope,
                             Span<const T> count, Span<const T> dloss, Rows<T> dq,
                             const ContrastOptions& options);

}  // namespace cpu

namespace cuda {

void queue_contrast_forward(CudaStream stream, const ContrastInputs<float>& inputs,
                            Rows<float> slope, Span<float> row_loss, Span<float> count,
                            Span<float> loss, const ContrastOptions& options);
void queue_contrast_backward(CudaStream stream, const ContrastInputs<float>& inputs,
                             Rows<const float> slope, Span<const float> count,
                             Span<const float> dloss, Rows<float> dq,
                             const ContrastOptions& options);

}  // namespace cuda
}  // namespace ktrain
