// Most bytes are those of the matrix: a thread keeps four boxes of b in registers and walks down
// kRowsPerThread rows, so that a warp writes whole lines and reads a row's box once. A narrow
// matrix, as that of anchors and targets, puts fewer lanes side by side and more rows into a block.
#include "kernels/iou.h"

#include "kernels/check.h"
#include "kernels/device/box_io.cuh"
#include "kernels/device/launch.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kRowsPerThread = 8;

struct MatrixPlan {
  std::int64_t rows, cols;
  int lanes;                   // threads side by side, four columns each; a power of two
  std::int64_t column_blocks;  // blocks side by side
  bool aligned_in, aligned_out;
};

__global__ void __launch_bounds__(kThreads)
    matrix_kernel(const float* a, const float* b, const __grid_constant__ MatrixPlan plan,
                  Overlap kind, float* out) {
  const int thread = static_cast<int>(threadIdx.x);
  const std::int64_t column =
      (blockIdx.x % plan.column_blocks * plan.lanes + thread % plan.lanes) * 4;
  const std::int64_t count = plan.cols - column;
  if (count <= 0) return;
  const int height = kThreads / plan.lanes;  // rows of the block at a time
  const std::int64_t first =
      blockIdx.x / plan.column_blocks * height * kRowsPerThread + thread / plan.lanes;
  DeviceBox boxes[4];
#pragma unroll
  for (int k = 0; k < 4; ++k)
    boxes[k] = load_box(b, k < count ? column + k : column, plan.aligned_in);
#pragma unroll 2
  for (int k = 0; k < kRowsPerThread; ++k) {
    const std::int64_t r = first + k * height;
    if (r >= plan.rows) break;
    const DeviceBox box = load_box(a, r, plan.aligned_in);
    const float4 row = make_float4(box_overlap(box.corner, boxes[0].corner, kind),
                                   box_overlap(box.corner, boxes[1].corner, kind),
                                   box_overlap(box.corner, boxes[2].corner, kind),
                                   box_overlap(box.corner, boxes[3].corner, kind));
    store_quad(out + r * plan.cols + column, row, plan.aligned_out, count);
  }
}

__global__ void __launch_bounds__(kThreads)
    pairs_kernel(const float* a, const float* b, std::int64_t size, bool aligned, Overlap kind,
                 float* out) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= size) return;
  const DeviceBox left = load_box(a, i, aligned), right = load_box(b, i, aligned);
  out[i] = box_overlap(left.corner, right.corner, kind);
}

}  // namespace

void overlap_matrix(CudaStream stream, Rows<const float> a, Rows<const float> b, Rows<float> out,
                    Overlap kind) {
  KT_CHECK(a.cols == 4 && b.cols == 4 && out.rows == a.rows && out.cols == b.rows,
           "overlap_matrix: a is {}x{}, b {}x{}, out {}x{}", a.rows, a.cols, b.rows, b.cols,
           out.rows, out.cols);
  if (out.empty()) return;
  MatrixPlan plan{};
  plan.rows = out.rows;
  plan.cols = out.cols;
  const std::int64_t quads = num_blocks(out.cols, 4);
  plan.lanes = 1;
  while (plan.lanes < quads && plan.lanes < kThreads / 4) plan.lanes *= 2;
  plan.column_blocks = num_blocks(quads, plan.lanes);
  plan.aligned_in = aligned_for_quads(a.data) && aligned_for_quads(b.data);
  plan.aligned_out = aligned_for_quads(out.data) && out.cols % 4 == 0;
  const std::int64_t height = std::int64_t{kThreads} / plan.lanes * kRowsPerThread;
  launch("overlap_matrix", matrix_kernel, plan.column_blocks * num_blocks(out.rows, height),
         kThreads, stream, a.data, b.data, plan, kind, out.data);
}

void overlap_pairs(CudaStream stream, Rows<const float> a, Rows<const float> b, Span<float> out,
                   Overlap kind) {
  KT_CHECK(a.cols == 4 && same_shape(a, b) && out.size == a.rows,
           "overlap_pairs: a is {}x{}, b {}x{}, out {}", a.rows, a.cols, b.rows, b.cols, out.size);
  if (out.empty()) return;
  launch("overlap_pairs", pairs_kernel, num_blocks(out.size, kThreads), kThreads, stream, a.data,
         b.data, out.size, aligned_for_quads(a.data) && aligned_for_quads(b.data), kind, out.data);
}

}  // namespace ktrain::cuda
