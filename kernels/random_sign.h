// A sum of random signs over several maps, the loss of a negative control, and its gradient.
//   sum:      value[0] = scale * sum over maps m and elements i of s(m, i) * map_m[i]
//   backward: dx[i] = s(m, i) * scale * dvalue[0]
// s(m, i) is -1 or 1: bit i % 128 of the words that kernels/random.h draws for the seed, the
// stream, the epoch now[0], sample m and index i / 128. The step stands in memory, so that the work
// of one step can be that of any. Sums are taken in double, by runs of kSignRun elements, whose
// order the sizes alone decide. The list of maps lies on the host; up to kSignMaps. Wrong sizes
// throw Error.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/queue.h"
#include "kernels/random.h"
#include "kernels/scratch.h"
#include "kernels/view.h"

namespace ktrain {

constexpr std::int64_t kSignRun = 1 << 14;
constexpr std::int64_t kSignMaps = 64;

template <class T>
[[nodiscard]] std::int64_t sign_runs(Span<const Span<const T>> maps) {
  std::int64_t runs = 0;
  for (std::int64_t m = 0; m < maps.size; ++m) runs += (maps[m].size + kSignRun - 1) / kSignRun;
  return runs;
}
template <class T>
[[nodiscard]] std::int64_t random_sign_scratch_bytes(Span<const Span<const T>> maps) {
  Scratch scratch;
  (void)scratch.take<double>(sign_runs(maps));
  return scratch.bytes();
}

// Where a draw comes from. `now`: at least one element, not negative.
struct SignKey {
  std::uint64_t seed = 0;
  std::uint32_t stream = 0;
  Span<const std::int32_t> now;
};

namespace cpu {

template <class T>
void random_sign_sum(const SignKey& key, Span<const Span<const T>> maps, Span<T> value,
                     Span<std::byte> scratch, double scale);
template <class T>
void random_sign_backward(const SignKey& key, std::uint32_t map, Span<const T> dvalue, Span<T> dx,
                          double scale);

}  // namespace cpu

namespace cuda {

void random_sign_sum(CudaStream stream, const SignKey& key, Span<const Span<const float>> maps,
                     Span<float> value, Span<std::byte> scratch, double scale);
void random_sign_backward(CudaStream stream, const SignKey& key, std::uint32_t map,
                          Span<const float> dvalue, Span<float> dx, double scale);

}  // namespace cuda
}  // namespace ktrain
