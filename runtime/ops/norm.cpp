#include "kernels/norm.h"

#include "runtime/box_views.h"
#include "runtime/map_type.h"
#include "runtime/ops.h"

namespace ktrain {

namespace {

// Places among the inputs of an op that folds `count` norms: in the order in which a walk would
// meet them with an op for each.
std::size_t beta_of(std::size_t norm, std::size_t count) { return 2 * (count - 1 - norm); }
std::size_t gamma_of(std::size_t norm, std::size_t count) { return beta_of(norm, count) + 1; }

struct Statistics {
  Tensor mean, var;
};

std::vector<Tensor> fold_backward(const std::vector<Statistics>& saved, double eps,
                                  std::vector<Tensor> dys, const Wanted& wanted) {
  const std::size_t count = saved.size();
  const auto span_of = [](const Tensor& t) {
    return t.defined() ? t.span<float>() : Span<const float>{};
  };
  std::vector<Tensor> results(2 * count);
  std::vector<NormFoldGradient<float>> list;
  for (std::size_t k = 0; k < count; ++k) {
    const Tensor &dscale = dys[2 * k], &dshift = dys[2 * k + 1];
    results[beta_of(k, count)] = dshift;
    if (!wanted[gamma_of(k, count)] || (!dscale.defined() && !dshift.defined())) continue;
    Tensor& dgamma = results[gamma_of(k, count)];
    dgamma = Tensor::empty_like(saved[k].var);
    list.push_back({span_of(dscale), span_of(dshift), saved[k].mean.span<float>(),
                    saved[k].var.span<float>(), dgamma.mutable_span<float>()});
  }
  const std::span<const NormFoldGradient<float>> all = list;
  if (!list.empty()) KT_RUN(saved[0].var.queue(), norm_fold_backward, all, eps);
  return results;
}

}  // namespace

std::vector<FoldedNorm> fold_norms(const std::vector<FrozenNorm>& norms, double eps) {
  const std::size_t count = norms.size();
  if (norms.empty()) return {};
  std::vector<Tensor> inputs(2 * count);
  std::vector<OpResult> results;
  std::vector<Statistics> saved;
  std::vector<NormFold<float>> list;
  for (std::size_t k = 0; k < count; ++k) {
    const FrozenNorm& norm = norms[k];
    Tensor scale = Tensor::empty_like(norm.gamma), shift = Tensor::empty_like(norm.gamma);
    list.push_back({norm.gamma.span<float>(), norm.beta.span<float>(), norm.mean.span<float>(),
                    norm.var.span<float>(), scale.mutable_span<float>(),
                    shift.mutable_span<float>()});
    inputs[gamma_of(k, count)] = norm.gamma;
    inputs[beta_of(k, count)] = norm.beta;
    results.push_back({scale, {gamma_of(k, count)}});
    results.push_back({shift, {beta_of(k, count), gamma_of(k, count)}});
    saved.push_back({norm.mean.detached(), norm.var.detached()});
  }
  const std::span<const NormFold<float>> all = list;
  KT_RUN(norms[0].gamma.queue(), norm_fold_forward, all, eps);
  const std::vector<Tensor> tied = record_results(
      "fold_norms", inputs, results,
      [saved = std::move(saved), eps](std::vector<Tensor> dys, const Wanted& wanted) {
        return fold_backward(saved, eps, std::move(dys), wanted);
      });
  std::vector<FoldedNorm> folded;
  for (std::size_t k = 0; k < count; ++k) folded.push_back({tied[2 * k], tied[2 * k + 1]});
  return folded;
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
