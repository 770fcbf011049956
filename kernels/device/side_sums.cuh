// Sums over k of an operand along its sides, out of slices in shared memory that tensor cores
// multiply: a line a k, in pieces where piece_along_side() (slice_layout.h) says. That is also how
// tensor copies leave 64 sides of bf16.
//
// A lane adds one word of a line, two sides of bf16 or one of float. A warp has a part of the
// words, the same all the time; where that is fewer words than it has lanes, several lanes have the
// same word at other k, which of eight (float: four) neighbouring ones so that they read other
// banks.
// They add up at the end, by shuffles, so that a block needs no barrier and no memory for it.
#pragma once

#include "kernels/device/port.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/device/slice_layout.h"

namespace ktrain::product {

// By kThreads threads, the first of which is a multiple of kThreads.
template <class T, int kSides, int kThreads>
struct SideSums {
  const bool wanted;

  __device__ explicit SideSums(bool wanted_) : wanted(wanted_) {
    const int first = share() * kShareLines, at = word() * kWordBytes;
    at_ = kPieceBytes * piece_along_side<T>(first, at / kPieceBytes, kPerLine) + at % kPieceBytes;
  }

  // Adds a slice of kLines of k.
  template <int kLines>
  __device__ __forceinline__ void add(const unsigned char* slice) {
    static_assert(kLines % kPeriod == 0);
#pragma unroll 4
    for (int k = 0; k < kLines; k += kPeriod)
#pragma unroll
      for (int i = 0; i < kShareLines; ++i) {
        // k has no bits in common with what the share's first line has, nor has i.
        const int at = (at_ ^ kPieceBytes * piece_along_side<T>(i, 0, 0)) + (k + i) * kLineBytes;
        const Word word = *reinterpret_cast<const Word*>(slice + at);
#pragma unroll
        for (int s = 0; s < kWordSides; ++s) sums_[s] += widen(word.sides[s]);
      }
  }

  // put(side, sum) for all of them.
  template <class Put>
  __device__ __forceinline__ void give(const Put& put) const {
#pragma unroll
    for (int s = 0; s < kWordSides; ++s) {
      float sum = sums_[s];
#pragma unroll
      for (int lanes = kWarpSize / 2; lanes >= kWarpWords; lanes /= 2)
        sum += __shfl_xor_sync(kAllLanes, sum, lanes);
      if (share() == 0) put(word() * kWordSides + s, sum);
    }
  }

 private:
  static constexpr int kWordBytes = 4, kWordSides = kWordBytes / static_cast<int>(sizeof(T));
  struct alignas(kWordBytes) Word {
    T sides[kWordSides];
  };
  static constexpr int kLineBytes = kSides * static_cast<int>(sizeof(T));
  static constexpr int kPerLine = kLineBytes / kPieceBytes;
  static constexpr int kWarpWords = kSides / kWordSides / (kThreads / kWarpSize);
  static constexpr int kShares = kWarpSize / kWarpWords;  // lanes with the same word
  static constexpr int kPeriod = sizeof(T) == 2 ? 8 : 4;  // lines, until pieces stand as before
  static constexpr int kShareLines = kPeriod / kShares;   // of a period, one after another
  static_assert(kShares * kWarpWords == kWarpSize && kShares * kShareLines == kPeriod);

  // Of a lane: its word, and which of the word's shares of k. Computed twice, not kept.
  [[nodiscard]] static __device__ int word() {
    const int thread = static_cast<int>(threadIdx.x) % kThreads;
    return thread / kWarpSize * kWarpWords + thread % kWarpWords;
  }
  [[nodiscard]] static __device__ int share() {
    return static_cast<int>(threadIdx.x) % kWarpSize / kWarpWords;
  }

  float sums_[kWordSides] = {};
  int at_;  // in bytes, of the lane's word in its first line
};

}  // namespace ktrain::product
