// What the ops of kernels/key_queue.h refuse, on both devices.
#pragma once

#include <limits>

#include "kernels/check.h"
#include "kernels/key_queue.h"

namespace ktrain {

inline void check_place_columns(const char* who, Rows<const std::int32_t> places,
                                Rows<const std::int32_t> entries) {
  KT_CHECK(places.cols == kKeyColumns && entries.cols == kKeyColumns,
           "{}: places have {} columns, entries {}, wanted {}", who, places.cols, entries.cols,
           int{kKeyColumns});
}

inline void check_key_places(Rows<const std::int32_t> marks, Span<const std::int32_t> now,
                             Rows<const std::int32_t> places) {
  KT_CHECK(marks.cols == kKeyStep && places.cols == kKeyColumns && places.rows == marks.rows &&
               now.size >= 1,
           "key_places: marks are {}x{}, places {}x{}, now has {} elements", marks.rows, marks.cols,
           places.rows, places.cols, now.size);
}

template <class T>
void check_mine(Rows<const T> similarity, Rows<const std::int32_t> places,
                Rows<const std::int32_t> entries, Rows<const std::int32_t> indices,
                const MiningRule& rule) {
  check_place_columns("mine_negatives", places, entries);
  KT_CHECK(similarity.rows == places.rows && similarity.cols == entries.rows &&
               indices.rows == places.rows,
           "mine_negatives: similarity is {}x{}, {} rows, {} entries, indices {}x{}",
           similarity.rows, similarity.cols, places.rows, entries.rows, indices.rows, indices.cols);
  KT_CHECK(entries.rows <= std::numeric_limits<std::int32_t>::max(), "mine_negatives: {} entries",
           entries.rows);
  KT_CHECK(rule.guard >= 0 && rule.guard < 1, "mine_negatives: guard is {}", rule.guard);
}

template <class T>
void check_mining_statistics(Rows<const std::int32_t> places, Rows<const std::int32_t> entries,
                             Rows<const std::int32_t> indices, Span<const std::int32_t> now,
                             Span<T> numbers) {
  check_place_columns("mining_statistics", places, entries);
  KT_CHECK(numbers.size == kMiningNumbers && now.size >= 1 && indices.rows == places.rows,
           "mining_statistics: {} numbers, now has {} elements, {} rows, indices {}x{}",
           numbers.size, now.size, places.rows, indices.rows, indices.cols);
}

template <class T>
void check_enqueue(Rows<const T> keys, Rows<const std::int32_t> places, Rows<T> queue,
                   Rows<std::int32_t> entries, Span<std::int32_t> cursor) {
  check_place_columns("enqueue_keys", places, entries);
  KT_CHECK(
      keys.rows == places.rows && queue.rows == entries.rows && keys.cols == queue.cols &&
          queue.rows > 0 && cursor.size == 1,
      "enqueue_keys: keys are {}x{}, places {}, the queue is {}x{} with {} entries, cursor has "
      "{} elements",
      keys.rows, keys.cols, places.rows, queue.rows, queue.cols, entries.rows, cursor.size);
}

}  // namespace ktrain
