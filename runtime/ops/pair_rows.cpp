#include "kernels/pair_rows.h"

#include "runtime/ops_contrast.h"

namespace ktrain {
namespace {

PairRows empty_rows(const Tensor& like, std::int64_t rows) {
  const ContextPtr& context = like.context();
  return {Tensor::empty(context, {rows, 4}), Tensor::empty(context, {rows}, DType::kI32),
          Tensor::empty(context, {rows, kMarkColumns}, DType::kI32), Tensor::empty(context, {rows}),
          Tensor::empty(context, {1}, DType::kI32)};
}

PairRowViews<float> views(PairRows& rows) {
  return {rows.rois.mutable_rows<float>(), rows.image.mutable_span<std::int32_t>(),
          rows.marks.mutable_rows<std::int32_t>(), rows.valid.mutable_span<float>(),
          rows.count.mutable_span<std::int32_t>()};
}

void check_identity(const char* op, const Tensor& identity) {
  KT_CHECK(
      identity.defined() && identity.shape().rank() == 2 && identity.size(1) == kIdentityColumns,
      "{}: the batch has no identities, images x (place, group, frame) wanted", op);
}

}  // namespace

PairRows positive_rows(const RoiTrainingSet& set, const Tensor& identity, std::int64_t per_image,
                       std::int32_t num_classes) {
  check_identity("positive_rows", identity);
  PairRows rows = empty_rows(identity, identity.size(0) * per_image);
  const auto regions = [&] {
    return SampledRegions<float>{set.rois.rows<float>(), set.labels.span<std::int32_t>(),
                                 set.targets.span<std::int32_t>()};
  };
  KT_RUN(identity.queue(), positive_rows, regions(), identity.rows<std::int32_t>(), views(rows),
         num_classes);
  return rows;
}

PairRows whole_image_rows(const Tensor& sizes, const Tensor& identity) {
  check_identity("whole_image_rows", identity);
  PairRows rows = empty_rows(identity, identity.size(0));
  KT_RUN(identity.queue(), whole_image_rows, sizes.rows<std::int32_t>(),
         identity.rows<std::int32_t>(), views(rows));
  return rows;
}

Tensor exclusions(const PairRows& rows, const ExclusionRule& rule) {
  const std::int64_t n = rows.image.size();
  Tensor out = Tensor::empty(rows.image.context(), {n, n}, DType::kU8);
  KT_RUN(out.queue(), exclusions, rows.rois.rows<float>(), rows.image.span<std::int32_t>(),
         rows.marks.rows<std::int32_t>(), out.mutable_rows<std::uint8_t>(), rule);
  return out;
}

Tensor of_images(const Tensor& per_image, const PairRows& rows) {
  const std::int64_t n = rows.image.size();
  Tensor out = Tensor::empty(per_image.context(), {n});
  KT_RUN(out.queue(), of_images, per_image.span<float>(), rows.image.span<std::int32_t>(),
         out.mutable_span<float>());
  return out;
}

}  // namespace ktrain
