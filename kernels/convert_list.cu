// As clip.cu: the arrays are cut into chunks of 4096 elements, a block each, whatever array they
// belong to. 4 bytes read and 2 written by element.
#include "kernels/convert_list.h"

#include <iterator>

#include "kernels/checks/convert_list.h"
#include "kernels/device/array_list.cuh"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kChunk = 4096;
using List = ArrayList<2, 120>;  // what is read; what is written, of Bfloat16

__global__ void __launch_bounds__(kThreads) convert_kernel(const __grid_constant__ List list) {
  const auto chunk = static_cast<std::int32_t>(blockIdx.x);
  const int entry = list.entry_of(chunk);
  const std::int64_t begin = std::int64_t{chunk - list.first[entry]} * kChunk;
  const std::int64_t left = list.size[entry] - begin;
  const auto count = static_cast<int>(left < kChunk ? left : kChunk);
  const float* const x = list.data[0][entry] + begin;
  auto* const y = reinterpret_cast<Bfloat16*>(list.data[1][entry]) + begin;
  const bool aligned = list.in_quads(entry);
#pragma unroll 4
  for (int i = static_cast<int>(threadIdx.x) * 4; i < count; i += kThreads * 4)
    store_quad(y + i, load_quad(x + i, aligned, count - i), aligned, count - i);
}

}  // namespace

void convert_list(CudaStream stream, std::span<const Conversion> all) {
  for_lists<List>(
      std::ssize(all),
      [&](List& list, std::int64_t k) {
        const Conversion& one = all[static_cast<std::size_t>(k)];
        check_conversion(one);
        // A list is of pointers to floats that may be written to.
        list.add(one.x.size, kChunk, 0,
                 {const_cast<float*>(one.x.data), reinterpret_cast<float*>(one.y.data)});
      },
      [&](const List& list) {
        launch("convert_list", convert_kernel, list.chunks(), kThreads, stream, list);
      });
}

}  // namespace ktrain::cuda
