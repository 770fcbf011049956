// A matrix product with its inputs, and its result on both devices.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/device/stream.h"
#include "kernels/gemm.h"
#include "tests/support/device_view.h"
#include "tests/support/product_bound.h"
#include "tests/support/span.h"

namespace ktrain::test {

// c is m x n, a sum over k.
struct GemmCase {
  std::int64_t m, n, k;
};

struct GemmProblem {
  GemmCase size;
  GemmOptions options;
  std::vector<float> a, b, bias;

  GemmProblem(const GemmCase& of, bool with_bias, const GemmOptions& with)
      : size(of),
        options(with),
        a(random_floats(of.m * of.k, 1)),
        b(random_floats(of.k * of.n, 2)),
        bias(random_floats(with_bias ? of.n : 0, 3)) {}

  template <class T>
  [[nodiscard]] Rows<const T> a_rows(const T* at) const {
    return options.transpose_a ? Rows<const T>{at, size.k, size.m}
                               : Rows<const T>{at, size.m, size.k};
  }
  template <class T>
  [[nodiscard]] Rows<const T> b_rows(const T* at) const {
    return options.transpose_b ? Rows<const T>{at, size.n, size.k}
                               : Rows<const T>{at, size.k, size.n};
  }
  template <class T>
  [[nodiscard]] Rows<T> c_rows(T* at) const {
    return {at, size.m, size.n};
  }
  // With operands that bf16 holds.
  [[nodiscard]] GemmProblem rounded() const {
    GemmProblem p = *this;
    p.a = rounded_to_bf16(a);
    p.b = rounded_to_bf16(b);
    return p;
  }
  // All terms positive.
  [[nodiscard]] GemmProblem positive() const {
    GemmProblem p = *this;
    p.a = magnitudes(a);
    p.b = magnitudes(b);
    p.bias = magnitudes(bias);
    return p;
  }
};

// From matrices of T to one of C. Arrays start `offset` elements after aligned addresses.
template <class T, class C = T>
std::vector<C> gemm_on_device(const GemmProblem& p, std::int64_t offset = 0) {
  const Stream stream;
  const CudaStream s = stream.get();
  const DeviceView<T> a(s, values_of<T>(p.a), offset), b(s, values_of<T>(p.b), offset);
  const DeviceView<float> bias(s, p.bias, offset);
  const DeviceView<C> c(p.size.m * p.size.n, offset);
  const auto a_rows = p.a_rows<T>(a.data()), b_rows = p.b_rows<T>(b.data());
  const DeviceView<float> workspace(
      cuda::gemm_workspace<T>(a_rows, b_rows, bias.in(), p.c_rows<const T>(nullptr), p.options),
      offset);
  cuda::gemm<T, C>(s, a_rows, b_rows, bias.in(), workspace.span(), p.c_rows(c.data()), p.options);
  return c.to_host(s);
}

// T: float or double. By the reference engine.
template <class T>
std::vector<T> gemm_on_cpu(const GemmProblem& p) {
  const std::vector<T> a(p.a.begin(), p.a.end()), b(p.b.begin(), p.b.end()),
      bias(p.bias.begin(), p.bias.end());
  std::vector<T> c(static_cast<std::size_t>(p.size.m * p.size.n));
  GemmOptions options = p.options;
  options.engine = GemmEngine::kReference;
  options.precision = Precision::kFloat;
  cpu::gemm<T>(p.a_rows<T>(a.data()), p.b_rows<T>(b.data()), span(bias), {}, p.c_rows(c.data()),
               options);
  return c;
}

}  // namespace ktrain::test
