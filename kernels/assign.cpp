// Tiles of candidates meet one target after another, so that no matrix of targets x candidates is
// written. A tile leaves its largest overlap with each target; these are joined, and the second
// pass looks only at candidates whose own best could be some target's best.
#include "kernels/assign.h"

#include <algorithm>

#include "kernels/check.h"
#include "kernels/iou.h"
#include "kernels/parallel.h"
#include "kernels/scratch.h"

namespace ktrain::cpu {
namespace {

constexpr std::int64_t kTile = kAssignTile;

template <class T>
struct Tile {
  T x1[kTile], y1[kTile], x2[kTile], y2[kTile], area[kTile];
  T best[kTile];  // -1 from the start for a candidate that takes no part
  T open[kTile];  // 1, or 0 for such a candidate
  std::int32_t which[kTile];
};

// Image n of the input.
template <class T>
struct Image {
  const T* boxes;
  std::int64_t num_boxes;
  const std::uint8_t* valid;  // or null
  const T* targets;
  std::int64_t num_targets;
  const T* ignored;
  std::int64_t num_ignored;

  Image(const AssignInput<T>& in, std::int64_t n)
      : boxes(in.boxes.box(in.boxes.batch == 1 ? 0 : n, 0)),
        num_boxes(in.boxes.counts ? in.boxes.counts[in.boxes.batch == 1 ? 0 : n]
                                  : in.boxes.capacity),
        valid(in.valid.empty() ? nullptr : in.valid.data + n * in.valid.cols),
        targets(in.targets.box(n, 0)),
        num_targets(in.targets.capacity > 0 ? in.targets.counts[n] : 0),
        ignored(in.ignored.box(n, 0)),
        num_ignored(in.ignored.capacity > 0 ? in.ignored.counts[n] : 0) {}
};

template <class T>
void load(const Image<T>& image, std::int64_t begin, std::int64_t size, T ignore_iof,
          Tile<T>& tile) {
  for (std::int64_t k = 0; k < size; ++k) {
    const std::int64_t i = begin + k;
    const T* const box = image.boxes + i * 4;
    tile.x1[k] = box[0];
    tile.y1[k] = box[1];
    tile.x2[k] = box[2];
    tile.y2[k] = box[3];
    tile.area[k] = box_area(box);
    bool open = i < image.num_boxes && (!image.valid || image.valid[i]);
    open = open && tile.area[k] == tile.area[k];
    for (std::int64_t r = 0; open && r < image.num_ignored; ++r)
      open = !(box_overlap(box, image.ignored + r * 4, Overlap::kIof) > ignore_iof);
    tile.open[k] = open ? T{1} : T{0};
    tile.best[k] = open && image.num_targets == 0 ? T{0} : T{-1};
    tile.which[k] = 0;
  }
}

// One target against a tile; returns its largest overlap there, -1 without an open candidate.
template <class T>
T meet(const T* target, std::int32_t index, std::int64_t size, Tile<T>& tile) {
  const T x1 = target[0], y1 = target[1], x2 = target[2], y2 = target[3], area = box_area(target);
  T largest = T{-1};
#pragma omp simd reduction(max : largest)
  for (std::int64_t k = 0; k < size; ++k) {
    const T common = intersection(x1, y1, x2, y2, tile.x1[k], tile.y1[k], tile.x2[k], tile.y2[k]);
    const T iou = ratio_of_areas(common, area + tile.area[k] - common);
    const T seen = tile.open[k] > T{0} ? iou : T{-1};
    tile.which[k] = seen > tile.best[k] ? index : tile.which[k];
    tile.best[k] = seen > tile.best[k] ? seen : tile.best[k];
    largest = seen > largest ? seen : largest;
  }
  return largest;
}

template <class T>
void match_tile(const Image<T>& image, std::int64_t begin, std::int64_t size,
                const AssignRule& rule, T* tile_best, std::int32_t* match, T* overlap) {
  Tile<T> tile;
  load(image, begin, size, static_cast<T>(rule.ignore_iof), tile);
  for (std::int64_t t = 0; t < image.num_targets; ++t)
    tile_best[t] = meet(image.targets + t * 4, static_cast<std::int32_t>(t), size, tile);
  const T positive = static_cast<T>(rule.positive_iou);
  const T negative = static_cast<T>(rule.negative_iou);
  for (std::int64_t k = 0; k < size; ++k) {
    const T best = tile.best[k];
    overlap[begin + k] = best;
    if (image.num_targets > 0 && best >= positive)
      match[begin + k] = tile.which[k];
    else
      match[begin + k] = best >= T{0} && best < negative ? kNegative : kUnused;
  }
}

// The second pass over one tile. `least` is the smallest best of a target that takes part.
template <class T>
void match_low_quality(const Image<T>& image, std::int64_t begin, std::int64_t size, T low, T least,
                       const T* target_best, const T* overlap, std::int32_t* match) {
  for (std::int64_t i = begin; i < begin + size; ++i) {
    if (!(overlap[i] >= least)) continue;
    for (std::int64_t t = 0; t < image.num_targets; ++t) {
      if (!(target_best[t] >= low)) continue;
      const T iou = box_overlap(image.targets + t * 4, image.boxes + i * 4, Overlap::kIou);
      if (iou == target_best[t]) match[i] = static_cast<std::int32_t>(t);
    }
  }
}

template <class T>
void check(const AssignInput<T>& in, Rows<std::int32_t> match, Rows<T> overlap) {
  const std::int64_t images = match.rows;
  KT_CHECK(match.cols == in.boxes.capacity && same_shape(match, overlap) &&
               (in.boxes.batch == images || in.boxes.batch == 1),
           "assign: {} lists of {} candidates, match {}x{}, overlap {}x{}", in.boxes.batch,
           in.boxes.capacity, match.rows, match.cols, overlap.rows, overlap.cols);
  KT_CHECK(in.valid.empty() || same_shape(in.valid, match), "assign: valid is {}x{}, match {}x{}",
           in.valid.rows, in.valid.cols, match.rows, match.cols);
  KT_CHECK((in.targets.capacity == 0 || in.targets.batch == images) &&
               (in.ignored.capacity == 0 || in.ignored.batch == images),
           "assign: {} images, {} lists of targets, {} of ignore regions", images, in.targets.batch,
           in.ignored.batch);
}

}  // namespace

template <class T>
void assign(const AssignInput<T>& input, Rows<std::int32_t> match, Rows<T> overlap,
            Span<std::byte> scratch, const AssignRule& rule) {
  check(input, match, overlap);
  if (match.empty()) return;
  const std::int64_t tiles = num_chunks(match.cols, kTile), capacity = input.targets.capacity;
  Scratch carver(scratch);
  const AssignPieces<T> pieces(carver, match.rows, match.cols, capacity);
  const auto each_tile = [&](auto&& body) {
    parallel_for(match.rows * tiles, 8, [&](std::int64_t index) {
      const std::int64_t n = index / tiles, begin = index % tiles * kTile;
      body(n, index, begin, std::min(kTile, match.cols - begin));
    });
  };
  each_tile([&](std::int64_t n, std::int64_t index, std::int64_t begin, std::int64_t size) {
    match_tile(Image<T>(input, n), begin, size, rule, pieces.tile_best.data + index * capacity,
               match.data + n * match.cols, overlap.data + n * match.cols);
  });
  if (!rule.low_quality) return;
  for (std::int64_t n = 0; n < match.rows; ++n) {
    for (std::int64_t t = 0; t < Image<T>(input, n).num_targets; ++t) {
      T best = T{-1};
      for (std::int64_t k = 0; k < tiles; ++k)
        best = std::max(best, pieces.tile_best[(n * tiles + k) * capacity + t]);
      pieces.target_best[n * capacity + t] = best;
    }
  }
  const T low = static_cast<T>(rule.low_quality_iou);
  each_tile([&](std::int64_t n, std::int64_t, std::int64_t begin, std::int64_t size) {
    const Image<T> image(input, n);
    const T* const target_best = pieces.target_best.data + n * capacity;
    T least = T{2};  // above any IoU
    for (std::int64_t t = 0; t < image.num_targets; ++t)
      if (target_best[t] >= low) least = std::min(least, target_best[t]);
    match_low_quality(image, begin, size, low, least, target_best,
                      static_cast<const T*>(overlap.data + n * match.cols),
                      match.data + n * match.cols);
  });
}

template void assign(const AssignInput<float>&, Rows<std::int32_t>, Rows<float>, Span<std::byte>,
                     const AssignRule&);
template void assign(const AssignInput<double>&, Rows<std::int32_t>, Rows<double>, Span<std::byte>,
                     const AssignRule&);

}  // namespace ktrain::cpu
