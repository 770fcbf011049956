// Which target, if any, each candidate box (anchor, proposal) is trained towards; mmdetection's
// MaxIoUAssigner. With o(c, t) the IoU of candidate and target and b(c) = max_t o(c, t):
//   b < negative_iou   kNegative
//   b >= positive_iou  the target of the largest o, the first of equals
//   otherwise          kUnused
//   low quality        each target whose largest o over all candidates is at least low_quality_iou
//                      takes every candidate that reaches exactly this o; later targets overwrite
// A candidate that is not valid, or padding, or NaN, or lies in an ignore region (IoF(candidate,
// region) > ignore_iof for any region) is kUnused and takes no part in the largest o of a target.
// An image without targets makes all others kNegative; unlike mmdetection its ignore regions still
// count.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/queue.h"
#include "kernels/scratch.h"
#include "kernels/view.h"

namespace ktrain {

inline constexpr std::int32_t kNegative = -1;
inline constexpr std::int32_t kUnused = -2;

struct AssignRule {
  double positive_iou = 0;
  double negative_iou = 0;
  double low_quality_iou = 0;
  bool low_quality = false;
  double ignore_iof = 0.5;
};

inline constexpr AssignRule kRpnAssign{0.7, 0.3, 0.3, true, 0.5};
inline constexpr AssignRule kRoiAssign{0.5, 0.5, 0.5, false, 0.5};

template <class T>
struct AssignInput {
  BoxList<const T> boxes;          // batch 1: one list for all images; counts may be null: all real
  Rows<const std::uint8_t> valid;  // images x boxes.capacity, or empty: all valid
  BoxList<const T> targets;        // one list per image
  BoxList<const T> ignored;        // one list per image, or capacity 0
};

// What both devices keep in scratch. Candidates meet the targets in tiles.
inline constexpr std::int64_t kAssignTile = 512;

template <class T>
struct AssignPieces {
  Span<T> tile_best;    // images x tiles x targets: the largest o(c, t) of a tile
  Span<T> target_best;  // images x targets: of all candidates

  AssignPieces(Scratch& scratch, std::int64_t images, std::int64_t candidates, std::int64_t targets)
      : tile_best(
            scratch.take<T>(images * ((candidates + kAssignTile - 1) / kAssignTile) * targets)),
        target_best(scratch.take<T>(images * targets)) {}
};

template <class T>
[[nodiscard]] std::int64_t assign_scratch_bytes(std::int64_t images, std::int64_t candidates,
                                                std::int64_t targets) {
  Scratch scratch;
  (void)AssignPieces<T>(scratch, images, candidates, targets);
  return scratch.bytes();
}

namespace cpu {

// match: images x boxes.capacity, a target's index or one of the constants. overlap: the same
// shape, b(c), 0 where there is no target, -1 where the candidate does not take part. Throws Error
// on other shapes.
template <class T>
void assign(const AssignInput<T>& input, Rows<std::int32_t> match, Rows<T> overlap,
            Span<std::byte> scratch, const AssignRule& rule);

}  // namespace cpu

namespace cuda {

void assign(CudaStream stream, const AssignInput<float>& input, Rows<std::int32_t> match,
            Rows<float> overlap, Span<std::byte> scratch, const AssignRule& rule);

}  // namespace cuda
}  // namespace ktrain
