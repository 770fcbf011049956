// Products on tensor cores: ProductTier::kMma. Operands of Bfloat16 as they are, of float in tf32;
// sums in float.
//
// A block of four warps computes a tile of c, each warp a quarter of it. It takes slices of four
// 16-byte pieces of k (slice_layout.h): 32 bf16 or 16 floats. Some slices are on their way from
// memory to shared memory while one is multiplied (cp.async, no registers in between, zeros where
// an operand has nothing), in a ring: a slice goes where the one was that every warp left behind
// the last barrier, so that one barrier a slice is enough. Warps load fragments of 16 sides x 2
// pieces; both kinds of operand, along k and along its sides, end up in the same registers:
//
//   along k               ldmatrix
//   along sides, bf16     ldmatrix, transposed
//   along sides, float    word by word: ldmatrix turns 2-byte elements only
//
// Why these tiles: for 2 pieces of k a warp of the large one reads 64 + 64 sides, 4 KiB of shared
// memory, for 32 multiplications of 16 x 8, and the block writes 8 KiB for 128 of them. At 128
// bytes and 1024 bf16 multiply-adds a cycle (A100) that is 32 + 16 of 64 cycles; a quarter of 32 x
// 64 would need 48 + 16. So the quarter is as large as registers allow: 128 sums a thread, two
// blocks.
//
// What cannot be copied in pieces (channels that are not whole pieces, odd addresses) is carried
// through registers, element by element, in the small tile. Neither that nor the tile changes a
// sum's order, which is that of k: the same bits.
//
// Where rows of a are summed, all threads read a's slice once more when it has been multiplied
// (side_sums.cuh): 8 KiB of shared memory's bandwidth beside the 48 that a slice costs. The order
// of these sums is the tile's.
//
// Sums leave through shared memory, 16 rows of a warp at a time: lanes hold pairs of columns, and c
// is written, and a residual read, in runs of 128 or 256 bytes.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/device/product_batch.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/device/side_sums.cuh"
#include "kernels/device/slice_layout.h"
#include "kernels/device/tensor_core.cuh"

namespace ktrain::product {

// kWarpRows x kWarpCols of a tile are one warp's. kBlocks: how many blocks a multiprocessor must
// have registers for.
template <int kRows_, int kCols_, int kWarpRows_, int kWarpCols_, int kStages_, int kBlocks_>
struct MmaTile {
  static constexpr int kRows = kRows_, kCols = kCols_;
  static constexpr int kWarpRows = kWarpRows_, kWarpCols = kWarpCols_;
  static constexpr int kWarpsAcross = kCols / kWarpCols;
  static constexpr int kWarps = kRows / kWarpRows * kWarpsAcross;
  static constexpr int kThreads = kWarps * kWarpSize;
  static constexpr int kStages = kStages_;  // slices in the ring
  static constexpr int kBlocks = kBlocks_;
  static constexpr int kBytesA = kRows * kSlicePieces * kPieceBytes;
  static constexpr int kBytesB = kCols * kSlicePieces * kPieceBytes;
  static constexpr int kStageBytes = kBytesA + kBytesB;
  static constexpr int kBytes = kStages * kStageBytes;
  // Floats between two rows of sums on their way out: 8 more, so that rows start in other banks.
  static constexpr int kStripCols = kWarpCols + 8;
  static_assert(kWarps * 16 * kStripCols * 4 <= kBytes, "sums leave through the slices' memory");
};
using LargeMmaTile = MmaTile<128, 128, 64, 64, 3, 2>;
using SmallMmaTile = MmaTile<64, 64, 32, 32, 4, 3>;

template <class T>
struct alignas(kPieceBytes) Piece {
  T elements[kPieceOf<T>];
};

// The part of an operand's slices that one thread moves.
template <class Operand, int kSides, int kThreads>
class SliceMover {
 public:
  using T = typename Operand::Element;

  __device__ SliceMover(const Operand& operand, int first, int thread) : thread_(thread) {
#pragma unroll
    for (int i = 0; i < kCursors; ++i) cursors_[i] = operand.at(first + side_of(i));
  }

  // Starts copies of the slice at k; of an operand in pieces.
  __device__ void copy(const Operand& operand, int k, unsigned char* slice) const {
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
      const T* const from = operand.find(cursors_[kAlongK ? i : 0], k + k_of(i));
      tensor_core::copy_async(slice + place(i), from ? from : operand.origin(),
                              from ? kPieceBytes : 0);
    }
  }

