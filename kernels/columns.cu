// Rows are copied by lanes that stand along them, quads where both matrices allow it, eight rows a
// thread: every byte is read and written once.
#include "kernels/columns.h"

#include "kernels/check.h"
#include "kernels/device/launch.cuh"
#include "kernels/device/vector_io.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kRowsPerThread = 8;

// `cols` elements of each row, from memory whose rows are `from_pitch` apart to others.
struct Copy {
  const float* from;
  float* to;
  std::int64_t rows, cols, from_pitch, to_pitch;
  int width;  // lanes along a row, a power of two
};

template <int kPerLane>
__global__ void __launch_bounds__(kThreads) copy_kernel(Copy copy) {
  const int thread = static_cast<int>(threadIdx.x), lines = kThreads / copy.width;
  const std::int64_t first =
      std::int64_t{blockIdx.x} * lines * kRowsPerThread + thread / copy.width;
  for (std::int64_t c = thread % copy.width * kPerLane; c < copy.cols; c += copy.width * kPerLane) {
#pragma unroll
    for (int i = 0; i < kRowsPerThread; ++i) {
      const std::int64_t r = first + i * lines;
      if (r >= copy.rows) break;
      const float* const from = copy.from + r * copy.from_pitch + c;
      float* const to = copy.to + r * copy.to_pitch + c;
      if constexpr (kPerLane == 4)
        store_quad(to, load_quad(from, true), true);
      else
        *to = *from;
    }
  }
}

void copy_rows(const char* name, CudaStream stream, Copy copy) {
  if (copy.rows == 0 || copy.cols == 0) return;
  const bool quads = copy.cols % 4 == 0 && copy.from_pitch % 4 == 0 && copy.to_pitch % 4 == 0 &&
                     aligned_for_quads(copy.from) && aligned_for_quads(copy.to);
  copy.width = power_of_two(quads ? copy.cols / 4 : copy.cols, kThreads);
  const std::int64_t rows_per_block = kThreads / copy.width * kRowsPerThread;
  launch(name, quads ? copy_kernel<4> : copy_kernel<1>, num_blocks(copy.rows, rows_per_block),
         kThreads, stream, copy);
}

template <class A, class B>
void check_run(const char* who, Rows<A> narrow, Rows<B> wide, std::int64_t first) {
  KT_CHECK(narrow.rows == wide.rows && first >= 0 && first + narrow.cols <= wide.cols,
           "{}: a run of {}x{} from column {} on does not lie in {}x{}", who, narrow.rows,
           narrow.cols, first, wide.rows, wide.cols);
}

}  // namespace

void place_columns(CudaStream stream, Rows<const float> x, Rows<float> y, std::int64_t first) {
  check_run("place_columns", x, y, first);
  if (x.empty()) return;
  copy_rows("place_columns", stream, {x.data, y.data + first, x.rows, x.cols, x.cols, y.cols, 1});
}

void take_columns(CudaStream stream, Rows<const float> x, Rows<float> y, std::int64_t first) {
  check_run("take_columns", y, x, first);
  if (y.empty()) return;
  copy_rows("take_columns", stream, {x.data + first, y.data, y.rows, y.cols, x.cols, y.cols, 1});
}

}  // namespace ktrain::cuda
