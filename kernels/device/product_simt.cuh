// Products on the ordinary lanes of any GPU, in float: ProductTier::kSimt.
//
// A block computes a tile of c. It takes a slice of 8 or 16 of k at a time: its threads carry the
// slice of a and of b from memory to shared memory, four floats each, k first (slice[k][side]),
// then each thread multiplies a square of them out of registers; 8 x 8 in the large tile, so that
// 64 multiply-adds follow on four reads of 16 bytes. There are two slices: while one is multiplied
// the next one is on its way in registers, a's during the first half and b's during the second. One
// barrier a slice is enough. In the large tile a thread carries a single quad of a slice of 8, so
// that 128 registers can be enough for it.
//
// An operand whose memory runs along k is turned on the way. Some threads hold one side's floats;
// that they do not all write into the same banks, the side is moved by 8 or 16 for every 4 of k
// (swizzle()), and the reader, who knows k when it is compiled, looks there.
//
// Rows of a are summed by the threads that carry them: always the same four sides, every so many k.
#pragma once

#include <cstdint>

#include "kernels/device/product_batch.cuh"
#include "kernels/device/reduce.cuh"

namespace ktrain::product {

// A tile of rows x columns, of which a thread computes kThreadRows x kThreadCols: in quads, spread
// evenly, so that neighbouring threads' quads are neighbours.
template <int kRows_, int kCols_, int kSlice_, int kThreadRows_, int kThreadCols_, int kBlocks_>
struct SimtTile {
  static constexpr int kRows = kRows_, kCols = kCols_;
  static constexpr int kSlice = kSlice_;  // of k
  static_assert(kProductSlice % kSlice == 0, "a run is whole slices");
  static constexpr int kThreadRows = kThreadRows_, kThreadCols = kThreadCols_;
  static constexpr int kBlocks = kBlocks_;  // see held_blocks()
  static constexpr int kRowThreads = kRows / kThreadRows, kColThreads = kCols / kThreadCols;
  static constexpr int kThreads = kRowThreads * kColThreads;
  // The threads of a warp stand in a rectangle, which reads few different quads.
  static constexpr int kWarpCols = kColThreads < 8 ? kColThreads : 8;
  static constexpr int kWarpRows = kWarpSize / kWarpCols;
  static constexpr int kWarpsPerRow = kColThreads / kWarpCols;
};
using LargeTile = SimtTile<128, 128, 8, 8, 8, 2>;
using SmallTile = SimtTile<64, 64, 16, 4, 4, 3>;
using NarrowTile = SimtTile<128, 16, 16, 4, 4, 4>;

template <int kSides, int kSlice>
__device__ constexpr int swizzle(int k) {
  return k / 4 * (128 / kSlice) % (kSides < 32 ? kSides : 32);
}

// The part of an operand's slices that one thread carries.
template <class Operand, int kSides, int kSlice, int kThreads>
class Carrier {
 public:
  __device__ Carrier(const Operand& operand, int first, int thread) : thread_(thread) {
#pragma unroll
    for (int i = 0; i < kCursors; ++i) cursors_[i] = operand.at(first + side_of(i));
  }

  __device__ void fetch(const Operand& operand, int k) {
#pragma unroll
    for (int i = 0; i < kEach; ++i)
      if (exists(i)) held_[i] = operand.load(cursors_[kAlongK ? i : 0], k + k_of(i));
  }

  // Adds what is held to the sums over k of this thread's four sides, of an operand along sides.
  __device__ void add_to(float4& sums) const {
#pragma unroll
    for (int i = 0; i < kEach; ++i)
      if (exists(i)) sums = sum_of(sums, held_[i]);
  }

  __device__ void put(float* slice) const {
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
      if (!exists(i)) continue;
      float* const row = slice + k_of(i) * kSides;
      if constexpr (kAlongK) {
        float* const p = row + (side_of(i) ^ swizzle<kSides, kSlice>(k_of(i)));
        p[0] = held_[i].x;
        p[kSides] = held_[i].y;
        p[2 * kSides] = held_[i].z;
        p[3 * kSides] = held_[i].w;
      } else {
        store_quad(row + side_of(i), held_[i], true);
      }
    }
  }

 private:
  static constexpr bool kAlongK = Operand::kAlongK;
  static constexpr int kQuads = kSides * kSlice / 4;
  static constexpr int kEach = (kQuads + kThreads - 1) / kThreads;
  static constexpr int kCursors = kAlongK ? kEach : 1;  // along the side it is one for all
  static constexpr int kPerLine = kAlongK ? kSlice / 4 : kSides / 4;
  static_assert(kThreads % kPerLine == 0, "a thread's quads stand in one column");

