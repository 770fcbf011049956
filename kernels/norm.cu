// Training: two walks over the input each way (device/bands.cuh). The first sums by column, the
// second writes the output; a small kernel between them makes statistics of the sums. Forward takes
// mean and variance in one walk: sums of the distance from the first row, and of its square, in
// double, where the difference E[d^2] - E[d]^2 keeps what float would lose. 12 bytes an element
// forward, 20 backward; of bf16 half of that. Frozen: a few KB, where launches alone count; the
// norms of a model are cut into blocks of a channel a thread, whatever norm they belong to.
#include "kernels/norm.h"

#include <iterator>

#include "kernels/checks/norm.h"
#include "kernels/device/array_list.cuh"
#include "kernels/device/bands.cuh"
#include "kernels/scratch.h"

namespace ktrain::cuda {
namespace {

constexpr int kThreads = 256;

__device__ float inverse_deviation(float var, double eps) {
  return static_cast<float>(1.0 / sqrt(static_cast<double>(var) + eps));
}

using Folds = ArrayList<6, 60>;          // gamma, beta, mean, var, scale, shift
using FoldGradients = ArrayList<5, 60>;  // dscale, dshift, mean, var, dgamma

__global__ void __launch_bounds__(kThreads)
    fold_kernel(const __grid_constant__ Folds list, double eps) {
  for_element<kThreads>(list, [&](int k, std::int64_t c) {
    const float scale = list.data[0][k][c] * inverse_deviation(list.data[3][k][c], eps);
    list.data[4][k][c] = scale;
    list.data[5][k][c] = list.data[1][k][c] - list.data[2][k][c] * scale;
  });
}

__global__ void __launch_bounds__(kThreads)
    fold_backward_kernel(const __grid_constant__ FoldGradients list, double eps) {
  for_element<kThreads>(list, [&](int k, std::int64_t c) {
    const float *const dscale = list.data[0][k], *const dshift = list.data[1][k];
    float total = dscale != nullptr ? dscale[c] : -0.0f;  // as norm.cpp
    if (dshift != nullptr) total -= list.data[2][k][c] * dshift[c];
    list.data[4][k][c] = total * inverse_deviation(list.data[3][k][c], eps);
  });
}

// Lists are of pointers that may be written to.
float* pointer(Span<const float> span) { return const_cast<float*>(span.data); }

// Rows of one shape, and how they are read.
struct Matrix {
  std::int64_t cols;
  bool aligned;

  template <class T>
  __device__ float4 load(const T* x, const ColumnPlace& at, std::int64_t row) const {
    return load_quad(x + row * cols + at.first, aligned, at.count);
  }
  template <class T>
  __device__ void store(T* y, const ColumnPlace& at, std::int64_t row, const float4& q) const {
    store_quad(y + row * cols + at.first, q, aligned, at.count);
  }
};

// Per-channel vectors may lie anywhere and are read once by thread.
template <class T>
__device__ float4 load_vector(const T* v, const ColumnPlace& at) {
  return load_quad(v + at.first, false, at.count);
}

__device__ void add_to(double (&total)[4], double x, double y, double z, double w) {
  total[0] += x;
  total[1] += y;
  total[2] += z;
  total[3] += w;
}

// d = x - first row: sums of d and d^2.
template <class T>
struct StatisticsTerm {
  static constexpr int kSums = 2;
  const T* x;
  Matrix matrix;

  __device__ float4 lane(const ColumnPlace& at) const { return load_vector(x, at); }
  __device__ void add(const float4& first, const ColumnPlace& at, std::int64_t row,
                      double (&total)[2][4]) const {
    const float4 q = matrix.load(x, at, row);
    const double dx = static_cast<double>(q.x) - static_cast<double>(first.x);
    const double dy = static_cast<double>(q.y) - static_cast<double>(first.y);
    const double dz = static_cast<double>(q.z) - static_cast<double>(first.z);
    const double dw = static_cast<double>(q.w) - static_cast<double>(first.w);
    add_to(total[0], dx, dy, dz, dw);
    add_to(total[1], dx * dx, dy * dy, dz * dz, dw * dw);
  }
};

template <class T>
struct StatisticsFinish {
  static constexpr int kSums = 2;
  const T* first_row;
  double rows, eps, momentum;
  float *mean, *inv, *running_mean, *running_var;

  [[nodiscard]] __device__ float blend(float running, double value) const {
    return static_cast<float>((1.0 - momentum) * static_cast<double>(running) + momentum * value);
  }
  __device__ void operator()(int, std::int64_t c, const double (&total)[2]) const {
    const double distance = total[0] / rows;
    const double spread = total[1] / rows - distance * distance;
    const auto m = static_cast<float>(static_cast<double>(widen(first_row[c])) + distance);
    const auto var = static_cast<float>(spread < 0 ? 0.0 : spread);  // a NaN stays
    mean[c] = m;
    inv[c] = inverse_deviation(var, eps);
    running_mean[c] = blend(running_mean[c], static_cast<double>(m));
    if (rows > 1)
      running_var[c] = blend(running_var[c], static_cast<double>(var) * rows / (rows - 1.0));
  }
};

template <class T>
struct Normalize {
  const T* x;
  const float *mean, *inv, *gamma, *beta;
  Matrix matrix;
  T* y;

