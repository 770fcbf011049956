// What the ops of kernels/queue_contrast.h refuse, on both devices.
#pragma once

#include "kernels/check.h"
#include "kernels/queue_contrast.h"

namespace ktrain {

template <class T>
void check_contrast_inputs(const char* who, const ContrastInputs<T>& in, Rows<const T> slope,
                           const ContrastOptions& options) {
  const bool positive = options.form == ContrastForm::kInfoNce;
  KT_CHECK(in.indices.rows == in.queries.rows && in.marks.size == in.queries.rows &&
               in.queue.cols == in.queries.cols && slope.rows == in.queries.rows &&
               slope.cols == in.indices.cols + 1 &&
               (!positive || same_shape(in.queries, in.positive)),
           "{}: queries are {}x{}, positive {}x{}, the queue {}x{}, indices {}x{}, {} marks, slope "
           "{}x{}",
           who, in.queries.rows, in.queries.cols, in.positive.rows, in.positive.cols, in.queue.rows,
           in.queue.cols, in.indices.rows, in.indices.cols, in.marks.size, slope.rows, slope.cols);
  KT_CHECK(options.temperature > 0, "{}: temperature is {}", who, options.temperature);
}

// row_loss, count and loss: how many elements they have.
template <class T>
void check_contrast_forward(const ContrastInputs<T>& in, Rows<T> slope, std::int64_t row_loss,
                            std::int64_t count, std::int64_t loss, const ContrastOptions& options) {
  check_contrast_inputs<T>("queue_contrast_forward", in, slope, options);
  KT_CHECK(row_loss == in.queries.rows && count == 1 && loss == 1,
           "queue_contrast_forward: {} row losses for {} rows, count has {} elements, loss {}",
           row_loss, in.queries.rows, count, loss);
}

template <class T>
void check_contrast_backward(const ContrastInputs<T>& in, Rows<const T> slope, std::int64_t count,
                             std::int64_t dloss, Rows<const T> dq, const ContrastOptions& options) {
  check_contrast_inputs<T>("queue_contrast_backward", in, slope, options);
  KT_CHECK(same_shape(in.queries, dq) && count == 1 && dloss == 1,
           "queue_contrast_backward: queries are {}x{}, dq is {}x{}, count has {} elements, dloss "
           "{}",
           in.queries.rows, in.queries.cols, dq.rows, dq.cols, count, dloss);
}

}  // namespace ktrain
