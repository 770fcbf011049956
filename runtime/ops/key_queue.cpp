#include "kernels/key_queue.h"

#include "runtime/autograd.h"
#include "runtime/box_views.h"
#include "runtime/ops.h"
#include "runtime/ops_alignment.h"

namespace ktrain {
namespace {

// Of detached inputs.
ContrastInputs<float> views_of(const QueueContrast& in, const Tensor& keys) {
  return {in.queries.rows<float>(),
          in.positive.defined() ? in.positive.rows<float>() : Rows<const float>{},
          keys.rows<float>(), in.indices.rows<std::int32_t>(), in.marks.span<std::int32_t>()};
}

}  // namespace

KeyQueue make_key_queue(const ContextPtr& context, std::int64_t entries, std::int64_t channels) {
  KT_CHECK(entries > 0 && channels > 0, "key queue: {} entries of {} channels", entries, channels);
  const std::vector<std::int32_t> empty(static_cast<std::size_t>(entries * kKeyColumns), -1);
  return {Tensor::zeros(context, {entries, channels}),
          Tensor::from<std::int32_t>(context, {entries, kKeyColumns}, empty),
          Tensor::zeros(context, {1}, DType::kI32)};
}

KeyQueue clone(const KeyQueue& queue) {
  return {queue.keys.clone(), queue.places.clone(), queue.cursor.clone()};
}

Tensor key_places(const Tensor& marks, const Tensor& now) {
  Tensor places = Tensor::empty(marks.context(), {marks.size(0), int{kKeyColumns}}, DType::kI32);
  KT_RUN(places.queue(), key_places, marks.rows<std::int32_t>(), now.span<std::int32_t>(),
         places.mutable_rows<std::int32_t>());
  return places;
}

Tensor mine_negatives(const Tensor& queries, const Tensor& places, const KeyQueue& queue,
                      std::int64_t count, const MiningRule& rule) {
  const NoGradScope no_grad;
  const std::int64_t rows = queries.size(0), entries = queue.keys.size(0);
  const Tensor similarity = linear(queries, queue.keys, {});
  Tensor indices = Tensor::empty(queries.context(), {rows, count}, DType::kI32);
  Tensor scratch =
      scratch_bytes(queries, on_device(queries, cpu::mine_scratch_bytes(rows, entries),
                                       cuda::mine_scratch_bytes(rows, entries, count)));
  KT_RUN(indices.queue(), mine_negatives, similarity.rows<float>(), places.rows<std::int32_t>(),
         queue.places.rows<std::int32_t>(), indices.mutable_rows<std::int32_t>(), bytes_of(scratch),
         rule);
  return indices;
}

void enqueue_keys(const Tensor& keys, const Tensor& places, KeyQueue& queue) {
  KT_RUN(keys.queue(), enqueue_keys, keys.rows<float>(), places.rows<std::int32_t>(),
         queue.keys.mutable_rows<float>(), queue.places.mutable_rows<std::int32_t>(),
         queue.cursor.mutable_span<std::int32_t>());
}

Tensor mining_statistics(const Tensor& places, const KeyQueue& queue, const Tensor& indices,
                         const Tensor& now, std::int64_t frame_gap) {
  Tensor numbers = Tensor::empty(places.context(), {kMiningNumbers});
  KT_RUN(numbers.queue(), mining_statistics, places.rows<std::int32_t>(),
         queue.places.rows<std::int32_t>(), indices.rows<std::int32_t>(), now.span<std::int32_t>(),
         numbers.mutable_span<float>(), frame_gap);
  return numbers;
}

Tensor queue_contrast(const QueueContrast& inputs, const KeyQueue& queue,
                      const ContrastOptions& options) {
  QueueContrast in = inputs;
  in.queries = inputs.queries.detached();
  if (in.positive.defined()) in.positive = in.positive.detached();
  const Tensor keys = queue.keys.detached();
  const ContextPtr& context = keys.context();
  const std::int64_t rows = in.queries.size(0);
  Tensor slope = Tensor::empty(context, {rows, in.indices.size(1) + 1});
  Tensor count = Tensor::empty(context, {1}), loss = Tensor::empty(context, {1});
  Tensor row_loss = Tensor::empty(context, {rows});
  KT_RUN(loss.queue(), queue_contrast_forward, views_of(in, keys), slope.mutable_rows<float>(),
         row_loss.mutable_span<float>(), count.mutable_span<float>(), loss.mutable_span<float>(),
         options);
  return record("queue_contrast", {inputs.queries}, loss,
                [in, keys, slope, count, options](const Tensor& dloss, const Wanted&) {
                  Tensor dq = Tensor::empty_like(in.queries);
                  KT_RUN(dloss.queue(), queue_contrast_backward, views_of(in, keys),
                         slope.rows<float>(), count.span<float>(), dloss.span<float>(),
                         dq.mutable_rows<float>(), options);
                  return std::vector{dq};
                });
}

}  // namespace ktrain
