// Products with Hopper's own instructions: ProductTier::kWgmma. bf16, sums in float, sm_90a alone.
//
// A block of two warpgroups and a warp computes a tile of 128 rows. One thread of that warp brings
// steps of 64 of k, both operands, with tensor copies into a ring in shared memory
// (wgmma_operand.cuh); the warpgroups multiply 64 rows each, sums in registers, with instructions
// that read shared memory. Two barriers a stage keep them apart:
//
//   full    the step's bytes have arrived
//   empty   all eight warps are done with it, so that the next one may come
//
// A warpgroup issues the four multiplications of a step and then waits for those of the step
// before, so that one step's are always on their way. Nothing is computed for the ring but by one
// thread, and no register holds an operand. With a warp for the copies, not a warpgroup, every
// thread has 224 registers (112 with two blocks) from the start, and none have to be handed over
// (setmaxnreg).
//
// Why these tiles: a step of the wide one is 48 KiB for 128 x 256 x 64 multiply-adds, 1024 cycles
// of a multiprocessor's tensor cores, so that it reads 48 bytes a cycle from L2 of about 64 that
// there are; tiles of 128 x 128 read 64. One block fills the shared memory; the others leave room
// for two, one of which multiplies while the other writes.
//
// Where rows of a are summed, each warpgroup reads its own of a step (side_sums.cuh) between the
// multiplications and the wait, so that a place in the ring is given back when both are done.
//
// Sums leave through the ring, which is nobody's when all have been multiplied, 16 rows and 64
// columns of a warp at a time, so that c is written in runs of 128 or 256 bytes.
#pragma once

#include "kernels/device/lost.cuh"
#include "kernels/device/reduce.cuh"
#include "kernels/device/side_sums.cuh"
#include "kernels/device/warpgroup_multiply.cuh"
#include "kernels/device/wgmma_batch.cuh"

namespace ktrain::product {

// kBlocks: that a multiprocessor has room for.
template <int kCols_, int kStages_, int kBlocks_>
struct WgmmaTile {
  static constexpr int kRows = 128, kCols = kCols_, kStages = kStages_, kBlocks = kBlocks_;
  static constexpr int kMultipliers = kRows / 64;                      // warpgroups
  static constexpr int kBringer = kMultipliers * warpgroup::kThreads;  // the thread that copies
  static constexpr int kThreads = kBringer + kWarpSize;
  static constexpr int kBytesA = kRows * kWgmmaStep * 2;
  static constexpr int kBytesB = kCols * kWgmmaStep * 2;
  static constexpr int kStageBytes = kBytesA + kBytesB;
  static constexpr int kRingBytes = kStages * kStageBytes;
  static constexpr int kBytes = kRingBytes + (2 * kStages + 1) * 8;  // and the barriers
  // Sums on their way out: 8 floats more, so that rows start in other banks.
  static constexpr int kStripCols = 64, kStripLine = kStripCols + 8;
  static_assert(kMultipliers * warpgroup::kWarps * 16 * kStripLine * 4 <= kRingBytes);
  static_assert(kBlocks * (kBytes + 1024) <= 228 << 10, "shared memory of a multiprocessor");
};
using WideWgmmaTile = WgmmaTile<256, 4, 1>;
using LargeWgmmaTile = WgmmaTile<128, 3, 2>;
using SlimWgmmaTile = WgmmaTile<64, 4, 2>;

// A place in the ring, and how often it was there before.
template <int kStages>
struct RingPlace {
  int stage = 0;
  unsigned parity = 0;

  __device__ __forceinline__ void advance() {
    if (++stage < kStages) return;
    stage = 0;
    parity ^= 1;
  }
};

template <class Tile>
struct WgmmaRing {
  unsigned char* bytes;

  [[nodiscard]] __device__ unsigned char* a(int stage) const {
    return bytes + stage * Tile::kStageBytes;
  }
  [[nodiscard]] __device__ unsigned char* b(int stage) const { return a(stage) + Tile::kBytesA; }
  [[nodiscard]] __device__ std::uint64_t* full(int stage) const {
    return reinterpret_cast<std::uint64_t*>(bytes + Tile::kRingBytes) + stage;
  }
  [[nodiscard]] __device__ std::uint64_t* empty(int stage) const {
    return full(stage) + Tile::kStages;
  }
  [[nodiscard]] __device__ std::uint64_t* finished() const { return full(0) + 2 * Tile::kStages; }

