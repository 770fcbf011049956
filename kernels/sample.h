// Which assigned candidates a step trains on, at random; mmdetection's RandomSampler. Up to
// `positives` of the candidates with a target, then kNegative ones until `size` are chosen or none
// is left.
//
// Random but a pure function: a candidate's key is its word of Philox for (seed, stream, epoch,
// sample, candidate), and the smallest keys are chosen, ties by index. Threads, batch order and the
// other images play no part.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/assign.h"
#include "kernels/queue.h"
#include "kernels/random.h"
#include "kernels/scratch.h"
#include "kernels/view.h"

namespace ktrain {

struct SampleRule {
  std::int64_t size = 0;
  std::int64_t positives = 0;
};

inline constexpr SampleRule kRpnSample{256, 128};
inline constexpr SampleRule kRoiSample{512, 128};

// What the keys are a function of. `key.epoch` is not used.
struct SampleDraw {
  RandomKey key;
  Rows<const std::int32_t> counters;  // images x (epoch, sample), in memory: they change every step
  // images x candidates, or empty: used in place of Philox' words, for tests and comparisons.
  // Compared as unsigned numbers.
  Rows<const std::int32_t> order;
};

template <class T>
struct RoiCandidates {
  BoxList<const T> proposals;
  Rows<const std::int32_t> match;  // of the proposals, by assign
  BoxList<const T> targets;
  Rows<const std::int32_t> classes;  // of the targets: images x targets.capacity
};

// `size` rows per image: positives, then negatives, each in the order of the candidates, then
// padding, which is all zeros in rois and -1 elsewhere.
template <class T>
struct RoiSamples {
  Rows<T> rois;                // x1, y1, x2, y2
  Span<std::int32_t> labels;   // the target's class; num_classes for a negative
  Span<std::int32_t> targets;  // which target of its image; -1 for a negative
  Span<std::int32_t> image;    // which image of the batch
  Rows<std::int32_t> counts;   // images x (positives, negatives)
};

// What lies in scratch: on the CPU the chosen candidates, on CUDA by image the two limits of
// positives and negatives.
struct SamplePieces {
  Span<std::uint64_t> chosen;  // images x rule.size
  Span<std::uint64_t> limits;  // images x 2

  SamplePieces(Scratch& scratch, std::int64_t images, const SampleRule& rule)
      : chosen(scratch.take<std::uint64_t>(images * rule.size)),
        limits(scratch.take<std::uint64_t>(images * 2)) {}
};

[[nodiscard]] std::int64_t sample_scratch_bytes(std::int64_t images, const SampleRule& rule);

namespace cpu {

// labels: images x anchors; 1 chosen positive, 0 chosen negative, -1 not chosen. counts: images x
// (positives, negatives). Throws Error on other shapes.
void sample_anchors(Rows<const std::int32_t> match, const SampleDraw& draw,
                    Rows<std::int32_t> labels, Rows<std::int32_t> counts, Span<std::byte> scratch,
                    const SampleRule& rule);

// Candidates are an image's targets, which are positives of themselves, and its proposals. Target i
// is candidate i, proposal i candidate targets.capacity + i.
template <class T>
void sample_rois(const RoiCandidates<T>& candidates, const SampleDraw& draw,
                 const RoiSamples<T>& samples, Span<std::byte> scratch, const SampleRule& rule,
                 std::int32_t num_classes);

// What mmdetection divides losses by. Of the region proposal network: the sum over images of
// max(positives, 1) + max(negatives, 1). Of the RoI head: all that were chosen, at least 1.
template <class T>
void rpn_average_factor(Rows<const std::int32_t> counts, Span<T> factor);
template <class T>
void roi_average_factor(Rows<const std::int32_t> counts, Span<T> factor);

}  // namespace cpu

namespace cuda {

void sample_anchors(CudaStream stream, Rows<const std::int32_t> match, const SampleDraw& draw,
                    Rows<std::int32_t> labels, Rows<std::int32_t> counts, Span<std::byte> scratch,
                    const SampleRule& rule);
void sample_rois(CudaStream stream, const RoiCandidates<float>& candidates, const SampleDraw& draw,
                 const RoiSamples<float>& samples, Span<std::byte> scratch, const SampleRule& rule,
                 std::int32_t num_classes);
void rpn_average_factor(CudaStream stream, Rows<const std::int32_t> counts, Span<float> factor);
void roi_average_factor(CudaStream stream, Rows<const std::int32_t> counts, Span<float> factor);

}  // namespace cuda
}  // namespace ktrain
