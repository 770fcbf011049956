// The contrast with a queue of keys: 64 pairs of regions of a step against 4,096 keys, of which
// each row takes 64 hard negatives.
#include "bench/cases.h"
#include "kernels/key_queue.h"
#include "kernels/next_rows.h"
#include "kernels/queue_contrast.h"

namespace ktrain::bench {
namespace {

constexpr std::int64_t kChannels = 128;

// Rows of a step and entries of the queue, from images of their own.
struct Queue {
  std::int64_t rows, entries, negatives;
  Array<float> similarity, queries, positive, keys, slope, row_loss, count, loss, dloss, dq;
  Array<std::int32_t> places, entry_places, indices, marks, cursor;

  explicit Queue(const Lab& lab)
      : rows(lab.scaled(64, 4)), entries(lab.scaled(4096, 16)), negatives(lab.scaled(64, 4)) {
    similarity = lab.normal(rows * entries, 1);
    queries = lab.normal(rows * kChannels, 2, 0.1);
    positive = lab.normal(rows * kChannels, 3, 0.1);
    keys = lab.normal(entries * kChannels, 4, 0.1);
    slope = lab.normal(rows * (1 + negatives), 5);
    row_loss = lab.make<float>(rows);
    count = lab.filled(1, 64.0f);
    loss = lab.make<float>(1);
    dloss = lab.filled(1, 1.0f);
    dq = lab.make<float>(rows * kChannels);
    places = lab.copy(places_of(rows, 100000));
    entry_places = lab.copy(places_of(entries, 0));
    std::vector<std::int32_t> chosen;
    for (std::int64_t i = 0; i < rows * negatives; ++i)
      chosen.push_back(static_cast<std::int32_t>(i * 7919 % entries));
    indices = lab.copy(chosen);
    marks = lab.filled<std::int32_t>(rows, 0);
    cursor = lab.filled<std::int32_t>(1, 0);
  }
  // Image, group, frame, target, step.
  static std::vector<std::int32_t> places_of(std::int64_t count, std::int32_t first) {
    std::vector<std::int32_t> values;
    for (std::int32_t i = 0; i < count; ++i)
      values.insert(values.end(), {first + i / 4, i / 40, i, i % 4, i / 64});
    return values;
  }
  [[nodiscard]] ContrastInputs<float> inputs() const {
    return {queries.rows(kChannels), positive.rows(kChannels), keys.rows(kChannels),
            indices.rows(negatives), marks.span()};
  }
  [[nodiscard]] double products() const {
    return 2.0 * static_cast<double>(rows * (1 + negatives) * kChannels);
  }
};

Job mine(const Lab& lab) {
  const Queue q(lab);
  std::int64_t bytes = cpu::mine_scratch_bytes(q.rows, q.entries);
  if (lab.cuda()) bytes = cuda::mine_scratch_bytes(q.rows, q.entries, q.negatives);
  const Array<std::byte> scratch = lab.make<std::byte>(bytes);
  return {.bytes = static_cast<double>(q.similarity.bytes() + q.entry_places.bytes()),
          .run =
              [=, &lab] {
                KT_RUN(lab.queue(), mine_negatives, q.similarity.rows(q.entries),
                       q.places.rows(kKeyColumns), q.entry_places.rows(kKeyColumns),
                       q.indices.out_rows(q.negatives), scratch.out(), MiningRule{});
              },
          .rivals = {}};
}

Job enqueue(const Lab& lab) {
  const Queue q(lab);
  return {.bytes = static_cast<double>(2 * q.queries.bytes()),
          .run =
              [=, &lab] {
                KT_RUN(lab.queue(), enqueue_keys, q.queries.rows(kChannels),
                       q.places.rows(kKeyColumns), q.keys.out_rows(kChannels),
                       q.entry_places.out_rows(kKeyColumns), q.cursor.out());
              },
          .rivals = {}};
}

Job contrast_forward(const Lab& lab) {
  const Queue q(lab);
  return {.bytes = static_cast<double>(q.keys.bytes() + 2 * q.queries.bytes()),
          .flops = q.products(),
          .run =
              [=, &lab] {
                KT_RUN(lab.queue(), queue_contrast_forward, q.inputs(),
                       q.slope.out_rows(1 + q.negatives), q.row_loss.out(), q.count.out(),
                       q.loss.out(), ContrastOptions{});
              },
          .rivals = {}};
}

Job contrast_backward(const Lab& lab) {
  const Queue q(lab);
  return {.bytes = static_cast<double>(q.keys.bytes() + 2 * q.queries.bytes()),
          .flops = q.products(),
          .run =
              [=, &lab] {
                KT_RUN(lab.queue(), queue_contrast_backward, q.inputs(),
                       q.slope.rows(1 + q.negatives), q.count.span(), q.dloss.span(),
                       q.dq.out_rows(kChannels), ContrastOptions{});
              },
          .rivals = {}};
}

Job take_rows(const Lab& lab) {
  const std::int64_t rows = lab.scaled(1024);
  const Array<float> x = lab.normal(rows * kChannels), y = lab.make<float>(x.size());
  std::vector<std::int32_t> from;
  for (std::int32_t r = 0; r < rows; ++r) from.push_back(static_cast<std::int32_t>((r + 1) % rows));
  const Array<std::int32_t> source = lab.copy(from);
  return {.bytes = 2.0 * static_cast<double>(x.bytes()),
          .run =
              [=, &lab] {
                KT_RUN(lab.queue(), take_rows, x.rows(kChannels), source.span(),
                       y.out_rows(kChannels));
              },
          .rivals = {}};
}

const bool kAdded =
    add_case("key_queue", "mine_negatives", "64 rows, 4096 keys", mine) &&
    add_case("key_queue", "enqueue", "64 keys", enqueue) &&
    add_case("queue_contrast", "forward", "64 rows x 64 negatives", contrast_forward) &&
    add_case("queue_contrast", "backward", "64 rows x 64 negatives", contrast_backward) &&
    add_case("next_rows", "take_rows", "1024 x 128", take_rows);

}  // namespace
}  // namespace ktrain::bench