  // The slow way, of any operand: to registers, and from there.
  __device__ void fetch(const Operand& operand, int k) {
#pragma unroll
    for (int i = 0; i < kEach; ++i)
#pragma unroll
      for (int e = 0; e < kPieceOf<T>; ++e)
        held_[i].elements[e] = operand.element(cursors_[kAlongK ? i : 0], k + k_of(i), e);
  }
  __device__ void put(unsigned char* slice) const {
#pragma unroll
    for (int i = 0; i < kEach; ++i) *reinterpret_cast<Piece<T>*>(slice + place(i)) = held_[i];
  }

 private:
  static constexpr bool kAlongK = Operand::kAlongK;
  static constexpr int kEach = kSides * kSlicePieces / kThreads;
  static constexpr int kCursors = kAlongK ? kEach : 1;  // along the side it is one for all
  static constexpr int kPerLine = kAlongK ? kSlicePieces : kSides / kPieceOf<T>;
  static_assert(kEach * kThreads == kSides * kSlicePieces && kThreads % kPerLine == 0,
                "a thread's pieces stand in one column");

  [[nodiscard]] __device__ int line(int i) const {
    return thread_ / kPerLine + i * (kThreads / kPerLine);
  }
  [[nodiscard]] __device__ int column() const { return thread_ % kPerLine; }
  [[nodiscard]] __device__ int side_of(int i) const {
    return kAlongK ? line(i) : column() * kPieceOf<T>;
  }
  [[nodiscard]] __device__ int k_of(int i) const {
    return kAlongK ? column() * kPieceOf<T> : line(i);
  }
  // In bytes.
  [[nodiscard]] __device__ int place(int i) const {
    return kPieceBytes * (kAlongK ? piece_along_k(line(i), column())
                                  : piece_along_side<T>(line(i), column(), kPerLine));
  }

  int thread_;
  typename Operand::Cursor cursors_[kCursors];
  Piece<T> held_[kEach];
};

// Takes fragments of a warp's sides from slices: 16 sides by two pieces of k, in the registers of
// an a of tensor_core.h. As columns of b, r[0] and r[2] are those of the first 8 sides, r[1] and
// r[3] of the others.
template <class Operand, int kSides>
class FragmentLoader {
 public:
  using T = typename Operand::Element;

  // `first` is a multiple of the warp's number of sides, which is a power of two.
  __device__ FragmentLoader(int first, int lane) {
    if constexpr (kAlongK)
      at_ = kPieceBytes * piece_along_k(first + lane % 16, lane / 16);
    else if constexpr (kIsFloat)
      at_ = kPieceBytes * piece_along_side<T>(lane % 4, (first + lane / 4) / 4, kPerLine) +
            lane / 4 % 4 * static_cast<int>(sizeof(float));
    else
      at_ = kPieceBytes *
            piece_along_side<T>(lane / 16 * 8 + lane % 8, first / 8 + lane / 8 % 2, kPerLine);
  }

  // Block `block` of 16 sides at step `step` of k.
  __device__ __forceinline__ void load(const unsigned char* slice, int block, int step,
                                       std::uint32_t (&r)[4]) const {
    const int at = further<T, kAlongK>(at_, block, step, kPerLine);
    if constexpr (kAlongK) {
      tensor_core::load_matrices(r, slice + at);
      if constexpr (kIsFloat)
#pragma unroll
        for (int i = 0; i < 4; ++i) r[i] = tensor_core::to_tf32(__uint_as_float(r[i]));
    } else if constexpr (kIsFloat) {
      // r[1] and r[3] are 8 sides further, two pieces; r[2] and r[3] 4 of k.
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int word = (at ^ i % 2 * 2 * kPieceBytes) + i / 2 * 4 * kPerLine * kPieceBytes;
        r[i] = tensor_core::to_tf32(*reinterpret_cast<const float*>(slice + word));
      }
    } else {
      tensor_core::load_matrices_transposed(r, slice + at);
    }
  }

 private:
  static constexpr bool kAlongK = Operand::kAlongK;
  static constexpr bool kIsFloat = std::is_same_v<T, float>;
  static constexpr int kPerLine = kSides / kPieceOf<T>;
  int at_;  // in bytes, of the lane's piece or word of the first block and step
};