  // By one thread.
  __device__ void init() const {
    for (int stage = 0; stage < Tile::kStages; ++stage) {
      warpgroup::init_barrier(full(stage), 1);
      warpgroup::init_barrier(empty(stage), Tile::kMultipliers * warpgroup::kWarps);
    }
    warpgroup::init_barrier(finished(), Tile::kMultipliers * warpgroup::kThreads);
    warpgroup::fence_barriers();
  }
};

// One thread: fills the ring, step by step.
template <class Tile>
__device__ __forceinline__ void bring_steps(const WgmmaProduct& p, const TilePlace& at,
                                            const WgmmaRing<Tile>& ring) {
  RingPlace<Tile::kStages> to;
  bool first_round = true;
  for (int k = at.begin; k < at.end; k += kWgmmaStep) {
    // The phase that ends when this place is free again has the parity of the round before.
    if (!first_round) warpgroup::wait_for_phase(ring.empty(to.stage), to.parity ^ 1);
    std::uint64_t* const full = ring.full(to.stage);
    warpgroup::arrive_and_expect(full, Tile::kStageBytes);
    copy_step<Tile::kRows>(p.a, at.row, k, ring.a(to.stage), full);
    copy_step<Tile::kCols>(p.b, at.col, k, ring.b(to.stage), full);
    to.advance();
    if (to.stage == 0) first_round = false;
  }
}

// Of the 64 rows of a warpgroup, from lines that tensor copies swizzled.
using WgmmaRowSums = SideSums<Bfloat16, 64, warpgroup::kThreads>;

// A warpgroup: adds the products of its 64 rows, the `group`-th, and sums them while it multiplies.
template <class Tile, bool kSideA, bool kSideB>
__device__ __forceinline__ void multiply_steps(const TilePlace& at, int group,
                                               const WgmmaRing<Tile>& ring,
                                               float (&sums)[Tile::kCols / 2], WgmmaRowSums& rows) {
  // From 16 of k to the next, in bytes: within a line, or 16 lines.
  constexpr int kNextA = kSideA ? 16 * kBoxLine * 2 : 32, kNextB = kSideB ? 16 * kBoxLine * 2 : 32;
  constexpr int kEight = 8 * kBoxLine * 2;  // lines
  const bool first_lane = threadIdx.x % kWarpSize == 0;
  RingPlace<Tile::kStages> now;
  int before = 0;
  for (int k = at.begin; k < at.end; k += kWgmmaStep) {
    warpgroup::wait_for_phase(ring.full(now.stage), now.parity);
    const std::uint64_t a =
        warpgroup::descriptor(ring.a(now.stage) + group * kBlockBytes, kBlockBytes, kEight);
    const std::uint64_t b = warpgroup::descriptor(ring.b(now.stage), kBlockBytes, kEight);
    warpgroup::fence_sums();
#pragma unroll
    for (int i = 0; i < kWgmmaStep / 16; ++i)
      warpgroup::multiply<Tile::kCols, kSideA, kSideB>(sums, warpgroup::further(a, i * kNextA),
                                                       warpgroup::further(b, i * kNextB));
    warpgroup::commit_products();
    if (rows.wanted) {
      rows.template add<kWgmmaStep>(ring.a(now.stage) + group * kBlockBytes);
      // All lanes have read before their first gives the place back to tensor copies.
      warpgroup::fence_shared();
      __syncwarp();
    }
    warpgroup::wait_for_products<1>();
    if (k > at.begin && first_lane) warpgroup::arrive(ring.empty(before));
    before = now.stage;
    now.advance();
  }
  warpgroup::wait_for_products<0>();
}

// put(m, n, quad) for what a warp has of the tile, inside m rows. `strip` is its own.
template <class Tile, class Put>
__device__ __forceinline__ void give_sums(const float (&sums)[Tile::kCols / 2], float* strip,
                                          int first_row, int first_col, int m, const Put& put) {
  struct alignas(8) Pair {
    float x, y;
  };
  constexpr int kQuads = Tile::kStripCols / 4, kBlocksOf8 = Tile::kStripCols / 8;
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  float* const mine = strip + lane / 4 * Tile::kStripLine + lane % 4 * 2;
#pragma unroll
  for (int part = 0; part < Tile::kCols / Tile::kStripCols; ++part) {
    __syncwarp();
#pragma unroll
    for (int j = 0; j < kBlocksOf8; ++j) {
      const float* const s = sums + (part * kBlocksOf8 + j) * 4;
      *reinterpret_cast<Pair*>(mine + j * 8) = {s[0], s[1]};
      *reinterpret_cast<Pair*>(mine + 8 * Tile::kStripLine + j * 8) = {s[2], s[3]};
    }
    __syncwarp();
#pragma unroll 4
    for (int q = lane; q < 16 * kQuads; q += kWarpSize) {
      const int r = q / kQuads, c = q % kQuads * 4;
      if (first_row + r < m)
        put(first_row + r, first_col + part * Tile::kStripCols + c,
            load_quad(strip + r * Tile::kStripLine + c, true));
    }
  }
}

template <class Tile, bool kSideA, bool kSideB, int kCount>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks)
    wgmma_kernel(const __grid_constant__ WgmmaBatch<kCount> batch) {
  if constexpr (!warpgroup::kAvailable) {
#if defined(__CUDACC__)
    __trap();
#endif
  } else {
    const WgmmaRing<Tile> ring{dynamic_shared()};
    const int thread = static_cast<int>(threadIdx.x);
    const TilePlace at = batch.place(static_cast<int>(blockIdx.x), Tile::kRows, Tile::kCols);
    const WgmmaProduct& p = batch.products[at.product];
    if (thread == Tile::kBringer) ring.init();
    __syncthreads();
    if (thread >= Tile::kBringer) {
      if (thread == Tile::kBringer) bring_steps<Tile>(p, at, ring);
      return;
    }
    const int group = thread / warpgroup::kThreads, warp = thread / kWarpSize % 4;
    float sums[Tile::kCols / 2] = {};
    WgmmaRowSums rows(kSideA && kSideB && batch.sums_rows(at));
    multiply_steps<Tile, kSideA, kSideB>(at, group, ring, sums, rows);
    if (rows.wanted)
      rows.give([&](int row, float sum) { batch.put_row_sum(at, group * 64 + row, sum); });
    warpgroup::arrive(ring.finished());
    warpgroup::wait_for_phase(ring.finished(), 0);
    float* const strip =
        reinterpret_cast<float*>(ring.bytes) + (group * 4 + warp) * 16 * Tile::kStripLine;
    give_sums<Tile>(sums, strip, at.row + group * 64 + warp * 16, at.col, p.m,
                    [&](int m, int n, float4 v) { batch.put(at, m, n, v); });
  }
}

