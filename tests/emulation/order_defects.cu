// Threads that do not wait for each other as they should.
#include "tests/emulation/bench.cuh"
#include "tests/emulation/defects.h"

namespace ktrain::test {
namespace {

template <bool kBroken>
__global__ void read_neighbour(const float* x, float* y) {
  float* const s = shared_array<float, 64, struct S>();
  const int t = static_cast<int>(threadIdx.x);
  s[t] = x[t];
  if (!kBroken) __syncthreads();
  y[t] = s[t == 0 ? 63 : t - 1];
}

// The next round overwrites what a neighbour may still read.
template <bool kBroken>
__global__ void sum_rounds(const float* x, float* y) {
  float* const s = shared_array<float, 64, struct S>();
  const int t = static_cast<int>(threadIdx.x);
  float total = 0;
  for (int round = 0; round < 10; ++round) {
    s[t] = x[round * 64 + t];
    __syncthreads();
    total += s[t ^ 1];
    if (!kBroken) __syncthreads();
  }
  y[t] = total;
}

// Within a warp, too, somebody must wait.
template <bool kBroken>
__global__ void exchange_in_warp(const float* x, float* y) {
  float* const s = shared_array<float, 32, struct S>();
  const int t = static_cast<int>(threadIdx.x);
  s[t] = x[t];
  if (!kBroken) __syncwarp();
  y[t] = s[31 - t];
}

template <bool kBroken>
__global__ void count_all(const float* x, float* y) {
  const float value = x[blockIdx.x * 32 + threadIdx.x];
  if (kBroken)
    y[0] += value;
  else
    atomicAdd(&y[0], value);
}

template <bool kBroken>
__global__ void count_in_block(const float* x, float* y) {
  float* const total = shared_array<float, 1, struct Total>();
  if (threadIdx.x == 0) total[0] = 0;
  __syncthreads();
  if (kBroken)
    total[0] += x[threadIdx.x];
  else
    atomicAdd(&total[0], x[threadIdx.x]);
  __syncthreads();
  if (threadIdx.x == 0) y[0] = total[0];
}

// The last block adds what all have written: the data must be out before the counter says so.
template <bool kBroken>
__global__ void last_block_adds(const float* x, float* partials, int* counter, float* y) {
  if (threadIdx.x != 0) return;
  partials[blockIdx.x] = x[blockIdx.x];
  if (!kBroken) __threadfence();
  if (atomicAdd(counter, 1) != static_cast<int>(gridDim.x) - 1) return;
  __threadfence();
  float total = 0;
  for (unsigned b = 0; b < gridDim.x; ++b) total += partials[b];
  y[0] = total;
}

template <bool kBroken>
__global__ void every_block_writes_one_place(float* y) {
  if (threadIdx.x == 0) y[kBroken ? 0 : blockIdx.x] = 1;
}

// Blocks do not wait for each other; there is no order in which this is right.
__global__ void read_next_blocks_result(const float* x, float* y) {
  const int t = static_cast<int>(threadIdx.x), b = static_cast<int>(blockIdx.x);
  y[b * 32 + t] = x[b * 32 + t];
  __threadfence();
  y[64 + b * 32 + t] = y[(1 - b) * 32 + t];
}

__global__ void barriers_in_both_branches(const float* x, float* y) {
  float* const s = shared_array<float, 64, struct S>();
  const int t = static_cast<int>(threadIdx.x);
  s[t] = x[t];
  if (t < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  y[t] = s[63 - t];
}

__global__ void leave_before_barrier(const float* x, float* y) {
  const int t = static_cast<int>(threadIdx.x);
  if (t >= 50) return;
  y[t] = x[t];
  __syncthreads();
}

__global__ void barrier_against_shuffle(const float* x, float* y) {
  float v = x[threadIdx.x];
  if (threadIdx.x < 16) __syncthreads();
  v += __shfl_xor_sync(~0u, v, 1);
  if (threadIdx.x >= 16) __syncthreads();
  y[threadIdx.x] = v;
}

__global__ void half_a_warp_shuffles(const float* x, float* y) {
  float v = x[threadIdx.x];
  if (threadIdx.x < 16) v += __shfl_down_sync(~0u, v, 1);
  y[threadIdx.x] = v;
}

__global__ void lane_outside_its_mask(const float* x, float* y) {
  y[threadIdx.x] = __shfl_sync(0xffffu, x[threadIdx.x], 0);
}

__global__ void shuffles_in_both_branches(const float* x, float* y) {
  float v = x[threadIdx.x];
  if (threadIdx.x < 16)
    v = __shfl_sync(~0u, v, 0);
  else
    v = __shfl_sync(~0u, v, 1);
  y[threadIdx.x] = v;
}

__global__ void value_of_an_absent_lane(const float* x, float* y) {
  const int t = static_cast<int>(threadIdx.x);
  y[t] = t < 8 ? __shfl_sync(0xffu, x[t], 9) : x[t];
}

std::vector<float> round_sums(const DefectBench& b) {
  std::vector<float> want(64, 0.0f);
  for (std::size_t i = 0; i < 64; ++i)
    for (std::size_t round = 0; round < 10; ++round) want[i] += b.x[round * 64 + (i ^ 1)];
  return want;
}

std::vector<float> total_of(const DefectBench& b, std::size_t count) {
  float total = 0;
  for (std::size_t i = 0; i < count; ++i) total += b.x[i];
  return {total};
}

template <bool kBroken>
bool neighbour() {
  DefectBench b;
  b.run(read_neighbour<kBroken>, 1, 64, b.dx.data(), b.y.data());
  return b.gives(b.picked(64, [](int i) { return i == 0 ? 63 : i - 1; }));
}
template <bool kBroken>
bool rounds() {
  DefectBench b;
  b.run(sum_rounds<kBroken>, 1, 64, b.dx.data(), b.y.data());
  return b.gives(round_sums(b));
}
template <bool kBroken>
bool warp_exchange() {
  DefectBench b;
  b.run(exchange_in_warp<kBroken>, 1, 32, b.dx.data(), b.y.data());
  return b.gives(b.picked(32, [](int i) { return 31 - i; }));
}
template <bool kBroken>
bool grid_count() {
  DefectBench b;
  b.run(count_all<kBroken>, 4, 32, b.dx.data(), b.y.data());
  return b.gives(total_of(b, 128));
}
template <bool kBroken>
bool block_count() {
  DefectBench b;
  b.run(count_in_block<kBroken>, 1, 64, b.dx.data(), b.y.data());
  return b.gives(total_of(b, 64));
}
template <bool kBroken>
bool last_block() {
  DefectBench b;
  const DeviceView<float> partials(8);
  const DeviceView<int> counter(b.stream.get(), {0});
  b.run(last_block_adds<kBroken>, 8, 32, b.dx.data(), partials.data(), counter.data(), b.y.data());
  return b.gives(total_of(b, 8));
}
template <bool kBroken>
bool one_place() {
  DefectBench b;
  b.run(every_block_writes_one_place<kBroken>, 4, 32, b.y.data());
  return b.gives({1});
}

// Runs a kernel of (x, y) on one block; right when y is x[from(i)].
template <class From>
std::function<bool()> simple(void (*kernel)(const float*, float*), int threads, From from) {
  return [=] {
    DefectBench b;
    b.run(kernel, 1, threads, b.dx.data(), b.y.data());
    return b.gives(b.picked(threads, from));
  };
}

bool next_block() {
  DefectBench b;
  b.run(read_next_blocks_result, 2, 32, b.dx.data(), b.y.data());
  const std::vector<float> got = b.y.to_host(b.stream.get());
  for (std::size_t i = 0; i < 64; ++i)
    if (got[64 + i] != b.x[(i + 32) % 64]) return false;
  return true;
}

}  // namespace

std::vector<Defect> order_defects() {
  const auto same = [](int i) { return i; };
  return {
      {"neighbour read without barrier",
       {'W', 'W', 'W', 'E'},
       "race|what nobody wrote",
       neighbour<true>},
      {"loop without its second barrier", {'W', 'W', 'W', 'E'}, "race", rounds<true>},
      {"missing __syncwarp", {'W', 'W', 'W', 'E'}, "race|what nobody wrote", warp_exchange<true>},
      {"+= by all threads of a grid", {'.', '.', '.', 'E'}, "race", grid_count<true>},
      {"+= by all threads of a block", {'.', '.', '.', 'E'}, "race", block_count<true>},
      {"missing __threadfence before the counter", {'.', '.', '.', 'E'}, "race", last_block<true>},
      {"blocks write one address", {'.', '.', '.', 'E'}, "race", one_place<true>},
      {"reading another block's result", {'W', 'W', 'W', 'E'}, "race", next_block},
      {"barriers in both branches",
       {'E', 'E', 'E', 'E'},
       "different __syncthreads",
       simple(barriers_in_both_branches, 64, same)},
      {"leaving before a barrier",
       {'E', 'E', 'E', 'E'},
       "left the kernel before the barrier|left while others wait",
       simple(leave_before_barrier, 64, same),
       true},
      {"barrier against shuffle",
       {'E', 'E', 'E', 'E'},
       "can never go on",
       simple(barrier_against_shuffle, 32, same)},
      {"full mask, half a warp",
       {'E', 'E', 'E', 'E'},
       "left the kernel while lanes|can never go on",
       simple(half_a_warp_shuffles, 32, same)},
      {"lane outside its mask",
       {'E', 'E', 'E', 'E'},
       "is not in mask",
       simple(lane_outside_its_mask, 32, same)},
      {"shuffles in both branches",
       {'E', 'E', 'E', 'E'},
       "meet in different operations",
       simple(shuffles_in_both_branches, 32, same)},
      {"value of an absent lane",
       {'W', 'W', 'W', 'W'},
       "",
       simple(value_of_an_absent_lane, 32, same)},
  };
}

std::vector<Defect> clean_kernels() {
  const Expected nothing{'.', '.', '.', '.'};
  return {{"neighbour read", nothing, "", neighbour<false>},
          {"rounds", nothing, "", rounds<false>},
          {"exchange in a warp", nothing, "", warp_exchange<false>},
          {"atomic total of a grid", nothing, "", grid_count<false>},
          {"atomic total of a block", nothing, "", block_count<false>},
          {"last block adds", nothing, "", last_block<false>},
          {"a place for each block", nothing, "", one_place<false>},
          {"product on tensor cores", nothing, "", tensor_core_product},
          {"product of a warpgroup", nothing, "", warpgroup_product},
          {"two products of a launch", nothing, "", group_of_products},
          {"sums of rows", nothing, "", sums_of_sides},
          {"two arrays of a list", nothing, "", arrays_of_a_list}};
}

}  // namespace ktrain::test
