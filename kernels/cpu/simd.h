// The widest float vector with fused multiply-add that this build may use. Code written on Vec
// compiles for any width; rounding differs between widths only where sums are split by lanes.
#pragma once

#include <cmath>
#include <cstring>

#if defined(__AVX512F__) || (defined(__AVX2__) && defined(__FMA__))
#include <immintrin.h>
#endif

namespace ktrain::cpu::simd {

#if defined(__AVX512F__)

struct Vec {
  __m512 v;
  static constexpr int kLanes = 16;
  static Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static Vec all(float x) { return {_mm512_set1_ps(x)}; }
  void store(float* p) const { _mm512_storeu_ps(p, v); }
  friend Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
  friend Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
};
// a * b + c
inline Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
// 0 where a is below 0; a NaN stays one.
inline Vec relu(Vec a) {
  return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a.v, _mm512_setzero_ps(), _CMP_NLT_UQ), a.v)};
}

#elif defined(__AVX2__) && defined(__FMA__)

struct Vec {
  __m256 v;
  static constexpr int kLanes = 8;
  static Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
  static Vec all(float x) { return {_mm256_set1_ps(x)}; }
  void store(float* p) const { _mm256_storeu_ps(p, v); }
  friend Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.v, b.v)}; }
  friend Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.v, b.v)}; }
  friend Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.v, b.v)}; }
};
inline Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
// 0 where a is below 0; a NaN stays one, since the instruction returns its second operand then.
inline Vec relu(Vec a) { return {_mm256_max_ps(_mm256_setzero_ps(), a.v)}; }

#else

// Four lanes of plain arithmetic, which the compiler maps to what there is.
struct Vec {
  float v[4];
  static constexpr int kLanes = 4;
  static Vec load(const float* p) {
    Vec r;
    std::memcpy(r.v, p, sizeof r.v);
    return r;
  }
  static Vec all(float x) { return {{x, x, x, x}}; }
  void store(float* p) const { std::memcpy(p, v, sizeof v); }
  friend Vec operator+(Vec a, Vec b) {
    return {{a.v[0] + b.v[0], a.v[1] + b.v[1], a.v[2] + b.v[2], a.v[3] + b.v[3]}};
  }
  friend Vec operator-(Vec a, Vec b) {
    return {{a.v[0] - b.v[0], a.v[1] - b.v[1], a.v[2] - b.v[2], a.v[3] - b.v[3]}};
  }
  friend Vec operator*(Vec a, Vec b) {
    return {{a.v[0] * b.v[0], a.v[1] * b.v[1], a.v[2] * b.v[2], a.v[3] * b.v[3]}};
  }
};
inline Vec fma(Vec a, Vec b, Vec c) { return a * b + c; }
inline Vec relu(Vec a) {
  for (float& lane : a.v) lane = lane < 0 ? 0.0F : lane;
  return a;
}

#endif

}  // namespace ktrain::cpu::simd
