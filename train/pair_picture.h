// A pair of images with what was found on it and what is there.
#pragma once

#include <string>

#include "data/folder.h"
#include "data/image_io.h"
#include "train/metrics/detection.h"

namespace ktrain {

// One image of a pair, decoded. Throws Fault.
[[nodiscard]] Image read_pair_image(const DataFolder& folder, const std::string& path);

// Visible and thermal side by side under captions, each 640 pixels wide so that text can be read:
// detections from `score` on in green with their scores, targets in white, ignored regions in grey.
[[nodiscard]] Image draw_pair(const Image& visible, const Image& thermal,
                              const metrics::ImageTruth& truth, const metrics::Detections& found,
                              double score);

}  // namespace ktrain
