#include "kernels/box_loss.h"

#include <algorithm>
#include <cmath>

#include "kernels/check.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {
namespace {

constexpr std::int64_t kGrain = 8192;

template <class T, class U>
void check(const char* kernel, Rows<const T> x, Rows<const T> target,
           Span<const std::int32_t> slots, Span<const T> avg_factor, Span<U> one, double beta) {
  KT_CHECK(x.cols % 4 == 0 && target.rows == x.rows && target.cols == 4 && slots.size == x.rows,
           "{}: x is {}x{}, target {}x{}, {} slots", kernel, x.rows, x.cols, target.rows,
           target.cols, slots.size);
  KT_CHECK(avg_factor.size == 1 && one.size == 1,
           "{}: avg_factor has {} elements, the loss or its gradient {}, 1 wanted", kernel,
           avg_factor.size, one.size);
  KT_CHECK(beta >= 0, "{}: beta is {}", kernel, beta);
}

template <class T>
T slope(T d, T beta) {
  if (std::abs(d) < beta) return d / beta;
  if (d == T{0}) return T{0};
  return d > T{0} ? T{1} : d < T{0} ? T{-1} : d;  // a NaN stays one
}

}  // namespace

template <class T>
void box_loss_forward(Rows<const T> x, Rows<const T> target, Span<const std::int32_t> slots,
                      Span<const T> avg_factor, Span<T> loss, Span<std::byte> /*scratch*/,
                      double beta) {
  check("box_loss_forward", x, target, slots, avg_factor, loss, beta);
  double total = 0;
  for (std::int64_t r = 0; r < x.rows; ++r) {
    const std::int32_t slot = slots[r];
    if (slot == -1) continue;
    KT_CHECK(slot >= 0 && slot < x.cols / 4, "box_loss_forward: slot {} in row {} of {} boxes",
             slot, r, x.cols / 4);
    for (std::int64_t j = 0; j < 4; ++j) {
      const double d = std::abs(static_cast<double>(x(r, 4 * slot + j)) - target(r, j));
      total += d < beta ? d * d / (2 * beta) : d - beta / 2;
    }
  }
  loss[0] = static_cast<T>(total / std::max(static_cast<double>(avg_factor[0]), 1.0));
}

template <class T>
void box_loss_backward(Rows<const T> x, Rows<const T> target, Span<const std::int32_t> slots,
                       Span<const T> avg_factor, Span<const T> dloss, Rows<T> dx, double beta) {
  check("box_loss_backward", x, target, slots, avg_factor, dloss, beta);
  KT_CHECK(same_shape(x, dx), "box_loss_backward: x is {}x{}, dx {}x{}", x.rows, x.cols, dx.rows,
           dx.cols);
  const T factor = dloss[0] / std::max(avg_factor[0], T{1});
  parallel_for(x.rows, kGrain, [&](std::int64_t r) {
    std::fill(dx.data + r * dx.cols, dx.data + (r + 1) * dx.cols, T{0});
    if (slots[r] < 0) return;
    for (std::int64_t j = 0; j < 4; ++j) {
      const std::int64_t c = 4 * std::int64_t{slots[r]} + j;
      dx(r, c) = factor * slope(x(r, c) - target(r, j), static_cast<T>(beta));
    }
  });
}

template void box_loss_forward(Rows<const float>, Rows<const float>, Span<const std::int32_t>,
                               Span<const float>, Span<float>, Span<std::byte>, double);
template void box_loss_forward(Rows<const double>, Rows<const double>, Span<const std::int32_t>,
                               Span<const double>, Span<double>, Span<std::byte>, double);
template void box_loss_backward(Rows<const float>, Rows<const float>, Span<const std::int32_t>,
                                Span<const float>, Span<const float>, Rows<float>, double);
template void box_loss_backward(Rows<const double>, Rows<const double>, Span<const std::int32_t>,
                                Span<const double>, Span<const double>, Rows<double>, double);

}  // namespace ktrain::cpu
