// What products read and write. An operand is a matrix seen from the product: element (side, k)
// with `side` a row of a or a column of b. It hands out some neighbours at a time: quads, and, to
// tensor cores, pieces of 16 bytes, which are four floats or eight bf16.
//
//   Element       float or Bfloat16
//   kAlongK       are they neighbours in k (else in side)?
//   Cursor        what a thread keeps of one side, or of those of a quad or piece
//   at(side)      makes it
//   load(c, k)    the quad at k, k + 1, k + 2, k + 3 of a side, or of four sides at k; of floats
//   in_pieces()   does every piece stand in one place of memory, at a multiple of 16 bytes?
//   find(c, k)    if so, where; null for one that is all zeros
//   origin()      what may be pointed at where nothing is read
//   element(c, k, i)   element i of the piece
//
// Past the last k it must hand out zeros, which are multiplied with the other operand's. Past the
// last side it may hand out anything that can be read: nobody keeps what becomes of it.
//
// An output takes a quad of a row of c: put(m, n, value). m is inside, n + 3 may be outside.
// product_windows.cuh has those of convolutions.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/device/port.cuh"
#include "kernels/device/slice_layout.h"
#include "kernels/device/vector_io.cuh"
#include "kernels/gradient_end.h"

namespace ktrain::product {

template <class T>
bool aligned_for_pieces(const T* p, std::int64_t stride) {
  return stride % kPieceOf<T> == 0 && reinterpret_cast<std::uintptr_t>(p) % kPieceBytes == 0;
}

__device__ __forceinline__ float4 no_quad() { return make_float4(0, 0, 0, 0); }

__device__ __forceinline__ float4 scaled(float4 q, float factor) {
  return make_float4(q.x * factor, q.y * factor, q.z * factor, q.w * factor);
}
__device__ __forceinline__ float4 product_of(float4 a, float4 b) {
  return make_float4(a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w);
}
__device__ __forceinline__ float4 sum_of(float4 a, float4 b) {
  return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}

// data[side * depth + k]
template <class T>
struct DenseAlongK {
  using Element = T;
  static constexpr bool kAlongK = true;
  const T* data = nullptr;
  int sides = 0, depth = 0;
  bool aligned = false;

  DenseAlongK() = default;
  DenseAlongK(const T* from, std::int64_t sides_, std::int64_t depth_)
      : data(from),
        sides(static_cast<int>(sides_)),
        depth(static_cast<int>(depth_)),
        aligned(aligned_for_pieces(from, depth_)) {}

  // Sides past the last one get its numbers.
  using Cursor = const T*;
  [[nodiscard]] __device__ Cursor at(int side) const {
    return data + std::int64_t{side < sides ? side : sides - 1} * depth;
  }
  [[nodiscard]] __device__ float4 load(Cursor row, int k) const {
    return load_quad(row + k, aligned, depth - k);
  }
  [[nodiscard]] KT_HOST_DEVICE bool in_pieces() const { return aligned; }
  [[nodiscard]] __device__ const T* origin() const { return data; }
  [[nodiscard]] __device__ const T* find(Cursor row, int k) const {
    return k < depth ? row + k : nullptr;
  }
  [[nodiscard]] __device__ T element(Cursor row, int k, int i) const {
    return k + i < depth ? row[k + i] : T{};
  }
};

// data[k * sides + side], times scale[k] where there is a scale: for quads only.
template <class T>
struct DenseAlongSide {
  using Element = T;
  static constexpr bool kAlongK = false;
  const T* data = nullptr;
  const float* scale = nullptr;
  int sides = 0, depth = 0;
  bool aligned = false;

  DenseAlongSide() = default;
  DenseAlongSide(const T* from, std::int64_t sides_, std::int64_t depth_,
                 const float* scale_ = nullptr)
      : data(from),
        scale(scale_),
        sides(static_cast<int>(sides_)),
        depth(static_cast<int>(depth_)),
        aligned(aligned_for_pieces(from, sides_)) {}

