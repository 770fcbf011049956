#include "kernels/elementwise.h"

#include "kernels/check.h"
#include "kernels/parallel.h"

namespace ktrain::cpu {
namespace {

// 128 KiB of float: long enough that starting a chunk is free, short enough to balance.
constexpr std::int64_t kGrain = 32768;

template <class A, class B>
void check_sizes(const char* who, Span<A> x, Span<B> y) {
  KT_CHECK(x.size == y.size, "{}: an input has {} elements, the output {}", who, x.size, y.size);
}

// Calls body(begin, end) over the range. The loops inside run over plain pointers, which is what
// compilers vectorise.
template <class Body>
void over(std::int64_t size, Body&& body) {
  parallel_chunks(size, kGrain,
                  [&](std::int64_t, std::int64_t begin, std::int64_t end) { body(begin, end); });
}

}  // namespace

template <class T>
void fill(Span<T> y, double value) {
  const T v = static_cast<T>(value);
  over(y.size, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) y.data[i] = v;
  });
}

template <class T>
void copy(Span<const T> x, Span<T> y) {
  check_sizes("copy", x, y);
  over(y.size, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) y.data[i] = x.data[i];
  });
}

template <class From, class To>
void convert(Span<const From> x, Span<To> y) {
  check_sizes("convert", x, y);
  over(y.size, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      y.data[i] = narrow<To>(static_cast<Wide<To>>(widen(x.data[i])));
  });
}

template <class T>
void add(Span<const T> a, Span<const T> b, Span<T> y) {
  check_sizes("add", a, y);
  check_sizes("add", b, y);
  over(y.size, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      y.data[i] = narrow<T>(widen(a.data[i]) + widen(b.data[i]));
  });
}

template <class T>
void multiply(Span<const T> a, Span<const T> b, Span<T> y) {
  check_sizes("multiply", a, y);
  check_sizes("multiply", b, y);
  over(y.size, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) y.data[i] = a.data[i] * b.data[i];
  });
}

template <class T>
void scale(Span<const T> x, Span<T> y, double factor) {
  check_sizes("scale", x, y);
  const T f = static_cast<T>(factor);
  over(y.size, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) y.data[i] = f * x.data[i];
  });
}

template <class T>
void scale_by(Span<const T> x, Span<const T> factor, Span<T> y) {
  KT_CHECK(factor.size == 1, "scale_by: the factor has {} elements, wanted 1", factor.size);
  scale(x, y, static_cast<double>(factor.data[0]));
}

template <class T>
void accumulate(Span<const T> x, Span<T> y) {
  check_sizes("accumulate", x, y);
  over(y.size, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      y.data[i] = narrow<T>(widen(y.data[i]) + widen(x.data[i]));
  });
}

template <class T>
void accumulate_scaled(Span<const T> x, Span<T> y, double factor) {
  check_sizes("accumulate_scaled", x, y);
  const T f = static_cast<T>(factor);
  over(y.size, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) y.data[i] += f * x.data[i];
  });
}

template <class T>
void blend(Span<const T> x, Span<T> y, double keep) {
  check_sizes("blend", x, y);
  const T k = static_cast<T>(keep), rest = static_cast<T>(1.0 - keep);
  over(y.size, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) y.data[i] = k * y.data[i] + rest * x.data[i];
  });
}

template <class T>
void blend_by(Span<const T> x, Span<T> y, Span<const T> factors) {
  check_sizes("blend_by", x, y);
  KT_CHECK(factors.size == 2, "blend_by: {} factors, wanted 2", factors.size);
  const T k = factors[0], rest = factors[1];
  over(y.size, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      y.data[i] = k == 0 ? x.data[i] : k * y.data[i] + rest * x.data[i];
  });
}

template <class T>
void move_toward(Span<const T> x, Span<T> y, double keep) {
  check_sizes("move_toward", x, y);
  const T k = static_cast<T>(keep);
  over(y.size, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) y.data[i] = x.data[i] + k * (y.data[i] - x.data[i]);
  });
}

template <class T>
void weighted_sum(const Terms<T>& terms, Span<const T> weights, Span<T> y) {
  KT_CHECK(terms.count >= 0 && terms.count <= Terms<T>::kCapacity,
           "weighted_sum: {} terms, at most {} allowed", terms.count, Terms<T>::kCapacity);
  KT_CHECK(weights.size == terms.count, "weighted_sum: {} weights for {} terms", weights.size,
           terms.count);
  for (int k = 0; k < terms.count; ++k)
    check_sizes("weighted_sum", terms.terms[static_cast<std::size_t>(k)], y);
  over(y.size, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      T total = 0;  // y may be one of the terms: written only after all were read
      for (int k = 0; k < terms.count; ++k)
        total += weights.data[k] * terms.terms[static_cast<std::size_t>(k)].data[i];
      y.data[i] = total;
    }
  });
}

template <class T>
void relu_forward(Span<const T> x, Span<T> y) {
  check_sizes("relu_forward", x, y);
  over(y.size, [=](std::int64_t begin, std::int64_t end) {
    // Written so that a NaN, for which no comparison holds, is kept.
    for (std::int64_t i = begin; i < end; ++i) y.data[i] = widen(x.data[i]) <= 0 ? T{} : x.data[i];
  });
}

template <class T>
void relu_backward(Span<const T> y, Span<const T> dy, Span<T> dx) {
  check_sizes("relu_backward", y, dx);
  check_sizes("relu_backward", dy, dx);
  over(dx.size, [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const T slope = dy.data[i];  // read in any case: a branch for it keeps the loop scalar
      dx.data[i] = widen(y.data[i]) > 0 ? slope : T{};
    }
  });
}

#define INSTANTIATE(T)                                                 \
  template void fill(Span<T>, double);                                 \
  template void copy(Span<const T>, Span<T>);                          \
  template void add(Span<const T>, Span<const T>, Span<T>);            \
  template void multiply(Span<const T>, Span<const T>, Span<T>);       \
  template void scale(Span<const T>, Span<T>, double);                 \
  template void scale_by(Span<const T>, Span<const T>, Span<T>);       \
  template void accumulate(Span<const T>, Span<T>);                    \
  template void accumulate_scaled(Span<const T>, Span<T>, double);     \
  template void blend(Span<const T>, Span<T>, double);                 \
  template void blend_by(Span<const T>, Span<T>, Span<const T>);       \
  template void move_toward(Span<const T>, Span<T>, double);           \
  template void weighted_sum(const Terms<T>&, Span<const T>, Span<T>); \
  template void relu_forward(Span<const T>, Span<T>);                  \
  template void relu_backward(Span<const T>, Span<const T>, Span<T>);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

template void convert(Span<const float>, Span<Bfloat16>);
template void convert(Span<const Bfloat16>, Span<float>);
template void add(Span<const Bfloat16>, Span<const Bfloat16>, Span<Bfloat16>);
template void accumulate(Span<const Bfloat16>, Span<Bfloat16>);
template void relu_forward(Span<const Bfloat16>, Span<Bfloat16>);
template void relu_backward(Span<const Bfloat16>, Span<const Bfloat16>, Span<Bfloat16>);

}  // namespace ktrain::cpu
