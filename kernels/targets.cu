// A thread per row. Nearly all rows are zeros: 4 bytes read and 20 written. The arithmetic of the
// others is that of box_codec.h.
#include "kernels/targets.h"

#include "kernels/check.h"
#include "kernels/device/box_io.cuh"
#include "kernels/device/launch.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;

struct Deltas {
  float* data;
  std::int32_t* slots;
  bool aligned;
};

__global__ void __launch_bounds__(kThreads)
    anchor_kernel(const float* anchors, const __grid_constant__ BoxList<const float> targets,
                  const std::int32_t* match, const std::int32_t* labels, std::int64_t rows,
                  std::int64_t per_image, Deltas out) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= rows) return;
  const bool positive = labels[i] == 1;
  DeviceBox delta{{0, 0, 0, 0}};
  if (positive) {
    const std::int64_t n = i / per_image;
    const DeviceBox anchor = load_box(anchors, i - n * per_image, false);
    const DeviceBox target = load_box(targets.data, n * targets.capacity + match[i], false);
    encode_box(anchor.corner, target.corner, BoxCoding{}, delta.corner);
  }
  out.slots[i] = positive ? 0 : -1;
  store_box(out.data, i, delta, out.aligned);
}

__global__ void __launch_bounds__(kThreads)
    roi_kernel(const __grid_constant__ RoiMatches<float> matches,
               const __grid_constant__ BoxList<const float> targets,
               const __grid_constant__ BoxCoding coding, Deltas out) {
  const std::int64_t r = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (r >= matches.rois.rows) return;
  const std::int32_t which = matches.targets.data[r];
  DeviceBox delta{{0, 0, 0, 0}};
  if (which >= 0) {
    const DeviceBox roi = load_box(matches.rois.data, r, false);
    const std::int64_t n = matches.image.data[r];
    const DeviceBox target = load_box(targets.data, n * targets.capacity + which, false);
    encode_box(roi.corner, target.corner, coding, delta.corner);
  }
  out.slots[r] = which >= 0 ? matches.labels.data[r] : -1;
  store_box(out.data, r, delta, out.aligned);
}

}  // namespace

void anchor_targets(CudaStream stream, Rows<const float> anchors, BoxList<const float> targets,
                    Rows<const std::int32_t> match, Rows<const std::int32_t> labels,
                    Rows<float> deltas, Span<std::int32_t> slots) {
  KT_CHECK(anchors.cols == 4 && same_shape(match, labels) && match.cols == anchors.rows,
           "anchor_targets: anchors is {}x{}, match {}x{}, labels {}x{}", anchors.rows,
           anchors.cols, match.rows, match.cols, labels.rows, labels.cols);
  KT_CHECK(deltas.rows == match.size() && deltas.cols == 4 && slots.size == match.size(),
           "anchor_targets: deltas is {}x{}, {} slots, {} rows wanted", deltas.rows, deltas.cols,
           slots.size, match.size());
  if (match.empty()) return;
  launch("anchor_targets", anchor_kernel, num_blocks(match.size(), kThreads), kThreads, stream,
         anchors.data, targets, match.data, labels.data, match.size(), anchors.rows,
         Deltas{deltas.data, slots.data, aligned_for_quads(deltas.data)});
}

void roi_targets(CudaStream stream, const RoiMatches<float>& matches, BoxList<const float> targets,
                 Rows<float> deltas, Span<std::int32_t> slots, const BoxCoding& coding) {
  const std::int64_t rows = matches.rois.rows;
  KT_CHECK(matches.rois.cols == 4 && matches.labels.size == rows && matches.targets.size == rows &&
               matches.image.size == rows && same_shape(deltas, matches.rois) && slots.size == rows,
           "roi_targets: rois is {}x{}, {} labels, {} targets, {} images, deltas {}x{}, {} slots",
           rows, matches.rois.cols, matches.labels.size, matches.targets.size, matches.image.size,
           deltas.rows, deltas.cols, slots.size);
  if (rows == 0) return;
  launch("roi_targets", roi_kernel, num_blocks(rows, kThreads), kThreads, stream, matches, targets,
         coding, Deltas{deltas.data, slots.data, aligned_for_quads(deltas.data)});
}

}  // namespace ktrain::cuda
