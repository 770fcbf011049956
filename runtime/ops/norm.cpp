#include "kernels/norm.h"

#include "runtime/ops.h"
#include "runtime/workspace.h"

namespace ktrain {

Tensor norm_scale(const Tensor& gamma, const Tensor& var, double eps) {
  Tensor scale = Tensor::empty_like(gamma);
  run_on_cpu(gamma.queue(), "norm_scale_forward", [&] {
    cpu::norm_scale_forward<float>(gamma.span<float>(), var.span<float>(),
                                   scale.mutable_span<float>(), eps);
  });
  return record("norm_scale", {gamma}, scale,
                [var = var.detached(), eps](const Tensor& dscale, const Wanted&) {
                  Tensor dgamma = Tensor::empty_like(dscale);
                  run_on_cpu(dscale.queue(), "norm_scale_backward", [&] {
                    cpu::norm_scale_backward<float>(dscale.span<float>(), var.span<float>(),
                                                    dgamma.mutable_span<float>(), eps);
                  });
                  return std::vector{dgamma};
                });
}

Tensor norm_shift(const Tensor& beta, const Tensor& mean, const Tensor& scale) {
  Tensor shift = Tensor::empty_like(beta);
  run_on_cpu(beta.queue(), "norm_shift_forward", [&] {
    cpu::norm_shift_forward<float>(beta.span<float>(), mean.span<float>(), scale.span<float>(),
                                   shift.mutable_span<float>());
  });
  return record("norm_shift", {beta, scale}, shift,
                [mean = mean.detached()](const Tensor& dshift, const Wanted& wanted) {
                  std::vector<Tensor> results = {dshift, Tensor()};
                  if (!wanted[1]) return results;
                  results[1] = Tensor::empty_like(dshift);
                  run_on_cpu(dshift.queue(), "norm_shift_backward", [&] {
                    cpu::norm_shift_backward<float>(dshift.span<float>(), mean.span<float>(),
                                                    results[1].mutable_span<float>());
                  });
                  return results;
                });
}

Tensor batch_norm(const Tensor& x, const NormTensors& norm, double eps, double momentum) {
  const std::int64_t channels = x.size(-1);
  Tensor y = Tensor::empty_like(x);
  Tensor mean = Tensor::empty(x.context(), {channels}), inv = Tensor::empty_like(mean);
  Tensor running_mean = norm.running_mean, running_var = norm.running_var;
  const auto scratch_size = [](const Tensor& t) {
    return cpu::norm_train_workspace(t.rows<float>().rows, t.size(-1));
  };
  {
    Tensor scratch = workspace(x, scratch_size(x));
    run_on_cpu(x.queue(), "norm_train_forward", [&] {
      cpu::norm_train_forward<float>(
          x.rows<float>(), {norm.gamma.span<float>(), norm.beta.span<float>()},
          scratch.mutable_span<float>(),
          {mean.mutable_span<float>(), inv.mutable_span<float>(),
           running_mean.mutable_span<float>(), running_var.mutable_span<float>()},
          y.mutable_rows<float>(), eps, momentum);
    });
  }
  return record("batch_norm", {x, norm.gamma, norm.beta}, y,
                [x = x.detached(), gamma = norm.gamma.detached(), mean, inv, scratch_size](
                    const Tensor& dy, const Wanted& wanted) {
                  std::vector<Tensor> results(3);
                  if (wanted[0]) results[0] = Tensor::empty_like(x);
                  results[1] = Tensor::empty_like(gamma);
                  results[2] = Tensor::empty_like(gamma);
                  Tensor scratch = workspace(dy, scratch_size(dy));
                  const cpu::NormGradients<float> out = {
                      wanted[0] ? results[0].mutable_rows<float>() : Rows<float>{},
                      results[1].mutable_span<float>(), results[2].mutable_span<float>()};
                  run_on_cpu(dy.queue(), "norm_train_backward", [&] {
                    cpu::norm_train_backward<float>(
                        dy.rows<float>(), {x.rows<float>(), mean.span<float>(), inv.span<float>()},
                        gamma.span<float>(), scratch.mutable_span<float>(), out);
                  });
                  return results;
                });
}

}  // namespace ktrain
