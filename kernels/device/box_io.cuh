// Boxes in registers: four floats, one 16-byte access where the array allows it.
#pragma once

#include "kernels/device/vector_io.cuh"

namespace ktrain {

struct DeviceBox {
  float corner[4];
};

// Box i of an array of boxes.
__device__ __forceinline__ DeviceBox load_box(const float* boxes, std::int64_t i, bool aligned) {
  const float4 q = load_quad(boxes + i * 4, aligned);
  return {{q.x, q.y, q.z, q.w}};
}

__device__ __forceinline__ void store_box(float* boxes, std::int64_t i, const DeviceBox& box,
                                          bool aligned) {
  store_quad(boxes + i * 4, make_float4(box.corner[0], box.corner[1], box.corner[2], box.corner[3]),
             aligned);
}

}  // namespace ktrain
