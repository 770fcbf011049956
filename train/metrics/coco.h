// COCO's twelve numbers for boxes, as pycocotools computes them.
//
// Per class, image and IoU threshold, detections by falling score (the first 100) each take the
// free target of largest IoU (the last of equals), real targets before ignored ones; an ignored
// target is a crowd: overlap over the detection's own area, and it absorbs any number of
// detections. A target whose area lies outside the size range is ignored; so is an unmatched
// detection outside of it. Unlike pycocotools, the identity of an annotation never matters (there,
// id 0 counts as unmatched).
#pragma once

#include <array>
#include <span>

#include "train/metrics/detection.h"

namespace ktrain::metrics {

inline constexpr std::array<const char*, 12> kCocoNames = {
    "AP",  "AP50", "AP75",  "APsmall", "APmedium", "APlarge",
    "AR1", "AR10", "AR100", "ARsmall", "ARmedium", "ARlarge"};

// Fractions in the order of kCocoNames; -1 where no target falls in the range, as pycocotools says.
struct CocoScore {
  std::array<double, 12> values{};
};

// `truth` and `detections` are parallel; labels are 0 .. num_classes - 1, others throw Error.
[[nodiscard]] CocoScore coco_score(std::span<const ImageTruth> truth,
                                   std::span<const Detections> detections, int num_classes);

}  // namespace ktrain::metrics