  using Cursor = int;
  [[nodiscard]] __device__ Cursor at(int side) const { return side; }
  [[nodiscard]] __device__ float4 load(Cursor side, int k) const {
    if (k >= depth) return no_quad();
    const float4 q = load_quad(data + std::int64_t{k} * sides + side, aligned, sides - side);
    return scale ? scaled(q, scale[k]) : q;
  }
  [[nodiscard]] KT_HOST_DEVICE bool in_pieces() const { return aligned; }
  [[nodiscard]] __device__ const T* origin() const { return data; }
  [[nodiscard]] __device__ const T* find(Cursor side, int k) const {
    return k < depth && side < sides ? data + std::int64_t{k} * sides + side : nullptr;
  }
  [[nodiscard]] __device__ T element(Cursor side, int k, int i) const {
    return k < depth && side + i < sides ? data[std::int64_t{k} * sides + side + i] : T{};
  }
};

// GradientEnd; a null pointer leaves its part out.
template <class T>
struct QuadEnd {
  const T* add = nullptr;
  const T* positive = nullptr;

  [[nodiscard]] bool aligned() const {
    return (!add || aligned_for_quads(add)) && (!positive || aligned_for_quads(positive));
  }
  // A NaN in `positive` lets nothing through: no comparison holds.
  [[nodiscard]] __device__ float4 operator()(float4 v, std::int64_t i, bool aligned,
                                             std::int64_t count) const {
    if (add) v = sum_of(rounded<T>(v), load_quad(add + i, aligned, count));
    if (!positive) return v;
    const float4 y = load_quad(positive + i, aligned, count);
    return make_float4(y.x > 0 ? v.x : 0.0f, y.y > 0 ? v.y : 0.0f, y.z > 0 ? v.z : 0.0f,
                       y.w > 0 ? v.w : 0.0f);
  }

 private:
  template <class To>
  static __device__ float4 rounded(float4 v) {
    if constexpr (std::is_same_v<To, float>)
      return v;
    else
      return make_float4(widen(narrow<To>(v.x)), widen(narrow<To>(v.y)), widen(narrow<To>(v.z)),
                         widen(narrow<To>(v.w)));
  }
};

template <class T>
QuadEnd<T> quad_end(const GradientEnd<T>& end) {
  return {end.add.empty() ? nullptr : end.add.data,
          end.positive.empty() ? nullptr : end.positive.data};
}

// c[m, n] = end(act(scale[n] * v + shift[n] + residual[m, n])); a null pointer leaves its part out.
// With a `wide` c is in float, there instead of in `data`.
template <class T>
struct DenseOutput {
  T* data = nullptr;
  float* wide = nullptr;
  int cols = 0;
  const float* scale = nullptr;
  const float* shift = nullptr;
  const T* residual = nullptr;
  bool relu = false;
  QuadEnd<T> end;
  bool aligned = false;  // set last, by align()

  void write_to(T* c) { data = c; }
  void write_to(float* c) requires(!std::is_same_v<T, float>) { wide = c; }
  void align() {
    const auto fits = [](const auto* p) { return !p || aligned_for_quads(p); };
    aligned = cols % 4 == 0 && fits(data) && fits(wide) && fits(scale) && fits(shift) &&
              fits(residual) && end.aligned();
  }

  // A NaN, for which no comparison holds, is kept.
  [[nodiscard]] static __device__ float rectified(float v) { return v < 0 ? 0.0f : v; }

  __device__ void put(int m, int n, float4 v) const {
    const int count = cols - n;
    if (count <= 0) return;
    const std::int64_t i = std::int64_t{m} * cols + n;
    if (scale) v = product_of(v, load_quad(scale + n, aligned, count));
    if (shift) v = sum_of(v, load_quad(shift + n, aligned, count));
    if (residual) v = sum_of(v, load_quad(residual + i, aligned, count));
    if (relu) v = make_float4(rectified(v.x), rectified(v.y), rectified(v.z), rectified(v.w));
    v = end(v, i, aligned, count);
    if constexpr (!std::is_same_v<T, float>)
      if (wide) return store_quad(wide + i, v, aligned, count);
    store_quad(data + i, v, aligned, count);
  }
};

}  // namespace ktrain::product