  [[nodiscard]] __device__ int number(int i) const { return thread_ + i * kThreads; }
  [[nodiscard]] __device__ bool exists(int i) const {
    return kQuads % kThreads == 0 || number(i) < kQuads;
  }
  [[nodiscard]] __device__ int side_of(int i) const {
    return kAlongK ? number(i) / kPerLine : number(i) % kPerLine * 4;
  }
  [[nodiscard]] __device__ int k_of(int i) const {
    return kAlongK ? number(i) % kPerLine * 4 : number(i) / kPerLine;
  }

  int thread_;
  typename Operand::Cursor cursors_[kCursors];
  float4 held_[kEach];
};

// One thread's sides of a slice at one k: quads at `place`, kSides / (kMine / 4) apart.
template <int kSides, int kSlice, bool kSwizzled, int kMine>
__device__ __forceinline__ void read_sides(const float* slice, int k, int place,
                                           float (&sides)[kMine]) {
#pragma unroll
  for (int q = 0; q < kMine / 4; ++q) {
    const int side = q * (kSides / (kMine / 4)) + place;
    const int at = kSwizzled ? side ^ swizzle<kSides, kSlice>(k) : side;
    const float4 v = load_quad(slice + k * kSides + at, true);
    sides[q * 4] = v.x;
    sides[q * 4 + 1] = v.y;
    sides[q * 4 + 2] = v.z;
    sides[q * 4 + 3] = v.w;
  }
}

// What one thread computes of a tile.
template <class Tile>
struct Square {
  float total[Tile::kThreadRows][Tile::kThreadCols] = {};
  int row, col;  // of its first quad

  __device__ explicit Square(int thread) {
    const int lane = thread % kWarpSize, warp = thread / kWarpSize;
    row = (warp / Tile::kWarpsPerRow * Tile::kWarpRows + lane / Tile::kWarpCols) * 4;
    col = (warp % Tile::kWarpsPerRow * Tile::kWarpCols + lane % Tile::kWarpCols) * 4;
  }

  // Adds slice a times slice b, k in [kBegin, kEnd) of them.
  template <int kBegin, int kEnd, bool kSwizzledA, bool kSwizzledB>
  __device__ __forceinline__ void add(const float* a, const float* b) {
#pragma unroll
    for (int k = kBegin; k < kEnd; ++k) {
      float left[Tile::kThreadRows], right[Tile::kThreadCols];
      read_sides<Tile::kRows, Tile::kSlice, kSwizzledA>(a, k, row, left);
      read_sides<Tile::kCols, Tile::kSlice, kSwizzledB>(b, k, col, right);
#pragma unroll
      for (int i = 0; i < Tile::kThreadRows; ++i)
#pragma unroll
        for (int j = 0; j < Tile::kThreadCols; ++j)
          total[i][j] = fmaf(left[i], right[j], total[i][j]);
    }
  }

  // put(m, n, quad) for all of it inside m rows.
  template <class Put>
  __device__ void give(int first_row, int first_col, int m, const Put& put) const {
    constexpr int kRowStep = Tile::kRows / (Tile::kThreadRows / 4);
    constexpr int kColStep = Tile::kCols / (Tile::kThreadCols / 4);
#pragma unroll
    for (int i = 0; i < Tile::kThreadRows; ++i) {
      const int r = first_row + i / 4 * kRowStep + row + i % 4;
      if (r >= m) continue;
#pragma unroll
      for (int q = 0; q < Tile::kThreadCols / 4; ++q)
        put(r, first_col + q * kColStep + col,
            make_float4(total[i][q * 4], total[i][q * 4 + 1], total[i][q * 4 + 2],
                        total[i][q * 4 + 3]));
    }
  }
};

// Sums over k of this thread's sides of a tile's a, where they are wanted.
struct CarriedSums {
  bool wanted;
  float4 sums = no_quad();

  // put(row, sum) for the tile's rows. `shared`, kThreads quads, is nobody's any more.
  template <class Tile, class Put>
  __device__ __forceinline__ void give(float* shared, const Put& put) const {
    constexpr int kShares = Tile::kThreads * 4 / Tile::kRows;  // threads with the same sides
    const int thread = static_cast<int>(threadIdx.x);
    store_quad(shared + thread * 4, sums, true);
    __syncthreads();
    if (thread >= Tile::kRows) return;
    float total = 0;
#pragma unroll
    for (int i = 0; i < kShares; ++i) total += shared[i * Tile::kRows + thread];
    put(thread, total);
  }
};

