#include "kernels/softmax.h"

#include <algorithm>
#include <cmath>

#include "kernels/check.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {
namespace {

constexpr std::int64_t kGrain = 256;

}  // namespace

template <class T>
void softmax_forward(Rows<const T> x, Rows<T> y) {
  KT_CHECK(same_shape(x, y), "softmax_forward: x is {}x{}, y is {}x{}", x.rows, x.cols, y.rows,
           y.cols);
  if (x.empty()) return;
  parallel_for(x.rows, kGrain, [&](std::int64_t r) {
    const T* in = x.data + r * x.cols;
    T* out = y.data + r * x.cols;
    // max_element passes over a NaN; the sum below does not.
    const T largest = *std::max_element(in, in + x.cols);
    double total = 0;
    for (std::int64_t c = 0; c < x.cols; ++c) total += out[c] = std::exp(in[c] - largest);
    for (std::int64_t c = 0; c < x.cols; ++c) out[c] = static_cast<T>(out[c] / total);
  });
}

template <class T>
void softmax_backward(Rows<const T> y, Rows<const T> dy, Rows<T> dx) {
  KT_CHECK(same_shape(y, dy) && same_shape(y, dx),
           "softmax_backward: y is {}x{}, dy is {}x{}, dx is {}x{}", y.rows, y.cols, dy.rows,
           dy.cols, dx.rows, dx.cols);
  parallel_for(y.rows, kGrain, [&](std::int64_t r) {
    const T* out = y.data + r * y.cols;
    const T* grad = dy.data + r * y.cols;
    double total = 0;
    for (std::int64_t c = 0; c < y.cols; ++c) total += static_cast<double>(out[c]) * grad[c];
    for (std::int64_t c = 0; c < y.cols; ++c) dx(r, c) = static_cast<T>(out[c] * (grad[c] - total));
  });
}

template void softmax_forward(Rows<const float>, Rows<float>);
template void softmax_forward(Rows<const double>, Rows<double>);
template void softmax_backward(Rows<const float>, Rows<const float>, Rows<float>);
template void softmax_backward(Rows<const double>, Rows<const double>, Rows<double>);

}  // namespace ktrain::cpu
