// Four floats, bf16 or bytes at a time: one access where the address allows, four where not.
// The caller finds out once, for all its pointers, so that the order of what it computes does not
// depend on an address.
#pragma once

#include <cstdint>

#include "kernels/bfloat16.h"
#include "kernels/device/port.cuh"
#ifdef __CUDACC__
#include <cuda_bf16.h>
#endif

namespace ktrain {

inline bool aligned_for_quads(const float* p) {
  return reinterpret_cast<std::uintptr_t>(p) % sizeof(float4) == 0;
}

inline bool aligned_for_quads(const std::uint8_t* p) {
  return reinterpret_cast<std::uintptr_t>(p) % sizeof(uchar4) == 0;
}

// The quad p[0..3]; elements past `count` are 0 and not read.
__device__ __forceinline__ float4 load_quad(const float* p, bool aligned, std::int64_t count = 4) {
  if (aligned && count >= 4) return *reinterpret_cast<const float4*>(p);
  return make_float4(count > 0 ? p[0] : 0.0f, count > 1 ? p[1] : 0.0f, count > 2 ? p[2] : 0.0f,
                     count > 3 ? p[3] : 0.0f);
}

// Elements past `count` are not written.
__device__ __forceinline__ void store_quad(float* p, float4 value, bool aligned,
                                           std::int64_t count = 4) {
  if (aligned && count >= 4) {
    *reinterpret_cast<float4*>(p) = value;
    return;
  }
  if (count > 0) p[0] = value.x;
  if (count > 1) p[1] = value.y;
  if (count > 2) p[2] = value.z;
  if (count > 3) p[3] = value.w;
}

__device__ __forceinline__ uchar4 load_quad(const std::uint8_t* p, bool aligned,
                                            std::int64_t count = 4) {
  if (aligned && count >= 4) return *reinterpret_cast<const uchar4*>(p);
  return make_uchar4(count > 0 ? p[0] : std::uint8_t{0}, count > 1 ? p[1] : std::uint8_t{0},
                     count > 2 ? p[2] : std::uint8_t{0}, count > 3 ? p[3] : std::uint8_t{0});
}

__device__ __forceinline__ void store_quad(std::uint8_t* p, uchar4 value, bool aligned,
                                           std::int64_t count = 4) {
  if (aligned && count >= 4) {
    *reinterpret_cast<uchar4*>(p) = value;
    return;
  }
  if (count > 0) p[0] = value.x;
  if (count > 1) p[1] = value.y;
  if (count > 2) p[2] = value.z;
  if (count > 3) p[3] = value.w;
}

// to_bfloat16, but that a GPU chooses which NaN a NaN becomes: one instruction for two of them.
__device__ __forceinline__ Bfloat16 rounded_to_bfloat16(float x) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  return {__bfloat16_as_ushort(__float2bfloat16_rn(x))};
#else
  return to_bfloat16(x);
#endif
}

struct alignas(8) Bfloat16Quad {
  Bfloat16 x, y, z, w;
};

inline bool aligned_for_quads(const Bfloat16* p) {
  return reinterpret_cast<std::uintptr_t>(p) % sizeof(Bfloat16Quad) == 0;
}

// Conditions are nested, and numbers converted behind them: side by side they took more predicate
// registers than a GPU has.
__device__ __forceinline__ float4 load_quad(const Bfloat16* p, bool aligned,
                                            std::int64_t count = 4) {
  Bfloat16Quad q = {};
  if (aligned && count >= 4) {
    q = *reinterpret_cast<const Bfloat16Quad*>(p);
  } else if (count > 0) {
    q.x = p[0];
    if (count > 1) {
      q.y = p[1];
      if (count > 2) {
        q.z = p[2];
        if (count > 3) q.w = p[3];
      }
    }
  }
  return make_float4(to_float(q.x), to_float(q.y), to_float(q.z), to_float(q.w));
}

__device__ __forceinline__ void store_quad(Bfloat16* p, float4 value, bool aligned,
                                           std::int64_t count = 4) {
  const Bfloat16Quad q = {rounded_to_bfloat16(value.x), rounded_to_bfloat16(value.y),
                          rounded_to_bfloat16(value.z), rounded_to_bfloat16(value.w)};
  if (aligned && count >= 4) {
    *reinterpret_cast<Bfloat16Quad*>(p) = q;
  } else if (count > 0) {
    p[0] = q.x;
    if (count > 1) {
      p[1] = q.y;
      if (count > 2) {
        p[2] = q.z;
        if (count > 3) p[3] = q.w;
      }
    }
  }
}

}  // namespace ktrain
