#include "kernels/gradient_end.h"

#include "kernels/parallel.h"

namespace ktrain::cpu {

template <class T>
void end_gradient(const GradientEnd<T>& end, Span<T> dx) {
  const T* const add = end.add.empty() ? nullptr : end.add.data;
  const T* const positive = end.positive.empty() ? nullptr : end.positive.data;
  if (!add && !positive) return;
  constexpr std::int64_t kGrain = 32768;
  parallel_chunks(dx.size, kGrain, [&](std::int64_t, std::int64_t begin, std::int64_t past) {
    if (add)
      for (std::int64_t i = begin; i < past; ++i)
        dx.data[i] = narrow<T>(widen(dx.data[i]) + widen(add[i]));
    // Chosen, not jumped over: no branch to mispredict, and lanes of a vector do it together.
    if (positive)
      for (std::int64_t i = begin; i < past; ++i)
        dx.data[i] = widen(positive[i]) > 0 ? dx.data[i] : T{};
  });
}

template void end_gradient(const GradientEnd<float>&, Span<float>);
template void end_gradient(const GradientEnd<double>&, Span<double>);
template void end_gradient(const GradientEnd<Bfloat16>&, Span<Bfloat16>);

}  // namespace ktrain::cpu
