// Kernel views of the detector's tensors, for runtime/ops/.
#pragma once

#include <cstddef>

#include "runtime/ops_detection.h"
#include "runtime/workspace.h"

namespace ktrain {

// An undefined tensor is a list of no boxes.
[[nodiscard]] inline BoxList<const float> box_list(const BoxTensor& boxes) {
  if (!boxes.boxes.defined()) return {};
  const Shape& shape = boxes.boxes.shape();
  KT_CHECK(shape.rank() == 3 && shape[2] == 4, "boxes are {}, images x capacity x 4 wanted",
           shape.text());
  const Span<const std::int32_t> counts = boxes.counts.span<std::int32_t>();
  KT_CHECK(counts.size == shape[0], "boxes are {} with {} counts", shape.text(), counts.size);
  return {boxes.boxes.span<float>().data, counts.data, shape[0], shape[1]};
}

[[nodiscard]] inline Rows<const std::int32_t> optional_rows(const Tensor& x) {
  return x.defined() ? x.rows<std::int32_t>() : Rows<const std::int32_t>{};
}

[[nodiscard]] inline SampleDraw draw_view(const Draw& draw) {
  return {draw.key, optional_rows(draw.counters), optional_rows(draw.order)};
}

// What is wanted where `like` lies.
[[nodiscard]] inline std::int64_t on_device(const Tensor& like, std::int64_t cpu,
                                            std::int64_t cuda) {
  return like.queue().device == Device::kCpu ? cpu : cuda;
}

// `bytes` in the context of `like`, accounted as workspace.
[[nodiscard]] inline Tensor scratch_bytes(const Tensor& like, std::int64_t bytes) {
  const MemoryUseScope use(MemoryUse::kWorkspace);
  return Tensor::empty(like.context(), {bytes}, DType::kU8);
}

[[nodiscard]] inline Span<std::byte> bytes_of(Tensor& scratch) {
  const Span<std::uint8_t> view = scratch.mutable_span<std::uint8_t>();
  return {reinterpret_cast<std::byte*>(view.data), view.size};
}

}  // namespace ktrain