  struct Lane {
    float4 mean, inv, gamma, beta;
  };
  __device__ Lane lane(const ColumnPlace& at) const {
    return {load_vector(mean, at), load_vector(inv, at), load_vector(gamma, at),
            load_vector(beta, at)};
  }
  __device__ void apply(const Lane& l, const ColumnPlace& at, std::int64_t row) const {
    const float4 q = matrix.load(x, at, row);
    matrix.store(y, at, row,
                 make_float4(l.gamma.x * ((q.x - l.mean.x) * l.inv.x) + l.beta.x,
                             l.gamma.y * ((q.y - l.mean.y) * l.inv.y) + l.beta.y,
                             l.gamma.z * ((q.z - l.mean.z) * l.inv.z) + l.beta.z,
                             l.gamma.w * ((q.w - l.mean.w) * l.inv.w) + l.beta.w));
  }
};

// What both walks of the backward read: n = (x - mean) * inv.
template <class T>
struct Normal {
  const T* x;
  const float *mean, *inv;
  Matrix matrix;

  struct Lane {
    float4 mean, inv;
  };
  __device__ Lane lane(const ColumnPlace& at) const {
    return {load_vector(mean, at), load_vector(inv, at)};
  }
  __device__ float4 load(const Lane& l, const ColumnPlace& at, std::int64_t row) const {
    const float4 q = matrix.load(x, at, row);
    return make_float4((q.x - l.mean.x) * l.inv.x, (q.y - l.mean.y) * l.inv.y,
                       (q.z - l.mean.z) * l.inv.z, (q.w - l.mean.w) * l.inv.w);
  }
};

// Sums of dy and dy * n.
template <class T>
struct GradientTerm {
  static constexpr int kSums = 2;
  using Lane = typename Normal<T>::Lane;
  Normal<T> normal;
  const T* dy;

  __device__ Lane lane(const ColumnPlace& at) const { return normal.lane(at); }
  __device__ void add(const Lane& l, const ColumnPlace& at, std::int64_t row,
                      double (&total)[2][4]) const {
    const float4 d = normal.matrix.load(dy, at, row), n = normal.load(l, at, row);
    add_to(total[0], static_cast<double>(d.x), static_cast<double>(d.y), static_cast<double>(d.z),
           static_cast<double>(d.w));
    add_to(total[1], static_cast<double>(d.x * n.x), static_cast<double>(d.y * n.y),
           static_cast<double>(d.z * n.z), static_cast<double>(d.w * n.w));
  }
};

struct GradientFinish {
  static constexpr int kSums = 2;
  float *dbeta, *dgamma;

  __device__ void operator()(int, std::int64_t c, const double (&total)[2]) const {
    dbeta[c] = static_cast<float>(total[0]);
    dgamma[c] = static_cast<float>(total[1]);
  }
};

template <class T>
struct InputGradient {
  Normal<T> normal;
  const T* dy;
  const float *gamma, *dgamma, *dbeta;
  float inverse_rows;
  T* dx;

