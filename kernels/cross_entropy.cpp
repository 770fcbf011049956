#include "kernels/cross_entropy.h"

#include <algorithm>
#include <cmath>

#include "kernels/check.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {
namespace {

// Rows of one task: about 16k exponentials, since less is done before a second thread has woken up.
std::int64_t row_grain(std::int64_t cols) {
  return std::max<std::int64_t>(1, 16384 / std::max<std::int64_t>(1, cols));
}

template <class T>
void check_shapes(const char* who, Rows<const T> x, Span<const std::int32_t> labels,
                  Span<const T> avg_factor, Rows<T> out) {
  KT_CHECK(same_shape(x, out), "{}: the input is {}x{}, the output {}x{}", who, x.rows, x.cols,
           out.rows, out.cols);
  KT_CHECK(labels.size == x.rows, "{}: {} labels for {} rows", who, labels.size, x.rows);
  KT_CHECK(avg_factor.size == 1, "{}: avg_factor has {} elements, wanted 1", who, avg_factor.size);
}

void check_label(std::int32_t label, std::int64_t row, std::int64_t classes) {
  KT_CHECK(label >= -1 && label < classes, "cross_entropy: label {} in row {}, wanted -1 to {}",
           label, row, classes - 1);
}

}  // namespace

template <class T>
void cross_entropy_forward(Rows<const T> x, Span<const std::int32_t> labels,
                           Span<const T> avg_factor, Rows<T> p, Span<T> row_loss, Span<T> loss) {
  check_shapes("cross_entropy_forward", x, labels, avg_factor, p);
  KT_CHECK(row_loss.size == x.rows, "cross_entropy_forward: row_loss has {} elements for {} rows",
           row_loss.size, x.rows);
  KT_CHECK(loss.size == 1, "cross_entropy_forward: loss has {} elements, wanted 1", loss.size);
  parallel_for(x.rows, row_grain(x.cols), [&](std::int64_t r) {
    const std::int32_t label = labels.data[r];
    check_label(label, r, x.cols);
    const T* const in = x.data + r * x.cols;
    T* const out = p.data + r * x.cols;
    if (x.cols == 0) {
      row_loss.data[r] = 0;
      return;
    }
    T largest = in[0];
    for (std::int64_t c = 1; c < x.cols; ++c) largest = in[c] > largest ? in[c] : largest;
    const T target = label < 0 ? T{0} : in[label] - largest;  // read before p overwrites x
    T total = 0;
    for (std::int64_t c = 0; c < x.cols; ++c) total += out[c] = std::exp(in[c] - largest);
    for (std::int64_t c = 0; c < x.cols; ++c) out[c] /= total;
    row_loss.data[r] = label < 0 ? T{0} : std::log(total) - target;
  });
  double total = 0;
  for (std::int64_t r = 0; r < x.rows; ++r) total += static_cast<double>(row_loss.data[r]);
  loss.data[0] = static_cast<T>(total / std::max(static_cast<double>(avg_factor.data[0]), 1.0));
}

template <class T>
void cross_entropy_backward(Rows<const T> p, Span<const std::int32_t> labels,
                            Span<const T> avg_factor, Span<const T> dloss, Rows<T> dx) {
  check_shapes("cross_entropy_backward", p, labels, avg_factor, dx);
  KT_CHECK(dloss.size == 1, "cross_entropy_backward: dloss has {} elements, wanted 1", dloss.size);
  const T factor = dloss.data[0] / std::max(avg_factor.data[0], T{1});
  parallel_for(p.rows, row_grain(p.cols), [&](std::int64_t r) {
    const std::int32_t label = labels.data[r];
    check_label(label, r, p.cols);
    const T* const in = p.data + r * p.cols;
    T* const out = dx.data + r * p.cols;
    for (std::int64_t c = 0; c < p.cols; ++c)
      out[c] = label < 0 ? T{0} : factor * (in[c] - (c == label ? T{1} : T{0}));
  });
}

#define INSTANTIATE(T)                                                                         \
  template void cross_entropy_forward(Rows<const T>, Span<const std::int32_t>, Span<const T>,  \
                                      Rows<T>, Span<T>, Span<T>);                              \
  template void cross_entropy_backward(Rows<const T>, Span<const std::int32_t>, Span<const T>, \
                                       Span<const T>, Rows<T>);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace ktrain::cpu
