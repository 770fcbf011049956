// What the ops of kernels/sample.h refuse, on both devices.
#pragma once

#include "kernels/check.h"
#include "kernels/sample.h"

namespace ktrain {

inline void check_sample_draw(const char* who, const SampleDraw& draw, std::int64_t images,
                              std::int64_t candidates) {
  if (draw.order.empty()) {
    KT_CHECK(draw.counters.rows == images && draw.counters.cols == 2,
             "{}: counters is {}x{}, {}x2 wanted", who, draw.counters.rows, draw.counters.cols,
             images);
  } else {
    KT_CHECK(draw.order.rows == images && draw.order.cols == candidates,
             "{}: order is {}x{}, {}x{} wanted", who, draw.order.rows, draw.order.cols, images,
             candidates);
  }
}

inline void check_sample_counts(const char* who, Rows<const std::int32_t> counts,
                                std::int64_t images) {
  KT_CHECK(counts.rows == images && counts.cols == 2, "{}: counts is {}x{}, {}x2 wanted", who,
           counts.rows, counts.cols, images);
}

template <class T>
void check_sample_rois(const RoiCandidates<T>& candidates, const SampleDraw& draw,
                       const RoiSamples<T>& samples, const SampleRule& rule) {
  const std::int64_t images = candidates.proposals.batch, total = images * rule.size;
  KT_CHECK(
      candidates.match.rows == images && candidates.match.cols == candidates.proposals.capacity,
      "sample_rois: {} lists of {} proposals, match is {}x{}", images,
      candidates.proposals.capacity, candidates.match.rows, candidates.match.cols);
  KT_CHECK(candidates.targets.batch == images && candidates.classes.rows == images &&
               candidates.classes.cols == candidates.targets.capacity,
           "sample_rois: {} images, {} lists of {} targets, classes {}x{}", images,
           candidates.targets.batch, candidates.targets.capacity, candidates.classes.rows,
           candidates.classes.cols);
  KT_CHECK(samples.rois.rows == total && samples.rois.cols == 4 && samples.labels.size == total &&
               samples.targets.size == total && samples.image.size == total,
           "sample_rois: rois {}x{}, {} labels, {} targets, {} image indices, {} rows wanted",
           samples.rois.rows, samples.rois.cols, samples.labels.size, samples.targets.size,
           samples.image.size, total);
  check_sample_counts("sample_rois", samples.counts, images);
  check_sample_draw("sample_rois", draw, images,
                    candidates.targets.capacity + candidates.proposals.capacity);
}

inline void check_sample_anchors(Rows<const std::int32_t> match, const SampleDraw& draw,
                                 Rows<const std::int32_t> labels, Rows<const std::int32_t> counts) {
  KT_CHECK(same_shape(match, labels), "sample_anchors: match is {}x{}, labels {}x{}", match.rows,
           match.cols, labels.rows, labels.cols);
  check_sample_counts("sample_anchors", counts, match.rows);
  check_sample_draw("sample_anchors", draw, match.rows, match.cols);
}

// `factor`: how many elements it has.
inline void check_average_factor(const char* who, Rows<const std::int32_t> counts,
                                 std::int64_t factor) {
  check_sample_counts(who, counts, counts.rows);
  KT_CHECK(factor == 1, "{}: factor has {} elements, 1 wanted", who, factor);
}

}  // namespace ktrain
