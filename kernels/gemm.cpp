#include "kernels/gemm.h"

#include <algorithm>
#include <array>
#include <type_traits>

#include "kernels/bias_relu.h"
#include "kernels/check.h"
#include "kernels/checks/gemm.h"
#include "kernels/cpu/onednn.h"
#include "kernels/cpu/widened.h"
#include "kernels/parallel.h"
#include "kernels/product_plan.h"

namespace ktrain {
namespace {

struct Extent {
  std::int64_t m, n, k;
};

template <class T, class P, class C>
Extent check_shapes(Rows<const T> a, Rows<const T> b, Span<const P> bias, Rows<C> c,
                    const GemmOptions& options) {
  const std::int64_t m = options.transpose_a ? a.cols : a.rows;
  const std::int64_t k = options.transpose_a ? a.rows : a.cols;
  const std::int64_t b_k = options.transpose_b ? b.cols : b.rows;
  const std::int64_t n = options.transpose_b ? b.rows : b.cols;
  KT_CHECK(k == b_k && c.rows == m && c.cols == n,
           "gemm: op(a) is {}x{}, op(b) {}x{}, c {}x{}, wanted m x k, k x n, m x n", m, k, b_k, n,
           c.rows, c.cols);
  KT_CHECK(bias.empty() || bias.size == n, "gemm: bias has {} elements, wanted {} or none",
           bias.size, n);
  KT_CHECK((!std::is_same_v<T, double> || options.engine != GemmEngine::kOneDnn),
           "gemm: engine onednn computes in float only");
  return {m, n, k};
}

}  // namespace

namespace cpu {
namespace {

template <class T>
bool use_onednn(const Extent& extent, const GemmOptions& options) {
  return std::is_same_v<T, float> && options.engine != GemmEngine::kReference && extent.m > 0 &&
         extent.n > 0 && extent.k > 0;
}

template <class T>
void reference_gemm(Rows<const T> a, Rows<const T> b, Span<const T> bias, Rows<T> c,
                    const Extent& extent, const GemmOptions& options) {
  const std::int64_t grain = 65536 / (extent.n * extent.k + 1) + 1;
  parallel_for(extent.m, grain, [&](std::int64_t i) {
    for (std::int64_t j = 0; j < extent.n; ++j) {
      T sum = 0;
      for (std::int64_t l = 0; l < extent.k; ++l)
        sum +=
            (options.transpose_a ? a(l, i) : a(i, l)) * (options.transpose_b ? b(j, l) : b(l, j));
      if (!bias.empty()) sum += bias[j];
      c(i, j) = options.relu && sum < 0 ? T{0} : sum;
    }
  });
}

using Key = std::array<std::int64_t, 6>;

std::unique_ptr<onednn::Primitive> make_matmul(const Extent& e, bool with_bias,
                                               const GemmOptions& options) {
  using onednn::Tag;
  const auto a = onednn::desc({e.m, e.k}, options.transpose_a ? Tag::ba : Tag::ab);
  const auto b = onednn::desc({e.k, e.n}, options.transpose_b ? Tag::ba : Tag::ab);
  const auto c = onednn::desc({e.m, e.n}, Tag::ab);
  const auto bias = with_bias ? onednn::desc({1, e.n}, Tag::ab) : onednn::Desc();
  dnnl::primitive_attr attr = onednn::attributes();
  dnnl::post_ops ops;
  if (options.relu) onednn::append_relu(ops);
  attr.set_post_ops(ops);
  const auto pd = onednn::matmul_desc({a, b, c}, bias, attr);
  onednn::Primitive::Arguments arguments = {
      {DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}};
  if (with_bias) arguments.emplace_back(DNNL_ARG_BIAS, bias);
  return std::make_unique<onednn::Primitive>(dnnl::matmul(pd), arguments, pd.scratchpad_desc());
}

const onednn::Primitive& matmul(const Extent& e, bool with_bias, const GemmOptions& options) {
  static onednn::Cache<Key, onednn::Primitive> cache;
  const int flags =
      options.transpose_a | options.transpose_b << 1 | options.relu << 2 | with_bias << 3;
  return cache.get({e.m, e.n, e.k, flags, num_threads()},
                   [&] { return make_matmul(e, with_bias, options); });
}

}  // namespace

namespace {

template <class T>
std::int64_t product_workspace(Rows<const T> a, Rows<const T> b, Span<const Wide<T>> bias,
                               Rows<const T> c, const GemmOptions& options) {
  const Extent extent = check_shapes(a, b, bias, c, options);
  if constexpr (std::is_same_v<T, Bfloat16>) {
    WidenedRoom room;
    const Rows<const float> wide_a = room.rows(a), wide_b = room.rows(b);
    (void)room.take(c.size());
    return room.taken() +
           product_workspace<float>(wide_a, wide_b, bias, {nullptr, c.rows, c.cols}, options);
  } else {
    return use_onednn<T>(extent, options) ? matmul(extent, !bias.empty(), options).scratch_floats()
                                          : 0;
  }
}

template <class T, class C>
void run_product(Rows<const T> a, Rows<const T> b, Span<const Wide<T>> bias,
                 Span<Wide<T>> workspace, Rows<C> c, const GemmOptions& options);

// Through the product of floats: operands are widened, c is rounded where it is not in float.
template <class C>
void bf16_product(Rows<const Bfloat16> a, Rows<const Bfloat16> b, Span<const float> bias,
                  Span<float> workspace, Rows<C> c, const GemmOptions& options) {
  WidenedRoom room(workspace);
  const Rows<const float> wide_a = room.rows(a), wide_b = room.rows(b);
  const Rows<float> sums{room.take(c.size()), c.rows, c.cols};
  if constexpr (std::is_same_v<C, float>) {
    run_product<float>(wide_a, wide_b, bias, room.left(), c, options);
  } else {
    run_product<float>(wide_a, wide_b, bias, room.left(), sums, options);
    convert(Span<const float>{sums.data, sums.size()}, Span<Bfloat16>{c.data, c.size()});
  }
}

template <class T, class C>
void run_product(Rows<const T> a, Rows<const T> b, Span<const Wide<T>> bias,
                 Span<Wide<T>> workspace, Rows<C> c, const GemmOptions& options) {
  if constexpr (std::is_same_v<T, Bfloat16>) {
    bf16_product(a, b, bias, workspace, c, options);
  } else {
    const Extent extent = check_shapes(a, b, bias, c, options);
    if constexpr (std::is_same_v<T, float>)
      if (use_onednn<T>(extent, options)) {
        matmul(extent, !bias.empty(), options)
            .run({{DNNL_ARG_SRC, a.data},
                  {DNNL_ARG_WEIGHTS, b.data},
                  {DNNL_ARG_BIAS, bias.data},
                  {DNNL_ARG_DST, c.data}},
                 workspace.data);
        return;
      }
    reference_gemm(a, b, bias, c, extent, options);
  }
}

}  // namespace

// c and the sums of rows are computed one after the other and share it.
template <class T>
std::int64_t gemm_workspace(Rows<const T> a, Rows<const T> b, Span<const Wide<T>> bias,
                            Rows<const T> c, const GemmOptions& options,
                            const GemmSides<T>& sides) {
  return std::max(product_workspace<T>(a, b, bias, c, options),
                  sides.row_sums.empty() ? 0 : bias_relu_backward_workspace(a.rows, a.cols));
}

template <class T, class C>
void gemm(Rows<const T> a, Rows<const T> b, Span<const Wide<T>> bias, Span<Wide<T>> workspace,
          Rows<C> c, const GemmOptions& options, const GemmSides<T>& sides) {
  const std::int64_t wanted =
      gemm_workspace<T>(a, b, bias, {nullptr, c.rows, c.cols}, options, sides);
  check_sides(sides, c, options);
  KT_CHECK(workspace.size >= wanted, "gemm: workspace has {} elements, wanted {}", workspace.size,
           wanted);
  run_product(a, b, bias, workspace, c, options);
  if constexpr (std::is_same_v<T, C>) end_gradient(sides.end, Span<T>{c.data, c.size()});
  if (!sides.row_sums.empty()) bias_relu_backward<T>({}, a, workspace, {}, sides.row_sums);
}

#define KT_WORKSPACE(T)                                                                      \
  template std::int64_t gemm_workspace<T>(Rows<const T>, Rows<const T>, Span<const Wide<T>>, \
                                          Rows<const T>, const GemmOptions&, const GemmSides<T>&);
#define KT_INSTANTIATE(T, C)                                                                 \
  template void gemm<T, C>(Rows<const T>, Rows<const T>, Span<const Wide<T>>, Span<Wide<T>>, \
                           Rows<C>, const GemmOptions&, const GemmSides<T>&);
KT_WORKSPACE(float)
KT_WORKSPACE(double)
KT_WORKSPACE(Bfloat16)
KT_INSTANTIATE(float, float)
KT_INSTANTIATE(double, double)
KT_INSTANTIATE(Bfloat16, Bfloat16)
KT_INSTANTIATE(Bfloat16, float)
#undef KT_INSTANTIATE

}  // namespace cpu

namespace cuda {

template <class T>
std::int64_t gemm_workspace(Rows<const T> a, Rows<const T> b, Span<const Wide<T>> bias,
                            Rows<const T> c, const GemmOptions& options,
                            const GemmSides<T>& sides) {
  KT_CHECK(options.precision != Precision::kBf16, "gemm: matrices of float in bf16");
  KT_CHECK(options.engine == GemmEngine::kAuto, "gemm: on CUDA there is the engine auto alone");
  const Extent extent = check_shapes(a, b, bias, c, options);
  ProductShape shape =
      matrix_product(extent.m, extent.n, extent.k, options.transpose_a, options.transpose_b);
  shape.precision = std::is_same_v<T, Bfloat16> ? Precision::kBf16 : options.precision;
  const ProductPlan plan = plan_product(gpu_architecture(), shape);
  return product_workspace(plan, shape) +
         (sides.row_sums.empty() ? 0 : row_sums_workspace(plan, shape));
}

KT_WORKSPACE(float)
KT_WORKSPACE(Bfloat16)
#undef KT_WORKSPACE

}  // namespace cuda
}  // namespace ktrain