template <class T>
__device__ __forceinline__ void multiply_fragments(float (&sum)[4], const std::uint32_t (&a)[4],
                                                   std::uint32_t b0, std::uint32_t b1) {
  const std::uint32_t b[2] = {b0, b1};
  if constexpr (std::is_same_v<T, float>)
    tensor_core::multiply_tf32(sum, a, b);
  else
    tensor_core::multiply_bf16(sum, a, b);
}

// What one warp computes of a tile.
template <class Tile>
struct WarpTile {
  static constexpr int kAcross = Tile::kWarpCols / 16;
  static constexpr int kDown = Tile::kWarpRows / 16;
  float sums[kDown][kAcross * 2][4] = {};
  int lane, warp, row, col;  // of its first element

  __device__ explicit WarpTile(int thread) {
    lane = thread % kWarpSize;
    warp = thread / kWarpSize;
    row = warp / Tile::kWarpsAcross * Tile::kWarpRows;
    col = warp % Tile::kWarpsAcross * Tile::kWarpCols;
  }

  // Adds slice a times slice b.
  template <class A, class B>
  __device__ __forceinline__ void add(const FragmentLoader<A, Tile::kRows>& from_a,
                                      const FragmentLoader<B, Tile::kCols>& from_b,
                                      const unsigned char* a, const unsigned char* b) {
    using T = typename A::Element;
#pragma unroll
    for (int step = 0; step < kSlicePieces / 2; ++step) {
      std::uint32_t left[kDown][4], right[kAcross][4];
#pragma unroll
      for (int i = 0; i < kDown; ++i) from_a.load(a, i, step, left[i]);
#pragma unroll
      for (int j = 0; j < kAcross; ++j) from_b.load(b, j, step, right[j]);
#pragma unroll
      for (int i = 0; i < kDown; ++i)
#pragma unroll
        for (int j = 0; j < kAcross; ++j) {
          multiply_fragments<T>(sums[i][j * 2], left[i], right[j][0], right[j][2]);
          multiply_fragments<T>(sums[i][j * 2 + 1], left[i], right[j][1], right[j][3]);
        }
    }
  }

  // put(m, n, quad) for all of it inside m rows. `shared` is nobody's any more.
  template <class Put>
  __device__ __forceinline__ void give(unsigned char* shared, int first_row, int first_col, int m,
                                       const Put& put) const {
    struct alignas(8) Pair {
      float x, y;
    };
    constexpr int kQuads = Tile::kWarpCols / 4;
    float* const strip = reinterpret_cast<float*>(shared) + warp * (16 * Tile::kStripCols);
    float* const mine = strip + lane / 4 * Tile::kStripCols + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < kDown; ++i) {
      __syncwarp();
#pragma unroll
      for (int j = 0; j < kAcross * 2; ++j) {
        const float(&s)[4] = sums[i][j];
        *reinterpret_cast<Pair*>(mine + j * 8) = {s[0], s[1]};
        *reinterpret_cast<Pair*>(mine + 8 * Tile::kStripCols + j * 8) = {s[2], s[3]};
      }
      __syncwarp();
#pragma unroll 4
      for (int q = lane; q < 16 * kQuads; q += kWarpSize) {
        const int r = q / kQuads, c = q % kQuads * 4;
        const int at = first_row + row + i * 16 + r;
        if (at < m) put(at, first_col + col + c, load_quad(strip + r * Tile::kStripCols + c, true));
      }
    }
  }
};

template <class Tile, class A>
using MmaRowSums = SideSums<typename A::Element, Tile::kRows, Tile::kThreads>;

