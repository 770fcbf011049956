#include "kernels/bias_relu.h"

#include <algorithm>

#include "kernels/check.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {
namespace {

constexpr std::int64_t kGrain = kBiasReluChunk;

template <class T>
void mask_row(const T* y, const T* dy, T* g, std::int64_t cols) {
  for (std::int64_t c = 0; c < cols; ++c) g[c] = widen(y[c]) > 0 ? dy[c] : T{};
}

template <class T>
void mask_and_add_row(const T* y, const T* dy, T* g, Wide<T>* sum, std::int64_t cols) {
  for (std::int64_t c = 0; c < cols; ++c) {
    g[c] = widen(y[c]) > 0 ? dy[c] : T{};
    sum[c] += widen(g[c]);
  }
}

template <class T>
void add_row(const T* dy, Wide<T>* sum, std::int64_t cols) {
  for (std::int64_t c = 0; c < cols; ++c) sum[c] += widen(dy[c]);
}

}  // namespace

std::int64_t bias_relu_backward_workspace(std::int64_t rows, std::int64_t cols) {
  return num_chunks(rows, kGrain) * cols;
}

template <class T>
void bias_relu_backward(Rows<const T> y, Rows<const T> dy, Span<Wide<T>> workspace, Rows<T> g,
                        Span<Wide<T>> dbias) {
  constexpr auto kWho = "bias_relu_backward";
  KT_CHECK(y.empty() == g.empty(), "{}: y and g are given together or not at all", kWho);
  KT_CHECK(g.empty() || (same_shape(y, dy) && same_shape(g, dy)),
           "{}: y is {}x{}, dy {}x{}, g {}x{}", kWho, y.rows, y.cols, dy.rows, dy.cols, g.rows,
           g.cols);
  KT_CHECK(dbias.empty() || dbias.size == dy.cols, "{}: dbias has {} elements, dy {} columns", kWho,
           dbias.size, dy.cols);
  const std::int64_t wanted = dbias.empty() ? 0 : bias_relu_backward_workspace(dy.rows, dy.cols);
  KT_CHECK(workspace.size >= wanted, "{}: workspace has {} elements, wanted {}", kWho,
           workspace.size, wanted);

  const std::int64_t cols = dy.cols;
  parallel_chunks(dy.rows, kGrain, [&](std::int64_t chunk, std::int64_t begin, std::int64_t end) {
    Wide<T>* sum = dbias.empty() ? nullptr : workspace.data + chunk * cols;
    if (sum) std::fill_n(sum, cols, Wide<T>{0});
    for (std::int64_t r = begin; r < end; ++r) {
      const T* dy_row = dy.data + r * cols;
      if (g.empty()) {
        if (sum) add_row(dy_row, sum, cols);
      } else if (sum) {
        mask_and_add_row(y.data + r * cols, dy_row, g.data + r * cols, sum, cols);
      } else {
        mask_row(y.data + r * cols, dy_row, g.data + r * cols, cols);
      }
    }
  });
  const std::int64_t chunks = num_chunks(dy.rows, kGrain);
  parallel_for(dbias.size, 64, [&](std::int64_t c) {
    double sum = 0;
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk)
      sum += static_cast<double>(workspace[chunk * cols + c]);
    dbias[c] = static_cast<Wide<T>>(sum);
  });
}

#define KT_INSTANTIATE(T)                                                                   \
  template void bias_relu_backward<T>(Rows<const T>, Rows<const T>, Span<Wide<T>>, Rows<T>, \
                                      Span<Wide<T>>);
KT_INSTANTIATE(float)
KT_INSTANTIATE(double)
KT_INSTANTIATE(Bfloat16)
#undef KT_INSTANTIATE

}  // namespace ktrain::cpu