template <class Tile, bool kSideA, bool kSideB, int kCount>
void launch_wgmma(const char* name, CudaStream stream, WgmmaBatch<kCount>& batch) {
  const auto kernel = wgmma_kernel<Tile, kSideA, kSideB, kCount>;
  static const bool allowed = [kernel] {
    KT_DEVICE(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                   cudaFuncAttributeMaxDynamicSharedMemorySize, Tile::kBytes));
    return true;
  }();
  (void)allowed;
  const std::int64_t blocks = deal_out(name, Tile::kRows, Tile::kCols, batch);
  for (WgmmaProduct& p : batch.products) {
    if (p.m == 0 || p.k == 0) continue;
    p.a.map = make_map(p.a, Tile::kRows);
    p.b.map = make_map(p.b, Tile::kCols);
  }
  launch_with_shared(name, kernel, blocks, Tile::kThreads, Tile::kBytes, stream, batch);
}

template <class Tile, int kCount>
void launch_tile(const char* name, CudaStream stream, WgmmaBatch<kCount>& batch) {
  int first = 0;
  while (batch.products[first].m == 0 || batch.products[first].k == 0) ++first;
  const bool along_k_a = batch.products[first].a.along_k;
  const bool along_k_b = batch.products[first].b.along_k;
  if (along_k_a && along_k_b) return launch_wgmma<Tile, false, false>(name, stream, batch);
  if (along_k_a) return launch_wgmma<Tile, false, true>(name, stream, batch);
  if constexpr (kCount == 1)  // no convolution has it
    if (along_k_b) return launch_wgmma<Tile, true, false>(name, stream, batch);
  KT_CHECK(!along_k_b, "{}: a group of products of such operands", name);
  launch_wgmma<Tile, true, true>(name, stream, batch);
}

template <int kCount>
void multiply_wgmma(const char* name, CudaStream stream, const ProductPlan& plan,
                    WgmmaBatch<kCount> batch) {
  switch (plan.tile) {
    case ProductTile::kWide:
      return launch_tile<WideWgmmaTile>(name, stream, batch);
    case ProductTile::kLarge:
      return launch_tile<LargeWgmmaTile>(name, stream, batch);
    case ProductTile::kSlim:
      return launch_tile<SlimWgmmaTile>(name, stream, batch);
    default:
      KT_CHECK(false, "{}: a tile that this tier does not have", name);
  }
}

}  // namespace ktrain::product