// Adds a's rows from first_row on times b's columns from first_col on, k in [begin, end).
template <class Tile, class A, class B>
__device__ __forceinline__ void multiply_tile(const A& a, const B& b, int first_row, int first_col,
                                              int begin, int end, float* slices_a, float* slices_b,
                                              Square<Tile>& square, CarriedSums& rows) {
  constexpr int kSlice = Tile::kSlice;
  constexpr int kSliceA = Tile::kRows * kSlice, kSliceB = Tile::kCols * kSlice;
  const int thread = static_cast<int>(threadIdx.x);
  Carrier<A, Tile::kRows, kSlice, Tile::kThreads> carry_a(a, first_row, thread);
  Carrier<B, Tile::kCols, kSlice, Tile::kThreads> carry_b(b, first_col, thread);
  const auto put_a = [&](float* slice) {
    carry_a.put(slice);
    if (rows.wanted) carry_a.add_to(rows.sums);
  };
  carry_a.fetch(a, begin);
  carry_b.fetch(b, begin);
  put_a(slices_a);
  carry_b.put(slices_b);
  __syncthreads();
  int now = 0;
  for (int k = begin; k < end; k += kSlice, now ^= 1) {
    const bool more = k + kSlice < end;
    const float* const now_a = slices_a + now * kSliceA;
    const float* const now_b = slices_b + now * kSliceB;
    if (more) carry_a.fetch(a, k + kSlice);
    square.template add<0, kSlice / 2, A::kAlongK, B::kAlongK>(now_a, now_b);
    // The other slices were multiplied before the last barrier.
    if (more) {
      put_a(slices_a + (now ^ 1) * kSliceA);
      carry_b.fetch(b, k + kSlice);
    }
    square.template add<kSlice / 2, kSlice, A::kAlongK, B::kAlongK>(now_a, now_b);
    if (!more) break;
    carry_b.put(slices_b + (now ^ 1) * kSliceB);
    __syncthreads();
  }
}

// How many blocks a multiprocessor must have registers for. Two operands along k take the fewest;
// looking up taps and pixels takes more, and what does not fit would be spilled.
template <class Tile, class A, class B>
constexpr int held_blocks() {
  return A::kAlongK && B::kAlongK ? Tile::kBlocks : Tile::kBlocks - 1;
}

template <class Tile, class P, int kCount>
__global__ void __launch_bounds__(Tile::kThreads, held_blocks<Tile, typename P::A, typename P::B>())
    simt_kernel(const __grid_constant__ ProductBatch<P, kCount> batch) {
  const TilePlace at = batch.place(static_cast<int>(blockIdx.x), Tile::kRows, Tile::kCols);
  const P& p = batch.products[at.product];
  float* const slices_a = shared_array<float, 2 * Tile::kRows * Tile::kSlice, struct SlicesA>();
  float* const slices_b = shared_array<float, 2 * Tile::kCols * Tile::kSlice, struct SlicesB>();
  Square<Tile> square(static_cast<int>(threadIdx.x));
  CarriedSums rows{.wanted = kSumsRows<P> && batch.sums_rows(at)};
  if (at.begin < at.end)
    multiply_tile<Tile>(p.a, p.b, at.row, at.col, at.begin, at.end, slices_a, slices_b, square,
                        rows);
  if (rows.wanted) {
    __syncthreads();
    rows.give<Tile>(slices_a, [&](int row, float sum) { batch.put_row_sum(at, row, sum); });
  }
  square.give(at.row, at.col, p.m, [&](int m, int n, float4 v) { batch.put(at, m, n, v); });
}

template <class Tile, class P, int kCount>
void launch_simt(const char* name, CudaStream stream, ProductBatch<P, kCount> batch) {
  const std::int64_t blocks = deal_out(name, Tile::kRows, Tile::kCols, batch);
  if (blocks == 0) return;
  launch(name, simt_kernel<Tile, P, kCount>, blocks, Tile::kThreads, stream, batch);
}

// `batch` but for who computes which tile of it: deal_out() says that.
template <class P, int kCount>
void multiply_simt(const char* name, CudaStream stream, const ProductPlan& plan,
                   const ProductBatch<P, kCount>& batch) {
  switch (plan.tile) {
    case ProductTile::kLarge:
      return launch_simt<LargeTile>(name, stream, batch);
    case ProductTile::kSmall:
      return launch_simt<SmallTile>(name, stream, batch);
    case ProductTile::kNarrow:
      return launch_simt<NarrowTile>(name, stream, batch);
    case ProductTile::kWide:
    case ProductTile::kSlim:
      KT_CHECK(false, "{}: a tile that this tier does not have", name);
  }
}

}  // namespace ktrain::product
