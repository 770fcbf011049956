// From the region proposal network's output to an image's proposals, for a batch at once:
//   of each level the `per_level` best anchors by logit -> decode -> clip to the image -> boxes
//   with a width and a height above 0 -> suppression within the level -> the `per_image` best of
//   all levels
// Scores are 1 / (1 + exp(-logit)). Boxes are ranked by logit: the same order, but without the ties
// that rounding makes of saturated scores. Equal logits: the lower anchor of its level first, the
// finer level first. A NaN logit comes last; a NaN box is dropped.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/anchors.h"
#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

struct ProposalRule {
  std::int64_t per_level = 2000;
  std::int64_t per_image = 1000;
  double iou_threshold = 0.7;
};

inline constexpr ProposalRule kTrainProposals{2000, 1000, 0.7};
inline constexpr ProposalRule kTestProposals{1000, 1000, 0.7};

template <class T>
struct RpnOutput {
  Rows<const T> logits;             // images x anchors
  Rows<const T> deltas;             // (images * anchors) x 4
  Rows<const T> anchors;            // anchors x 4, by make_anchors
  Span<const PyramidLevel> levels;  // of the anchors
  Rows<const std::int32_t> sizes;   // images x (height, width): where boxes are clipped
};

// `per_image` rows an image, best first, then zeros.
template <class T>
struct ScoredBoxes {
  Rows<T> boxes;              // (images * per_image) x 4
  Rows<T> scores;             // images x per_image
  Span<std::int32_t> counts;  // images
};

namespace cpu {

// Throws Error when shapes disagree with each other or the rule.
template <class T>
void propose(const RpnOutput<T>& output, const ScoredBoxes<T>& proposals, Span<std::byte> scratch,
             const ProposalRule& rule);

template <class T>
[[nodiscard]] std::int64_t propose_scratch_bytes(std::int64_t images, std::int64_t levels,
                                                 const ProposalRule& rule);

// The image of each row of the lists: image[n * capacity + i] = i < counts[n] ? n : -1. Throws
// Error when image.size is no multiple of counts.size.
void image_of_rows(Span<const std::int32_t> counts, Span<std::int32_t> image);

}  // namespace cpu

namespace cuda {

// output.levels lie on the host, kMaxCudaLevels at most.
void propose(CudaStream stream, const RpnOutput<float>& output, const ScoredBoxes<float>& proposals,
             Span<std::byte> scratch, const ProposalRule& rule);

[[nodiscard]] std::int64_t propose_scratch_bytes(std::int64_t images, std::int64_t levels,
                                                 const ProposalRule& rule);

void image_of_rows(CudaStream stream, Span<const std::int32_t> counts, Span<std::int32_t> image);

}  // namespace cuda
}  // namespace ktrain
