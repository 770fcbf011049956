// Batches of pairs, decoded ahead by threads. What a step contains is a pure function of the index,
// the options and the step: threads, restarts and the depth of the queue change nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/pair_index.h"
#include "data/resize.h"

namespace ktrain {

// One batch of fixed shape. Slots from `count` on are empty: zero bytes, no boxes, index -1.
struct PairBatch {
  int batch = 0, height = 0, width = 0;  // `height` x `width` is the padded size
  int max_boxes = 0;                     // per list and image
  int count = 0;
  std::int64_t step = 0, epoch = 0;            // 0-based
  std::vector<std::uint8_t> visible, thermal;  // batch x height x width x 3, padding is 0
  std::vector<Size> sizes;                     // of the valid part, after resizing
  std::vector<Size> original_sizes;
  std::vector<float> scale_x, scale_y;  // resized over original
  std::vector<float> boxes, ignored;    // batch x max_boxes x 4, padding is 0
  std::vector<std::int32_t> box_counts, ignored_counts;
  std::vector<std::uint8_t> flipped;
  std::vector<std::int64_t> indices;         // places in the PairIndex
  std::vector<std::int32_t> groups, frames;  // data/pair_identity.h; -1 in an empty slot
};

// What to do with pairs that do not fill the last batch of an epoch.
enum class LastBatch : std::uint8_t {
  kDrop,     // leave them out of this epoch
  kWrap,     // fill up from the beginning of the epoch's order: every pair at least once
  kPartial,  // an unfilled batch: every pair exactly once, for evaluation
};

struct LoaderOptions {
  int batch = 2;
  Scale scale;        // the box that images are resized to fit in
  Size padded_size;   // 0x0: the smallest multiple of 32 that holds every pair
  int max_boxes = 0;  // 0: as many as the fullest pair has
  double flip = 0.0;  // probability, of the whole pair
  bool shuffle = true;
  LastBatch last = LastBatch::kWrap;
  std::uint64_t seed = 0;
  int workers = 1;               // 0: decode in next()
  int queue = 3;                 // batches prepared ahead
  std::int64_t cache_bytes = 0;  // of resized pairs kept in memory
};

// The order of `size` pairs in an epoch: a permutation, or 0, 1, 2 ... without `shuffle`.
[[nodiscard]] std::vector<std::int64_t> epoch_order(std::int64_t size, std::uint64_t seed,
                                                    std::int64_t epoch, bool shuffle);
[[nodiscard]] std::int64_t steps_per_epoch(std::int64_t size, int batch, LastBatch last);

class Loader {
 public:
  // Index and folder outlive the loader. Throws Fault KT-DATA-017 when a pair does not fit the
  // options.
  Loader(const PairIndex& index, const DataFolder& folder, const LoaderOptions& options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  [[nodiscard]] std::int64_t steps_per_epoch() const;
  [[nodiscard]] Size padded_size() const;
  [[nodiscard]] int max_boxes() const;
  // The next call of next() gives this step; for a resumed run.
  void seek(std::int64_t step);
  // The batch of the next step, valid until the next call. Rethrows what went wrong on the way to
  // it, which may be a Fault about a file that changed since the index was built.
  const PairBatch& next();
  // Seconds that next() has waited for workers, in all.
  [[nodiscard]] double wait_seconds() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ktrain
