// What the ops of kernels/norm.h refuse, on both devices.
#pragma once

#include "kernels/check.h"
#include "kernels/norm.h"

namespace ktrain {

template <class T>
void check_norm_size(const char* who, const char* what, Span<T> vector, std::int64_t wanted) {
  KT_CHECK(vector.size == wanted, "{}: {} has {} elements, wanted {}", who, what, vector.size,
           wanted);
}

template <class T>
void check_norm_fold(const NormFold<T>& norm) {
  constexpr auto kWho = "norm_fold_forward";
  check_norm_size(kWho, "beta", norm.beta, norm.gamma.size);
  check_norm_size(kWho, "mean", norm.mean, norm.gamma.size);
  check_norm_size(kWho, "var", norm.var, norm.gamma.size);
  check_norm_size(kWho, "scale", norm.scale, norm.gamma.size);
  check_norm_size(kWho, "shift", norm.shift, norm.gamma.size);
}

template <class T>
void check_norm_fold(const NormFoldGradient<T>& norm) {
  constexpr auto kWho = "norm_fold_backward";
  const std::int64_t size = norm.dgamma.size;
  check_norm_size(kWho, "mean", norm.mean, size);
  check_norm_size(kWho, "var", norm.var, size);
  KT_CHECK(size == 0 || norm.dscale.size + norm.dshift.size > 0,
           "{}: neither dscale nor dshift of {} channels", kWho, size);
  if (!norm.dscale.empty()) check_norm_size(kWho, "dscale", norm.dscale, size);
  if (!norm.dshift.empty()) check_norm_size(kWho, "dshift", norm.dshift, size);
}

template <class T>
void check_norm_train_forward(Rows<const T> x, const NormAffine<Wide<T>>& affine,
                              const NormStatistics<Wide<T>>& statistics, Rows<T> y) {
  constexpr auto kWho = "norm_train_forward";
  KT_CHECK(same_shape(x, y), "{}: x is {}x{}, y is {}x{}", kWho, x.rows, x.cols, y.rows, y.cols);
  check_norm_size(kWho, "gamma", affine.gamma, x.cols);
  check_norm_size(kWho, "beta", affine.beta, x.cols);
  check_norm_size(kWho, "mean", statistics.mean, x.cols);
  check_norm_size(kWho, "inv", statistics.inv, x.cols);
  check_norm_size(kWho, "running_mean", statistics.running_mean, x.cols);
  check_norm_size(kWho, "running_var", statistics.running_var, x.cols);
}

template <class T>
void check_norm_train_backward(Rows<const T> dy, const NormSaved<T>& saved,
                               Span<const Wide<T>> gamma, const NormGradients<T>& gradients) {
  constexpr auto kWho = "norm_train_backward";
  const Rows<const T> x = saved.x;
  const Rows<T> dx = gradients.dx;
  KT_CHECK(same_shape(x, dy) && (dx.empty() || same_shape(dx, dy)),
           "{}: x is {}x{}, dy {}x{}, dx {}x{}", kWho, x.rows, x.cols, dy.rows, dy.cols, dx.rows,
           dx.cols);
  check_norm_size(kWho, "mean", saved.mean, x.cols);
  check_norm_size(kWho, "inv", saved.inv, x.cols);
  check_norm_size(kWho, "gamma", gamma, x.cols);
  check_norm_size(kWho, "dgamma", gradients.dgamma, x.cols);
  check_norm_size(kWho, "dbeta", gradients.dbeta, x.cols);
}

}  // namespace ktrain
