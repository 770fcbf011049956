#include "kernels/info_nce.h"

#include "runtime/autograd.h"
#include "runtime/box_views.h"
#include "runtime/ops_contrast.h"

namespace ktrain {
namespace {

InfoNceInputs<float> views(const InfoNceTensors& in) {
  InfoNceInputs<float> views{in.u.rows<float>(),
                             in.v.rows<float>(),
                             in.scale.span<float>(),
                             in.valid.span<float>(),
                             {},
                             {}};
  if (in.weight.defined()) views.weight = in.weight.span<float>();
  if (in.exclude.defined()) views.exclude = in.exclude.rows<std::uint8_t>();
  return views;
}

// The same tensors without history, for the backward to keep.
InfoNceTensors detached(const InfoNceTensors& in) {
  const auto plain = [](const Tensor& x) { return x.defined() ? x.detached() : Tensor(); };
  return {plain(in.u),     plain(in.v),      plain(in.scale),
          plain(in.valid), plain(in.weight), plain(in.exclude)};
}

struct Saved {
  Tensor logits, row, col, factor;
};

std::vector<Tensor> gradients_of(const InfoNceTensors& in, const Saved& saved,
                                 const InfoNceOptions& options, const Tensor& dloss) {
  std::vector<Tensor> out = {Tensor::empty_like(in.u), Tensor::empty_like(in.v),
                             Tensor::empty_like(in.scale)};
  Tensor scratch = scratch_bytes(in.u, info_nce_scratch_bytes(in.u.size(0)));
  const auto kept = [&] {
    return InfoNceSaved<const float>{saved.logits.rows<float>(), saved.row.span<float>(),
                                     saved.col.span<float>(), saved.factor.span<float>()};
  };
  const auto gradients = [&] {
    return InfoNceGradients<float>{out[0].mutable_rows<float>(), out[1].mutable_rows<float>(),
                                   out[2].mutable_span<float>()};
  };
  KT_RUN(dloss.queue(), info_nce_backward, views(in), kept(), dloss.span<float>(), gradients(),
         bytes_of(scratch), options);
  return out;
}

}  // namespace

InfoNceResult info_nce(const InfoNceTensors& in, const InfoNceOptions& options) {
  const ContextPtr& context = in.u.context();
  const std::int64_t n = in.u.size(0);
  Saved saved{Tensor::empty(context, {n, n}), Tensor::empty(context, {n}),
              Tensor::empty(context, {n}), Tensor::empty(context, {n})};
  InfoNceResult result{Tensor::empty(context, {1}), Tensor::empty(context, {kNumInfoNceStats}),
                       Tensor::empty(context, {1}, DType::kI32)};
  {
    Tensor scratch = scratch_bytes(in.u, info_nce_scratch_bytes(n));
    const auto kept = [&] {
      return InfoNceSaved<float>{saved.logits.mutable_rows<float>(),
                                 saved.row.mutable_span<float>(), saved.col.mutable_span<float>(),
                                 saved.factor.mutable_span<float>()};
    };
    KT_RUN(in.u.queue(), info_nce_forward, views(in), kept(), result.stats.mutable_span<float>(),
           result.anchors.mutable_span<std::int32_t>(), result.loss.mutable_span<float>(),
           bytes_of(scratch), options);
  }
  result.loss = record("info_nce", {in.u, in.v, in.scale}, result.loss,
                       [in = detached(in), saved, options](const Tensor& dloss, const Wanted&) {
                         return gradients_of(in, saved, options, dloss);
                       });
  return result;
}

}  // namespace ktrain
