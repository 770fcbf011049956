// Boxes as offsets from a reference box (an anchor, a RoI) and back; Girshick et al. 2014 with
// mmdetection's constants (DeltaXYWHBBoxCoder). With centre (px, py) and size (pw, ph) of the
// reference and g of the box:
//   encode:  dx = (gx - px) / pw   dw = ln(gw / pw)   then (d - mean) / std, likewise y and h
//   decode:  the inverse; dw and dh are clamped to +-|ln(16/1000)|, so that exp stays finite
// A box is x1, y1, x2, y2 with x2 = x1 + width. A reference of no size encodes to infinities or
// NaN.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/host_device.h"
#include "kernels/queue.h"
#include "kernels/view.h"

namespace ktrain {

struct BoxCoding {
  double mean[4] = {0, 0, 0, 0};
  double std[4] = {1, 1, 1, 1};
};

// Of the RoI head; the region proposal network uses BoxCoding{}.
inline constexpr BoxCoding kRoiCoding{{0, 0, 0, 0}, {0.1, 0.1, 0.2, 0.2}};
inline constexpr double kMaxLogRatio = 4.135166556742356;  // |ln(16/1000)|

template <class T>
KT_HOST_DEVICE inline void encode_box(const T* reference, const T* box, const BoxCoding& coding,
                                      T* delta) {
  const T half = T(0.5);
  const T pw = reference[2] - reference[0], ph = reference[3] - reference[1];
  const T gw = box[2] - box[0], gh = box[3] - box[1];
  const T raw[4] = {((box[0] + box[2]) * half - (reference[0] + reference[2]) * half) / pw,
                    ((box[1] + box[3]) * half - (reference[1] + reference[3]) * half) / ph,
                    std::log(gw / pw), std::log(gh / ph)};
  for (int i = 0; i < 4; ++i)
    delta[i] = (raw[i] - static_cast<T>(coding.mean[i])) / static_cast<T>(coding.std[i]);
}

// box may alias reference.
template <class T>
KT_HOST_DEVICE inline void decode_box(const T* reference, const T* delta, const BoxCoding& coding,
                                      T* box) {
  const T half = T(0.5), limit = static_cast<T>(kMaxLogRatio);
  T raw[4];
  for (int i = 0; i < 4; ++i)
    raw[i] = delta[i] * static_cast<T>(coding.std[i]) + static_cast<T>(coding.mean[i]);
  for (int i = 2; i < 4; ++i) {  // a NaN passes through
    if (raw[i] < -limit) raw[i] = -limit;
    if (raw[i] > limit) raw[i] = limit;
  }
  const T pw = reference[2] - reference[0], ph = reference[3] - reference[1];
  const T gx = (reference[0] + reference[2]) * half + pw * raw[0];
  const T gy = (reference[1] + reference[3]) * half + ph * raw[1];
  const T gw = pw * std::exp(raw[2]), gh = ph * std::exp(raw[3]);
  box[0] = gx - gw * half;
  box[1] = gy - gh * half;
  box[2] = gx + gw * half;
  box[3] = gy + gh * half;
}

// Moves every corner into [0, width] x [0, height]. A NaN passes through.
template <class T>
KT_HOST_DEVICE inline void clip_box(T width, T height, T* box) {
  for (int i = 0; i < 4; ++i) {
    const T limit = i % 2 == 0 ? width : height;
    if (box[i] < T{0}) box[i] = T{0};
    if (box[i] > limit) box[i] = limit;
  }
}

namespace cpu {

// Row by row; all are rows x 4. Throws Error on other shapes. boxes may alias references or deltas.
template <class T>
void encode_boxes(Rows<const T> references, Rows<const T> boxes, Rows<T> deltas,
                  const BoxCoding& coding);
template <class T>
void decode_boxes(Rows<const T> references, Rows<const T> deltas, Rows<T> boxes,
                  const BoxCoding& coding);

}  // namespace cpu

namespace cuda {

void encode_boxes(CudaStream stream, Rows<const float> references, Rows<const float> boxes,
                  Rows<float> deltas, const BoxCoding& coding);
void decode_boxes(CudaStream stream, Rows<const float> references, Rows<const float> deltas,
                  Rows<float> boxes, const BoxCoding& coding);

}  // namespace cuda
}  // namespace ktrain
