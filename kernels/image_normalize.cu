// A block makes the table of all 256 bytes of each channel in shared memory, the CPU's quotients to
// the bit, then looks up some rows of an image, four neighbouring numbers by thread: 5 bytes (bf16:
// 3) moved by number.
#include "kernels/image_normalize.h"

#include "kernels/check.h"
#include "kernels/device/launch.cuh"
#include "kernels/device/vector_io.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kRows = 8;  // of an image by block

struct Statistics {
  float mean[3], std[3];
};

template <class T>
__global__ void __launch_bounds__(kThreads)
    normalize_kernel(const std::uint8_t* x, const std::int32_t* sizes, int height, int width,
                     int row_blocks, bool aligned, Statistics statistics, T* y) {
  float* const table = shared_array<float, 256 * 3, struct Table>();
  const int thread = static_cast<int>(threadIdx.x);
#pragma unroll
  for (int c = 0; c < 3; ++c)
    table[thread * 3 + c] =
        static_cast<float>((static_cast<double>(thread) - static_cast<double>(statistics.mean[c])) /
                           static_cast<double>(statistics.std[c]));
  __syncthreads();

  const int image = static_cast<int>(blockIdx.x) / row_blocks;
  const int begin = static_cast<int>(blockIdx.x) % row_blocks * kRows;
  const int end = begin + kRows < height ? begin + kRows : height;
  const int real_height = sizes[2 * image], real_width = sizes[2 * image + 1];
  const int row_size = width * 3;
  for (int h = begin; h < end; ++h) {
    const int columns = h >= real_height || real_width < 0 ? 0
                        : real_width < width               ? real_width
                                                           : width;
    const int real = columns * 3;
    const std::int64_t row = (std::int64_t{image} * height + h) * row_size;
    for (int i = thread * 4; i < row_size; i += kThreads * 4) {
      const int count = row_size - i;
      float4 values = make_float4(0, 0, 0, 0);
      if (i < real) {
        const uchar4 byte = load_quad(x + row + i, aligned, count);
        const int c = i % 3;  // channel of the first of the four, and of the last
        const int c1 = c == 2 ? 0 : c + 1, c2 = c1 == 2 ? 0 : c1 + 1;
        values.x = table[byte.x * 3 + c];
        values.y = i + 1 < real ? table[byte.y * 3 + c1] : 0.0f;
        values.z = i + 2 < real ? table[byte.z * 3 + c2] : 0.0f;
        values.w = i + 3 < real ? table[byte.w * 3 + c] : 0.0f;
      }
      store_quad(y + row + i, values, aligned, count);
    }
  }
}

}  // namespace

template <class T>
void image_normalize(CudaStream stream, Nhwc<const std::uint8_t> x, Rows<const std::int32_t> sizes,
                     Nhwc<T> y, const ImageStatistics& statistics) {
  KT_CHECK(same_shape(x, y) && x.channels == 3, "image_normalize: x is {}x{}x{}x{}, y {}x{}x{}x{}",
           x.batch, x.height, x.width, x.channels, y.batch, y.height, y.width, y.channels);
  KT_CHECK(sizes.rows == x.batch && sizes.cols == 2,
           "image_normalize: sizes are {}x{} for a batch of {}", sizes.rows, sizes.cols, x.batch);
  KT_CHECK(x.height <= 65535 && x.width <= 65535,
           "image_normalize: images are {}x{}; at most 65535x65535 can be worked on", x.height,
           x.width);
  if (x.empty()) return;
  const auto row_blocks = static_cast<int>(num_blocks(x.height, kRows));
  const bool aligned =
      x.width * 3 % 4 == 0 && aligned_for_quads(x.data) && aligned_for_quads(y.data);
  Statistics numbers{};
  for (std::size_t c = 0; c < 3; ++c) {
    numbers.mean[c] = statistics.mean[c];
    numbers.std[c] = statistics.std[c];
  }
  launch("image_normalize", normalize_kernel<T>, x.batch * row_blocks, kThreads, stream, x.data,
         sizes.data, static_cast<int>(x.height), static_cast<int>(x.width), row_blocks, aligned,
         numbers, y.data);
}

template void image_normalize(CudaStream, Nhwc<const std::uint8_t>, Rows<const std::int32_t>,
                              Nhwc<float>, const ImageStatistics&);
template void image_normalize(CudaStream, Nhwc<const std::uint8_t>, Rows<const std::int32_t>,
                              Nhwc<Bfloat16>, const ImageStatistics&);

}  // namespace ktrain::cuda
