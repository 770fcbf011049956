#include "kernels/roi_align.h"

#include "runtime/map_type.h"
#include "runtime/ops.h"

namespace ktrain {

Tensor roi_align(const std::array<Tensor, kRoiLevels>& levels, const Tensor& rois,
                 const Tensor& image, std::int64_t bins) {
  Tensor out = Tensor::empty(rois.context(), {rois.size(0), bins, bins, levels[0].size(3)},
                             levels[0].dtype());
  with_map_type(out, [&]<class T>(T) {
    const RoiLevels<const T> maps = {levels[0].nhwc<T>(), levels[1].nhwc<T>(), levels[2].nhwc<T>(),
                                     levels[3].nhwc<T>()};
    KT_RUN(rois.queue(), roi_align_forward, maps, rois.rows<float>(), image.span<std::int32_t>(),
           out.mutable_nhwc<T>());
  });
  const std::array<Shape, kRoiLevels> shapes = {levels[0].shape(), levels[1].shape(),
                                                levels[2].shape(), levels[3].shape()};
  return record("roi_align", {levels[0], levels[1], levels[2], levels[3]}, out,
                [rois = rois.detached(), image = image.detached(), shapes](const Tensor& dout,
                                                                           const Wanted&) {
                  std::vector<Tensor> results;
                  for (const Shape& shape : shapes)
                    results.push_back(Tensor::empty(dout.context(), shape, dout.dtype()));
                  with_map_type(dout, [&]<class T>(T) {
                    const RoiLevels<T> dlevels = {
                        results[0].mutable_nhwc<T>(), results[1].mutable_nhwc<T>(),
                        results[2].mutable_nhwc<T>(), results[3].mutable_nhwc<T>()};
                    KT_RUN(dout.queue(), roi_align_backward, rois.rows<float>(),
                           image.span<std::int32_t>(), dout.nhwc<T>(), dlevels);
                  });
                  return results;
                });
}

}  // namespace ktrain