  struct Lane {
    typename Normal<T>::Lane normal;
    float4 factor, dgamma, dbeta;
  };
  __device__ Lane lane(const ColumnPlace& at) const {
    const typename Normal<T>::Lane n = normal.lane(at);
    const float4 g = load_vector(gamma, at);
    return {n, make_float4(g.x * n.inv.x, g.y * n.inv.y, g.z * n.inv.z, g.w * n.inv.w),
            load_vector(dgamma, at), load_vector(dbeta, at)};
  }
  [[nodiscard]] __device__ float one(float factor, float d, float db, float dg, float n) const {
    return factor * (d - (db + n * dg) * inverse_rows);
  }
  __device__ void apply(const Lane& l, const ColumnPlace& at, std::int64_t row) const {
    const float4 d = normal.matrix.load(dy, at, row), n = normal.load(l.normal, at, row);
    normal.matrix.store(dx, at, row,
                        make_float4(one(l.factor.x, d.x, l.dbeta.x, l.dgamma.x, n.x),
                                    one(l.factor.y, d.y, l.dbeta.y, l.dgamma.y, n.y),
                                    one(l.factor.z, d.z, l.dbeta.z, l.dgamma.z, n.z),
                                    one(l.factor.w, d.w, l.dbeta.w, l.dgamma.w, n.w)));
  }
};

ColumnPlan plan_sums(std::int64_t rows, std::int64_t cols) {
  return plan_columns(1, rows, cols, kBandRows, most_bands(cols));
}

}  // namespace

void norm_fold_forward(CudaStream stream, std::span<const NormFold<float>> norms, double eps) {
  for_lists<Folds>(
      std::ssize(norms),
      [&](Folds& list, std::int64_t k) {
        const NormFold<float>& norm = norms[static_cast<std::size_t>(k)];
        check_norm_fold(norm);
        list.add(norm.gamma.size, kThreads, 0,
                 {pointer(norm.gamma), pointer(norm.beta), pointer(norm.mean), pointer(norm.var),
                  norm.scale.data, norm.shift.data});
      },
      [&](const Folds& list) {
        launch("norm_fold_forward", fold_kernel, list.chunks(), kThreads, stream, list, eps);
      });
}

void norm_fold_backward(CudaStream stream, std::span<const NormFoldGradient<float>> norms,
                        double eps) {
  for_lists<FoldGradients>(
      std::ssize(norms),
      [&](FoldGradients& list, std::int64_t k) {
        const NormFoldGradient<float>& norm = norms[static_cast<std::size_t>(k)];
        check_norm_fold(norm);
        list.add(norm.dgamma.size, kThreads, 0,
                 {pointer(norm.dscale), pointer(norm.dshift), pointer(norm.mean), pointer(norm.var),
                  norm.dgamma.data});
      },
      [&](const FoldGradients& list) {
        launch("norm_fold_backward", fold_backward_kernel, list.chunks(), kThreads, stream, list,
               eps);
      });
}

template <class T>
void norm_train_forward(CudaStream stream, Rows<const T> x, NormAffine<Wide<T>> affine,
                        Span<std::byte> scratch, NormStatistics<Wide<T>> statistics, Rows<T> y,
                        double eps, double momentum) {
  constexpr auto kWho = "norm_train_forward";
  check_norm_train_forward(x, affine, statistics, y);
  if (x.empty()) return;
  const Matrix matrix{x.cols,
                      x.cols % 4 == 0 && aligned_for_quads(x.data) && aligned_for_quads(y.data)};
  const ColumnPlan plan = plan_sums(x.rows, x.cols);
  const Span<double> partials = Scratch(scratch).take<double>(band_partials(plan, 2));
  sum_columns(kWho, stream, StatisticsTerm<T>{x.data, matrix},
              StatisticsFinish<T>{x.data, static_cast<double>(x.rows), eps, momentum,
                                  statistics.mean.data, statistics.inv.data,
                                  statistics.running_mean.data, statistics.running_var.data},
              plan, partials);
  map_bands(kWho, stream,
            Normalize<T>{x.data, statistics.mean.data, statistics.inv.data, affine.gamma.data,
                         affine.beta.data, matrix, y.data},
            1, x.rows, x.cols);
}

template <class T>
void norm_train_backward(CudaStream stream, Rows<const T> dy, NormSaved<T> saved,
                         Span<const Wide<T>> gamma, Span<std::byte> scratch,
                         NormGradients<T> gradients) {
  constexpr auto kWho = "norm_train_backward";
  check_norm_train_backward(dy, saved, gamma, gradients);
  const Rows<const T> x = saved.x;
  const Rows<T> dx = gradients.dx;
  const bool aligned = x.cols % 4 == 0 && aligned_for_quads(x.data) && aligned_for_quads(dy.data) &&
                       (dx.empty() || aligned_for_quads(dx.data));
  const Normal<T> normal{x.data, saved.mean.data, saved.inv.data, {x.cols, aligned}};
  const ColumnPlan plan = plan_sums(x.rows, x.cols);
  const Span<double> partials = Scratch(scratch).take<double>(band_partials(plan, 2));
  sum_columns(kWho, stream, GradientTerm<T>{normal, dy.data},
              GradientFinish{gradients.dbeta.data, gradients.dgamma.data}, plan, partials);
  if (dx.empty()) return;
  map_bands(kWho, stream,
            InputGradient<T>{normal, dy.data, gamma.data, gradients.dgamma.data,
                             gradients.dbeta.data, 1.0f / static_cast<float>(x.rows), dx.data},
            1, x.rows, x.cols);
}

#define KT_INSTANTIATE(T)                                                                         \
  template void norm_train_forward(CudaStream, Rows<const T>, NormAffine<Wide<T>>,                \
                                   Span<std::byte>, NormStatistics<Wide<T>>, Rows<T>, double,     \
                                   double);                                                       \
  template void norm_train_backward(CudaStream, Rows<const T>, NormSaved<T>, Span<const Wide<T>>, \
                                    Span<std::byte>, NormGradients<T>);
KT_INSTANTIATE(float)
KT_INSTANTIATE(Bfloat16)
#undef KT_INSTANTIATE

}  // namespace ktrain::cuda
