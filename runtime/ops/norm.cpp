#include "kernels/norm.h"

#include "runtime/box_views.h"
#include "runtime/map_type.h"
#include "runtime/ops.h"

namespace ktrain {

Tensor norm_scale(const Tensor& gamma, const Tensor& var, double eps) {
  Tensor scale = Tensor::empty_like(gamma);
  KT_RUN(gamma.queue(), norm_scale_forward, gamma.span<float>(), var.span<float>(),
         scale.mutable_span<float>(), eps);
  return record("norm_scale", {gamma}, scale,
                [var = var.detached(), eps](const Tensor& dscale, const Wanted&) {
                  Tensor dgamma = Tensor::empty_like(dscale);
                  KT_RUN(dscale.queue(), norm_scale_backward, dscale.span<float>(),
                         var.span<float>(), dgamma.mutable_span<float>(), eps);
                  return std::vector{dgamma};
                });
}

Tensor norm_shift(const Tensor& beta, const Tensor& mean, const Tensor& scale) {
  Tensor shift = Tensor::empty_like(beta);
  KT_RUN(beta.queue(), norm_shift_forward, beta.span<float>(), mean.span<float>(),
         scale.span<float>(), shift.mutable_span<float>());
  return record("norm_shift", {beta, scale}, shift,
                [mean = mean.detached()](const Tensor& dshift, const Wanted& wanted) {
                  std::vector<Tensor> results = {dshift, Tensor()};
                  if (!wanted[1]) return results;
                  results[1] = Tensor::empty_like(dshift);
                  KT_RUN(dshift.queue(), norm_shift_backward, dshift.span<float>(),
                         mean.span<float>(), results[1].mutable_span<float>());
                  return results;
                });
}

Tensor batch_norm(const Tensor& x, const NormTensors& norm, double eps, double momentum) {
  const std::int64_t channels = x.size(-1);
  Tensor y = Tensor::empty_like(x);
  Tensor mean = Tensor::empty(x.context(), {channels}), inv = Tensor::empty_like(mean);
  Tensor running_mean = norm.running_mean, running_var = norm.running_var;
  const auto scratch_of = [](const Tensor& t) {
    return scratch_bytes(
        t, norm_train_scratch_bytes(t.size() / std::max<std::int64_t>(t.size(-1), 1), t.size(-1)));
  };
  {
    Tensor scratch = scratch_of(x);
    const NormAffine<float> affine = {norm.gamma.span<float>(), norm.beta.span<float>()};
    const NormStatistics<float> statistics = {mean.mutable_span<float>(), inv.mutable_span<float>(),
                                              running_mean.mutable_span<float>(),
                                              running_var.mutable_span<float>()};
    with_map_type(x, [&]<class T>(T) {
      KT_RUN(x.queue(), norm_train_forward, x.rows<T>(), affine, bytes_of(scratch), statistics,
             y.mutable_rows<T>(), eps, momentum);
    });
  }
  return record("batch_norm", {x, norm.gamma, norm.beta}, y,
                [x = x.detached(), gamma = norm.gamma.detached(), mean, inv, scratch_of](
                    const Tensor& dy, const Wanted& wanted) {
                  std::vector<Tensor> results(3);
                  if (wanted[0]) results[0] = Tensor::empty_like(x);
                  results[1] = Tensor::empty_like(gamma);
                  results[2] = Tensor::empty_like(gamma);
                  Tensor scratch = scratch_of(dy);
                  with_map_type(x, [&]<class T>(T) {
                    const NormSaved<T> saved = {x.rows<T>(), mean.span<float>(), inv.span<float>()};
                    const NormGradients<T> out = {
                        wanted[0] ? results[0].mutable_rows<T>() : Rows<T>{},
                        results[1].mutable_span<float>(), results[2].mutable_span<float>()};
                    KT_RUN(dy.queue(), norm_train_backward, dy.rows<T>(), saved,
                           gamma.span<float>(), bytes_of(scratch), out);
                  });
                  return results;
                });
}

}  // namespace ktrain
