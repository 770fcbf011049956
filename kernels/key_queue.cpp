#include "kernels/key_queue.h"

#include <algorithm>

#include "kernels/checks/key_queue.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"
#include "kernels/topk.h"

namespace ktrain::cpu {
namespace {

constexpr std::int64_t kChunks = 8;  // each has room of its own for the candidates of a row

std::int64_t rows_per_chunk(std::int64_t rows) {
  return std::max<std::int64_t>(1, num_chunks(rows, kChunks));
}

}  // namespace

void key_places(Rows<const std::int32_t> marks, Span<const std::int32_t> now,
                Rows<std::int32_t> places) {
  check_key_places(marks, now, places);
  for (std::int64_t r = 0; r < marks.rows; ++r) {
    for (std::int64_t c = 0; c < marks.cols; ++c) places(r, c) = marks(r, c);
    places(r, kKeyStep) = now[0];
  }
}

std::int64_t mine_scratch_bytes(std::int64_t rows, std::int64_t entries) {
  Scratch scratch;
  (void)scratch.take<std::int32_t>(num_chunks(rows, rows_per_chunk(rows)) * entries);
  return scratch.bytes();
}

template <class T>
void mine_negatives(Rows<const T> similarity, Rows<const std::int32_t> places,
                    Rows<const std::int32_t> entries, Rows<std::int32_t> indices,
                    Span<std::byte> memory, const MiningRule& rule) {
  check_mine(similarity, places, entries, indices, rule);
  Scratch scratch(memory);
  const std::int64_t grain = rows_per_chunk(places.rows);
  const auto room = scratch.take<std::int32_t>(num_chunks(places.rows, grain) * entries.rows);
  parallel_chunks(
      places.rows, grain, [&](std::int64_t chunk, std::int64_t begin, std::int64_t end) {
        std::int32_t* const found = room.data + chunk * entries.rows;
        for (std::int64_t r = begin; r < end; ++r) {
          std::int32_t* const out = indices.data + r * indices.cols;
          std::fill_n(out, indices.cols, -1);
          const std::int32_t* const row = places.data + r * kKeyColumns;
          if (row[kKeyImage] < 0) continue;
          std::int64_t count = 0;
          for (std::int64_t k = 0; k < entries.rows; ++k)
            if (!excluded_key(row, entries.data + k * kKeyColumns, rule))
              found[count++] = static_cast<std::int32_t>(k);
          const auto passed = static_cast<std::int64_t>(rule.guard * static_cast<double>(count));
          const std::int64_t taken = std::min(indices.cols, count - passed);
          const auto before = [scores = similarity.data + r * similarity.cols](std::int32_t a,
                                                                               std::int32_t b) {
            return ranks_before(scores, a, b);
          };
          std::nth_element(found, found + passed, found + count, before);
          std::partial_sort(found + passed, found + passed + taken, found + count, before);
          std::copy_n(found + passed, taken, out);
        }
      });
}

template <class T>
void mining_statistics(Rows<const std::int32_t> places, Rows<const std::int32_t> entries,
                       Rows<const std::int32_t> indices, Span<const std::int32_t> now,
                       Span<T> numbers, std::int64_t frame_gap) {
  check_mining_statistics(places, entries, indices, now, numbers);
  std::int64_t mined = 0, wrong = 0, filled = 0, age = 0;
  for (std::int64_t r = 0; r < indices.rows; ++r) {
    const std::int32_t* const row = places.data + r * kKeyColumns;
    for (std::int64_t c = 0; c < indices.cols; ++c) {
      const std::int32_t k = indices(r, c);
      if (k < 0) break;
      const std::int32_t* const entry = entries.data + k * kKeyColumns;
      ++mined;
      if (entry[kKeyStep] < 0) continue;
      wrong +=
          row[kKeyImage] == entry[kKeyImage] || neighbours_in_time(row, entry, frame_gap) ? 1 : 0;
    }
  }
  for (std::int64_t k = 0; k < entries.rows; ++k) {
    if (entries(k, kKeyStep) < 0) continue;
    ++filled;
    age += std::int64_t{now[0]} - entries(k, kKeyStep);
  }
  numbers[kMinedNegatives] = static_cast<T>(mined);
  numbers[kMinedFalse] = static_cast<T>(wrong);
  numbers[kQueueFilled] = static_cast<T>(filled);
  numbers[kQueueAge] =
      filled == 0 ? T{0} : static_cast<T>(static_cast<double>(age) / static_cast<double>(filled));
}

template <class T>
void enqueue_keys(Rows<const T> keys, Rows<const std::int32_t> places, Rows<T> queue,
                  Rows<std::int32_t> entries, Span<std::int32_t> cursor) {
  check_enqueue(keys, places, queue, entries, cursor);
  std::int64_t at = cursor[0];
  KT_CHECK(at >= 0 && at < queue.rows, "enqueue_keys: cursor is {} in a queue of {}", at,
           queue.rows);
  for (std::int64_t r = 0; r < keys.rows; ++r) {
    if (places(r, kKeyImage) < 0) continue;
    std::copy_n(keys.data + r * keys.cols, keys.cols, queue.data + at * queue.cols);
    std::copy_n(places.data + r * kKeyColumns, int{kKeyColumns}, entries.data + at * kKeyColumns);
    at = (at + 1) % queue.rows;
  }
  cursor[0] = static_cast<std::int32_t>(at);
}

#define KT_INSTANTIATE(T)                                                                          \
  template void mine_negatives(Rows<const T>, Rows<const std::int32_t>, Rows<const std::int32_t>,  \
                               Rows<std::int32_t>, Span<std::byte>, const MiningRule&);            \
  template void mining_statistics(Rows<const std::int32_t>, Rows<const std::int32_t>,              \
                                  Rows<const std::int32_t>, Span<const std::int32_t>, Span<T>,     \
                                  std::int64_t);                                                   \
  template void enqueue_keys(Rows<const T>, Rows<const std::int32_t>, Rows<T>, Rows<std::int32_t>, \
                             Span<std::int32_t>);
KT_INSTANTIATE(float)
KT_INSTANTIATE(double)
#undef KT_INSTANTIATE

}  // namespace ktrain::cpu
