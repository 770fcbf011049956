#include "kernels/device/tensor_map.h"

#include "kernels/check.h"
#include "kernels/device/calls.h"
#include "kernels/device/lost.cuh"

#if defined(__CUDACC__)
#include <cuda.h>
#else
#include "kernels/device/emulation/tensor_copy.h"
#endif

namespace ktrain {

#if defined(__CUDACC__)

namespace {

// The driver's function, without libcuda among the program's libraries.
void* driver_function(const char* name) {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found{};
#if CUDART_VERSION >= 12050
  KT_DEVICE(cudaGetDriverEntryPointByVersion(name, &function, 12000, cudaEnableDefault, &found));
#else
  KT_DEVICE(cudaGetDriverEntryPoint(name, &function, cudaEnableDefault, &found));
#endif
  KT_CHECK(found == cudaDriverEntryPointSuccess && function, "the driver has no {}", name);
  return function;
}

void check_made(CUresult result, const char* name) {
  KT_CHECK(result == CUDA_SUCCESS, "{}: the driver says {}", name, static_cast<int>(result));
}

static_assert(sizeof(TensorMap) == sizeof(CUtensorMap) && alignof(TensorMap) >= 64);

}  // namespace

TensorMap tensor_map(const TileMap& t) {
  note_call(DeviceCall::kTensorMap);
  static const auto make = reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(
      driver_function("cuTensorMapEncodeTiled"));
  TensorMap map{};
  cuuint64_t sizes[3], strides[2];
  cuuint32_t box[3];
  const cuuint32_t steps[3] = {1, 1, 1};
  for (int i = 0; i < 3; ++i) {
    sizes[i] = static_cast<cuuint64_t>(t.sizes[static_cast<std::size_t>(i)]);
    box[i] = static_cast<cuuint32_t>(t.box[static_cast<std::size_t>(i)]);
  }
  for (int i = 0; i < 2; ++i)
    strides[i] = static_cast<cuuint64_t>(t.strides[static_cast<std::size_t>(i)]);
  check_made(make(reinterpret_cast<CUtensorMap*>(&map), CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
                  static_cast<cuuint32_t>(t.rank), const_cast<void*>(t.data), sizes, strides, box,
                  steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                  CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE),
             "cuTensorMapEncodeTiled");
  return map;
}

TensorMap tensor_map(const WindowMap& w) {
  note_call(DeviceCall::kTensorMap);
  static const auto make = reinterpret_cast<decltype(&cuTensorMapEncodeIm2col)>(
      driver_function("cuTensorMapEncodeIm2col"));
  TensorMap map{};
  const auto of = [](std::int64_t v) { return static_cast<cuuint64_t>(v); };
  const cuuint64_t sizes[4] = {of(w.channels), of(w.width), of(w.height), of(w.batch)};
  const cuuint64_t pixel = 2 * of(w.channels);
  const cuuint64_t strides[3] = {pixel, pixel * of(w.width), pixel * of(w.width) * of(w.height)};
  const auto step = static_cast<cuuint32_t>(w.stride);
  const cuuint32_t steps[4] = {1, step, step, 1};
  check_made(make(reinterpret_cast<CUtensorMap*>(&map), CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 4,
                  const_cast<void*>(w.data), sizes, strides, w.lower.data(), w.upper.data(),
                  kBoxLine, static_cast<cuuint32_t>(w.pixels), steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
                  CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
                  CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE),
             "cuTensorMapEncodeIm2col");
  return map;
}

#else

TensorMap tensor_map(const TileMap& tiles) {
  note_call(DeviceCall::kTensorMap);
  return emulation::encode(tiles);
}
TensorMap tensor_map(const WindowMap& windows) {
  note_call(DeviceCall::kTensorMap);
  return emulation::encode(windows);
}

#endif

}  // namespace ktrain