// Adds a's rows from first_row on times b's columns from first_col on, k in [begin, end). With
// kGeneral operands need not be in pieces.
template <class Tile, bool kGeneral, class A, class B>
__device__ __forceinline__ void multiply_slices(const A& a, const B& b, int first_row,
                                                int first_col, int begin, int end,
                                                unsigned char* shared, WarpTile<Tile>& tile,
                                                MmaRowSums<Tile, A>& rows) {
  static_assert(std::is_same_v<typename A::Element, typename B::Element>);
  constexpr int kSlice = kSliceOf<typename A::Element>, kStages = Tile::kStages;
  const int thread = static_cast<int>(threadIdx.x);
  SliceMover<A, Tile::kRows, Tile::kThreads> move_a(a, first_row, thread);
  SliceMover<B, Tile::kCols, Tile::kThreads> move_b(b, first_col, thread);
  const FragmentLoader<A, Tile::kRows> load_a(tile.row, tile.lane);
  const FragmentLoader<B, Tile::kCols> load_b(tile.col, tile.lane);
  const bool copy_a = !kGeneral || a.in_pieces(), copy_b = !kGeneral || b.in_pieces();
  // k of a slice, and where in the ring it goes.
  const auto start = [&](int k, int stage) {
    unsigned char* const slice = shared + stage * Tile::kStageBytes;
    if (k < end) {
      if (copy_a)
        move_a.copy(a, k, slice);
      else
        move_a.fetch(a, k);
      if (copy_b)
        move_b.copy(b, k, slice + Tile::kBytesA);
      else
        move_b.fetch(b, k);
    }
    tensor_core::commit_copies();
  };
  const auto finish = [&](int k, int stage) {
    unsigned char* const slice = shared + stage * Tile::kStageBytes;
    if (!kGeneral || k >= end) return;
    if (!copy_a) move_a.put(slice);
    if (!copy_b) move_b.put(slice + Tile::kBytesA);
  };
#pragma unroll
  for (int stage = 0; stage < kStages - 1; ++stage) {
    start(begin + stage * kSlice, stage);
    finish(begin + stage * kSlice, stage);
  }
  int now = 0, last = kStages - 1;
  for (int k = begin; k < end; k += kSlice) {
    tensor_core::wait_for_copies<kStages - 2>();
    __syncthreads();
    const int ahead = k + (kStages - 1) * kSlice;
    start(ahead, last);
    const unsigned char* const slice = shared + now * Tile::kStageBytes;
    tile.add(load_a, load_b, slice, slice + Tile::kBytesA);
    if (rows.wanted) rows.template add<kSlice>(slice);
    finish(ahead, last);
    last = now;
    now = now + 1 == kStages ? 0 : now + 1;
  }
}

// Of floats the small tile has registers for a block more than of bf16, where a thread keeps the
// places of more windows.
template <class Tile, class T>
constexpr int resident_blocks() {
  return Tile::kBlocks + (Tile::kRows == 64 && std::is_same_v<T, float> ? 1 : 0);
}

template <class Tile, bool kGeneral, class P, int kCount>
__global__ void __launch_bounds__(Tile::kThreads, resident_blocks<Tile, typename P::A::Element>())
    mma_kernel(const __grid_constant__ ProductBatch<P, kCount> batch) {
  unsigned char* const shared = shared_array<unsigned char, Tile::kBytes, struct MmaSlices>();
  const TilePlace at = batch.place(static_cast<int>(blockIdx.x), Tile::kRows, Tile::kCols);
  const P& p = batch.products[at.product];
  WarpTile<Tile> tile(static_cast<int>(threadIdx.x));
  MmaRowSums<Tile, typename P::A> rows(kSumsRows<P> && batch.sums_rows(at));
  if (at.begin < at.end)
    multiply_slices<Tile, kGeneral>(p.a, p.b, at.row, at.col, at.begin, at.end, shared, tile, rows);
  if (rows.wanted) rows.give([&](int row, float sum) { batch.put_row_sum(at, row, sum); });
  __syncthreads();
  tile.give(shared, at.row, at.col, p.m, [&](int m, int n, float4 v) { batch.put(at, m, n, v); });
}

template <class Tile, bool kGeneral, class P, int kCount>
void launch_mma(const char* name, CudaStream stream, ProductBatch<P, kCount> batch) {
  const std::int64_t blocks = deal_out(name, Tile::kRows, Tile::kCols, batch);
  if (blocks == 0) return;
  launch(name, mma_kernel<Tile, kGeneral, P, kCount>, blocks, Tile::kThreads, stream, batch);
}

// `batch` but for who computes which tile of it: deal_out() says that.
template <class P, int kCount>
void multiply_mma(const char* name, CudaStream stream, const ProductPlan& plan,
                  const ProductBatch<P, kCount>& batch) {
  bool in_pieces = true;
  for (const P& p : batch.products) {
    if (p.m == 0 || p.n == 0) continue;
    if constexpr (requires { p.b.scale; })
      KT_CHECK(!p.b.scale, "{}: scaled on the way to tensor cores", name);
    in_pieces = in_pieces && p.a.in_pieces() && p.b.in_pieces();
  }
  if (plan.tile == ProductTile::kLarge && in_pieces)
    return launch_mma<LargeMmaTile, false>(name, stream, batch);
  launch_mma<SmallMmaTile, true>(name, stream, batch);
}

}  // namespace ktrain::product
