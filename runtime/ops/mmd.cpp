#include "kernels/mmd.h"

#include "kernels/elementwise.h"
#include "runtime/autograd.h"
#include "runtime/box_views.h"
#include "runtime/ops_alignment.h"

namespace ktrain {
namespace {

MmdSets<float> sets_of(const MmdInputs& in) {
  return {in.x.rows<float>(), in.y.rows<float>(), in.x_rows.span<std::int32_t>(),
          in.y_rows.span<std::int32_t>()};
}

Tensor scratch_of(const MmdInputs& in) {
  const std::int64_t rows = in.x.size(0) + in.y.size(0);
  const bool on_cpu = in.x.queue().device == Device::kCpu;
  return scratch_bytes(
      in.x, on_cpu ? cpu::mmd_scratch_bytes<float>(rows) : cuda::mmd_scratch_bytes(rows));
}

}  // namespace

Tensor mmd(const MmdInputs& inputs, const std::vector<float>& fixed) {
  const MmdInputs in{inputs.x.detached(), inputs.y.detached(), inputs.x_rows, inputs.y_rows};
  const ContextPtr& context = in.x.context();
  const auto count = fixed.empty() ? std::ssize(kMmdFactors) : std::ssize(fixed);
  Tensor sigma = Tensor::empty(context, {count}), loss = Tensor::empty(context, {1});
  {
    Tensor scratch = scratch_of(in);
    if (fixed.empty()) {
      KT_RUN(loss.queue(), mmd_bandwidths, sets_of(in), sigma.mutable_span<float>(),
             bytes_of(scratch));
    } else {
      for (std::int64_t i = 0; i < count; ++i)
        KT_RUN(loss.queue(), fill, sigma.slice(i, i + 1).mutable_span<float>(),
               double{fixed[static_cast<std::size_t>(i)]});
    }
    KT_RUN(loss.queue(), mmd_forward, sets_of(in), sigma.span<float>(), loss.mutable_span<float>(),
           bytes_of(scratch));
  }
  return record("mmd", {inputs.x, inputs.y}, loss, [in, sigma](const Tensor& dloss, const Wanted&) {
    Tensor dx = Tensor::empty_like(in.x), dy = Tensor::empty_like(in.y);
    Tensor scratch = scratch_of(in);
    KT_RUN(dloss.queue(), mmd_backward, sets_of(in), sigma.span<float>(), dloss.span<float>(),
           dx.mutable_rows<float>(), dy.mutable_rows<float>(), bytes_of(scratch));
    return std::vector{dx, dy};
  });
}

}  // namespace ktrain
