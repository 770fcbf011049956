#include "kernels/key_queue.h"

#include <algorithm>
#include <cstdlib>

#include "kernels/check.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"
#include "kernels/topk.h"

namespace ktrain::cpu {
namespace {

constexpr std::int64_t kChunks = 8;  // each has room of its own for the candidates of a row

std::int64_t rows_per_chunk(std::int64_t rows) {
  return std::max<std::int64_t>(1, num_chunks(rows, kChunks));
}

using Place = const std::int32_t*;

bool neighbours(Place a, Place b, std::int64_t frame_gap) {
  return frame_gap >= 0 && a[kKeyGroup] >= 0 && a[kKeyGroup] == b[kKeyGroup] &&
         std::abs(std::int64_t{a[kKeyFrame]} - b[kKeyFrame]) <= frame_gap;
}

bool excluded(Place row, Place entry, const MiningRule& rule) {
  if (entry[kKeyStep] < 0) return rule.unfilled;  // its other columns mean nothing
  const bool same_image = row[kKeyImage] == entry[kKeyImage];
  if (rule.same_image && same_image) return true;
  if (rule.own && same_image && row[kKeyTarget] == entry[kKeyTarget]) return true;
  if (neighbours(row, entry, rule.frame_gap)) return true;
  return rule.max_age > 0 && std::int64_t{row[kKeyStep]} - entry[kKeyStep] > rule.max_age;
}

void check_places(const char* who, Rows<const std::int32_t> places,
                  Rows<const std::int32_t> entries) {
  KT_CHECK(places.cols == kKeyColumns && entries.cols == kKeyColumns,
           "{}: places have {} columns, entries {}, wanted {}", who, places.cols, entries.cols,
           int{kKeyColumns});
}

}  // namespace

void key_places(Rows<const std::int32_t> marks, Span<const std::int32_t> now,
                Rows<std::int32_t> places) {
  KT_CHECK(marks.cols == kKeyStep && places.cols == kKeyColumns && places.rows == marks.rows &&
               now.size >= 1,
           "key_places: marks are {}x{}, places {}x{}, now has {} elements", marks.rows, marks.cols,
           places.rows, places.cols, now.size);
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
  check_places("mine_negatives", places, entries);
  KT_CHECK(similarity.rows == places.rows && similarity.cols == entries.rows &&
               indices.rows == places.rows,
           "mine_negatives: similarity is {}x{}, {} rows, {} entries, indices {}x{}",
           similarity.rows, similarity.cols, places.rows, entries.rows, indices.rows, indices.cols);
  KT_CHECK(rule.guard >= 0 && rule.guard < 1, "mine_negatives: guard is {}", rule.guard);
  Scratch scratch(memory);
  const std::int64_t grain = rows_per_chunk(places.rows);
  const auto room = scratch.take<std::int32_t>(num_chunks(places.rows, grain) * entries.rows);
  parallel_chunks(
      places.rows, grain, [&](std::int64_t chunk, std::int64_t begin, std::int64_t end) {
        std::int32_t* const found = room.data + chunk * entries.rows;
        for (std::int64_t r = begin; r < end; ++r) {
          std::int32_t* const out = indices.data + r * indices.cols;
          std::fill_n(out, indices.cols, -1);
          const Place row = places.data + r * kKeyColumns;
          if (row[kKeyImage] < 0) continue;
          std::int64_t count = 0;
          for (std::int64_t k = 0; k < entries.rows; ++k)
            if (!excluded(row, entries.data + k * kKeyColumns, rule))
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
  check_places("mining_statistics", places, entries);
  KT_CHECK(numbers.size == kMiningNumbers && now.size >= 1 && indices.rows == places.rows,
           "mining_statistics: {} numbers, now has {} elements, {} rows, indices {}x{}",
           numbers.size, now.size, places.rows, indices.rows, indices.cols);
  std::int64_t mined = 0, wrong = 0, filled = 0, age = 0;
  for (std::int64_t r = 0; r < indices.rows; ++r) {
    const Place row = places.data + r * kKeyColumns;
    for (std::int64_t c = 0; c < indices.cols; ++c) {
      const std::int32_t k = indices(r, c);
      if (k < 0) break;
      const Place entry = entries.data + k * kKeyColumns;
      ++mined;
      if (entry[kKeyStep] < 0) continue;
      wrong += row[kKeyImage] == entry[kKeyImage] || neighbours(row, entry, frame_gap) ? 1 : 0;
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
  check_places("enqueue_keys", places, entries);
  KT_CHECK(
      keys.rows == places.rows && queue.rows == entries.rows && keys.cols == queue.cols &&
          queue.rows > 0 && cursor.size == 1,
      "enqueue_keys: keys are {}x{}, places {}, the queue is {}x{} with {} entries, cursor has "
      "{} elements",
      keys.rows, keys.cols, places.rows, queue.rows, queue.cols, entries.rows, cursor.size);
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
