// A ring of keys with the place each came from, and the negatives that are taken from it.
//
// A place is kKeyColumns numbers: the image (its position in the data set), the group of frames it
// belongs to, its number in that group, the target of the image, the step. A row whose image is
// negative does not count; an entry whose step is negative has never been filled.
//
// mine_negatives: of the entries that stand for none of the things in MiningRule, the most similar
// `guard` share (rounded down) is passed over as likely false negatives, and the next ones, most
// similar first, are the answer: as many as `indices` has columns, -1 when there are no more. Equal
// similarities: the lower entry first. Rows that do not count get -1.
// key_places: the places of the rows of a step: the marks of pair rows (place in the list, group,
// frame, target), and the step.
// enqueue_keys: the rows that count, in their order, overwrite the oldest entries from cursor[0]
// on. A cursor outside the queue throws Error on the CPU; on CUDA, which cannot, every key of the
// queue becomes NaN and the cursor stays.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/device/entry_room.h"
#include "kernels/host_device.h"
#include "kernels/queue.h"
#include "kernels/scratch.h"
#include "kernels/view.h"

namespace ktrain {

enum KeyColumn : int { kKeyImage, kKeyGroup, kKeyFrame, kKeyTarget, kKeyStep, kKeyColumns };

// Which entries may not be a negative of a row.
struct MiningRule {
  bool same_image = true;
  bool own = true;  // of the same image and target
  // Of the same group, at most so many frames away; -1: all may. A negative group is no group.
  std::int64_t frame_gap = 0;
  std::int64_t max_age = 0;  // filled more than so many steps ago; 0: however old
  bool unfilled = true;      // never filled
  double guard = 0;          // share of the rest, from the top, [0, 1)
};

// What mining_statistics tells.
enum MiningNumber : int {
  kMinedNegatives,  // chosen, over all rows
  kMinedFalse,      // of them: of the row's own image, or of its group within `frame_gap` frames
  kQueueFilled,     // entries
  kQueueAge,        // steps since a filled entry was filled, the mean; 0 without any
  kMiningNumbers
};

// `row` and `entry` are places: of one group, at most `frame_gap` frames apart.
[[nodiscard]] KT_HOST_DEVICE inline bool neighbours_in_time(const std::int32_t* row,
                                                            const std::int32_t* entry,
                                                            std::int64_t frame_gap) {
  const std::int64_t apart = std::int64_t{row[kKeyFrame]} - entry[kKeyFrame];
  return frame_gap >= 0 && row[kKeyGroup] >= 0 && row[kKeyGroup] == entry[kKeyGroup] &&
         (apart < 0 ? -apart : apart) <= frame_gap;
}

// The entry may not be a negative of the row.
[[nodiscard]] KT_HOST_DEVICE inline bool excluded_key(const std::int32_t* row,
                                                      const std::int32_t* entry,
                                                      const MiningRule& rule) {
  if (entry[kKeyStep] < 0) return rule.unfilled;  // its other columns mean nothing
  const bool same_image = row[kKeyImage] == entry[kKeyImage];
  if (rule.same_image && same_image) return true;
  if (rule.own && same_image && row[kKeyTarget] == entry[kKeyTarget]) return true;
  if (neighbours_in_time(row, entry, rule.frame_gap)) return true;
  return rule.max_age > 0 && std::int64_t{row[kKeyStep]} - entry[kKeyStep] > rule.max_age;
}

namespace cpu {

// marks: rows x 4; now: the step stands first; places: rows x kKeyColumns.
void key_places(Rows<const std::int32_t> marks, Span<const std::int32_t> now,
                Rows<std::int32_t> places);
// similarity: rows x entries; places: rows x kKeyColumns, the step being the present one; entries:
// entries x kKeyColumns.
template <class T>
void mine_negatives(Rows<const T> similarity, Rows<const std::int32_t> places,
                    Rows<const std::int32_t> entries, Rows<std::int32_t> indices,
                    Span<std::byte> scratch, const MiningRule& rule);
[[nodiscard]] std::int64_t mine_scratch_bytes(std::int64_t rows, std::int64_t entries);

// numbers: kMiningNumbers of them. The present step stands first in `now`.
template <class T>
void mining_statistics(Rows<const std::int32_t> places, Rows<const std::int32_t> entries,
                       Rows<const std::int32_t> indices, Span<const std::int32_t> now,
                       Span<T> numbers, std::int64_t frame_gap);

template <class T>
void enqueue_keys(Rows<const T> keys, Rows<const std::int32_t> places, Rows<T> queue,
                  Rows<std::int32_t> entries, Span<std::int32_t> cursor);

}  // namespace cpu

// Everything is the CPU's, to the last bit.
namespace cuda {

// Scratch of mine_negatives: per row a bit for each entry that may be chosen, and room to sort more
// than kSharedEntries of them.
struct MinePieces {
  std::int64_t words;           // of a row's bits
  Span<std::uint32_t> allowed;  // rows x words
  Span<std::uint64_t> lists;

  MinePieces(Scratch& scratch, std::int64_t rows, std::int64_t entries, std::int64_t count)
      : words((entries + 31) / 32),
        allowed(scratch.take<std::uint32_t>(rows * words)),
        lists(scratch.take<std::uint64_t>(entry_scratch(rows, count))) {}
};
// For `count` negatives of each row.
[[nodiscard]] inline std::int64_t mine_scratch_bytes(std::int64_t rows, std::int64_t entries,
                                                     std::int64_t count) {
  Scratch scratch;
  (void)MinePieces(scratch, rows, entries, count);
  return scratch.bytes();
}

void key_places(CudaStream stream, Rows<const std::int32_t> marks, Span<const std::int32_t> now,
                Rows<std::int32_t> places);
void mine_negatives(CudaStream stream, Rows<const float> similarity,
                    Rows<const std::int32_t> places, Rows<const std::int32_t> entries,
                    Rows<std::int32_t> indices, Span<std::byte> scratch, const MiningRule& rule);
void mining_statistics(CudaStream stream, Rows<const std::int32_t> places,
                       Rows<const std::int32_t> entries, Rows<const std::int32_t> indices,
                       Span<const std::int32_t> now, Span<float> numbers, std::int64_t frame_gap);
void enqueue_keys(CudaStream stream, Rows<const float> keys, Rows<const std::int32_t> places,
                  Rows<float> queue, Rows<std::int32_t> entries, Span<std::int32_t> cursor);

}  // namespace cuda
}  // namespace ktrain
