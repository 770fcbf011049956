// What the ops of kernels/roi_align.h refuse, on both devices. Image indices are the CPU's to look
// at; on a GPU they stay there.
#pragma once

#include "kernels/check.h"
#include "kernels/roi_align.h"

namespace ktrain {

// `levels` and `out`: maps and what is read of them, or the gradients of both.
template <class Level, class Roi, class Out>
void check_roi_align(const char* who, const RoiLevels<Level>& levels, Rows<const Roi> rois,
                     Span<const std::int32_t> image, Nhwc<Out> out) {
  KT_CHECK(rois.cols == 4, "{}: rois have {} columns, wanted 4", who, rois.cols);
  KT_CHECK(image.size == rois.rows, "{}: {} image indices for {} rois", who, image.size, rois.rows);
  KT_CHECK(out.batch == rois.rows, "{}: the output has {} rows for {} rois", who, out.batch,
           rois.rows);
  KT_CHECK(
      out.height >= 1 && out.height <= kRoiMaxBins && out.width >= 1 && out.width <= kRoiMaxBins,
      "{}: {}x{} bins, wanted 1 to {} by axis", who, out.height, out.width, kRoiMaxBins);
  for (const auto& level : levels) {
    KT_CHECK(level.channels == out.channels && level.batch == levels[0].batch,
             "{}: a level is {}x{}x{}x{}, wanted {} images and {} channels", who, level.batch,
             level.height, level.width, level.channels, levels[0].batch, out.channels);
    KT_CHECK(rois.rows == 0 || (level.height > 0 && level.width > 0),
             "{}: a level is {}x{} cells; rois need at least one", who, level.height, level.width);
  }
}

}  // namespace ktrain
