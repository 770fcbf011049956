// One pass: a block takes kBiasReluChunk rows of up to 128 columns, masks them and adds them up
// where both are wanted; dy and y are read and g is written once. Lanes stand along the columns,
// four each; the sums of the rows that stand over each other are added in a tree. A second, small
// kernel adds the chunks in double.
#include "kernels/bias_relu.h"

#include "kernels/check.h"
#include "kernels/device/launch.cuh"
#include "kernels/device/vector_io.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kLongestLine = 32;  // lanes along the columns

struct Shape {
  std::int64_t rows, cols;
  std::int64_t col_blocks;
  int width;  // lanes along the columns, a power of two
  bool aligned;
};

__device__ void add_to(float4& total, const float4& q) {
  total.x += q.x;
  total.y += q.y;
  total.z += q.z;
  total.w += q.w;
}

// What a NaN in y lets through is nothing: no comparison holds.
__device__ float4 masked(const float4& y, const float4& dy) {
  return make_float4(y.x > 0 ? dy.x : 0.0f, y.y > 0 ? dy.y : 0.0f, y.z > 0 ? dy.z : 0.0f,
                     y.w > 0 ? dy.w : 0.0f);
}

// g may be dy: a thread reads its elements before it writes them.
template <bool kMask, bool kSum, class T>
__global__ void __launch_bounds__(kThreads, 4)  // or ptxas spills for a fifth block
    chunk_kernel(const T* y, const T* dy, Shape shape, T* g, float* sums) {
  const int thread = static_cast<int>(threadIdx.x);
  const std::int64_t chunk = blockIdx.x / shape.col_blocks;
  const std::int64_t c = (blockIdx.x % shape.col_blocks * shape.width + thread % shape.width) * 4;
  const std::int64_t count = shape.cols - c;
  const std::int64_t past = (chunk + 1) * kBiasReluChunk;
  const std::int64_t end = past < shape.rows ? past : shape.rows;
  float4 total = make_float4(0, 0, 0, 0);
#pragma unroll 4
  for (std::int64_t r = chunk * kBiasReluChunk + thread / shape.width; r < end;
       r += kThreads / shape.width) {
    const std::int64_t i = r * shape.cols + c;
    float4 q = load_quad(dy + i, shape.aligned, count);
    if constexpr (kMask) {
      q = masked(load_quad(y + i, shape.aligned, count), q);
      store_quad(g + i, q, shape.aligned, count);
    }
    if constexpr (kSum) add_to(total, q);
  }
  if constexpr (kSum) {
    float4* const lines = shared_array<float4, kThreads, struct Lines>();
    lines[thread] = total;
    for (int half = kThreads / 2; half >= shape.width; half /= 2) {
      __syncthreads();
      if (thread < half) {
        add_to(total, lines[thread + half]);
        lines[thread] = total;
      }
    }
    if (thread < shape.width) store_quad(sums + chunk * shape.cols + c, total, false, count);
  }
}

constexpr int kFinishCols = 32;
constexpr int kFinishLines = kThreads / kFinishCols;

__global__ void __launch_bounds__(kThreads)
    finish_kernel(const float* sums, std::int64_t chunks, std::int64_t cols, float* dbias) {
  double* const lines = shared_array<double, kThreads, struct ChunkLines>();
  const int thread = static_cast<int>(threadIdx.x);
  const std::int64_t c = std::int64_t{blockIdx.x} * kFinishCols + thread % kFinishCols;
  double total = 0;
  if (c < cols) {
#pragma unroll 4
    for (std::int64_t i = thread / kFinishCols; i < chunks; i += kFinishLines)
      total += static_cast<double>(sums[i * cols + c]);
  }
  lines[thread] = total;
  __syncthreads();
  if (thread >= kFinishCols || c >= cols) return;
  for (int line = 1; line < kFinishLines; ++line) total += lines[line * kFinishCols + thread];
  dbias[c] = static_cast<float>(total);
}

}  // namespace

template <class T>
void bias_relu_backward(CudaStream stream, Rows<const T> y, Rows<const T> dy,
                        Span<Wide<T>> workspace, Rows<T> g, Span<Wide<T>> dbias) {
  constexpr auto kWho = "bias_relu_backward";
  KT_CHECK(y.empty() == g.empty(), "{}: y and g are given together or not at all", kWho);
  KT_CHECK(g.empty() || (same_shape(y, dy) && same_shape(g, dy)),
           "{}: y is {}x{}, dy {}x{}, g {}x{}", kWho, y.rows, y.cols, dy.rows, dy.cols, g.rows,
           g.cols);
  KT_CHECK(dbias.empty() || dbias.size == dy.cols, "{}: dbias has {} elements, dy {} columns", kWho,
           dbias.size, dy.cols);
  const std::int64_t wanted =
      dbias.empty() ? 0 : cpu::bias_relu_backward_workspace(dy.rows, dy.cols);
  KT_CHECK(workspace.size >= wanted, "{}: workspace has {} elements, wanted {}", kWho,
           workspace.size, wanted);

  const bool mask = !g.empty(), sum = !dbias.empty();
  const std::int64_t chunks = num_blocks(dy.rows, kBiasReluChunk), quads = num_blocks(dy.cols, 4);
  if (!dy.empty() && (mask || sum)) {
    Shape shape{};
    shape.rows = dy.rows;
    shape.cols = dy.cols;
    shape.width = power_of_two(quads, kLongestLine);
    shape.col_blocks = num_blocks(quads, shape.width);
    shape.aligned = dy.cols % 4 == 0 && aligned_for_quads(dy.data) &&
                    (!mask || (aligned_for_quads(y.data) && aligned_for_quads(g.data)));
    const auto kernel = mask && sum ? chunk_kernel<true, true, T>
                        : mask      ? chunk_kernel<true, false, T>
                                    : chunk_kernel<false, true, T>;
    launch(kWho, kernel, chunks * shape.col_blocks, kThreads, stream, y.data, dy.data, shape,
           g.data, sum ? workspace.data : nullptr);
  }
  if (sum)
    launch(kWho, finish_kernel, num_blocks(dy.cols, kFinishCols), kThreads, stream, workspace.data,
           chunks, dy.cols, dbias.data);
}

#define KT_INSTANTIATE(T)                                                                   \
  template void bias_relu_backward(CudaStream, Rows<const T>, Rows<const T>, Span<Wide<T>>, \
                                   Rows<T>, Span<Wide<T>>);
KT_INSTANTIATE(float)
KT_INSTANTIATE(Bfloat16)
#undef KT_INSTANTIATE

}  // namespace ktrain::cuda
