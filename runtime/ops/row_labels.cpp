#include "kernels/row_labels.h"

#include "runtime/ops_alignment.h"

namespace ktrain {

RowLabels row_labels(const Tensor& rows, std::int32_t label) {
  RowLabels out{Tensor::empty(rows.context(), {rows.size()}, DType::kI32),
                Tensor::empty(rows.context(), {1})};
  KT_RUN(rows.queue(), row_labels, rows.span<std::int32_t>(),
         out.labels.mutable_span<std::int32_t>(), out.count.mutable_span<float>(), label);
  return out;
}

Tensor row_accuracy(const Tensor& logits, const Tensor& labels) {
  Tensor share = Tensor::empty(logits.context(), {1});
  KT_RUN(share.queue(), row_accuracy, logits.rows<float>(), labels.span<std::int32_t>(),
         share.mutable_span<float>());
  return share;
}

}  // namespace ktrain
