// A convolution with random numbers, its arrays as views of memory anywhere, and what the CPU's
// reference makes of it.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/conv2d.h"
#include "tests/support/device_view.h"
#include "tests/support/span.h"

namespace ktrain::test {

struct ConvCase {
  std::int64_t batch, height, width, channels, filters, taps, stride, pad;
};

enum ConvPart : unsigned { kScale = 1, kShift = 2, kResidual = 4, kRelu = 8 };

// Arrays of one convolution, and views of them wherever they are.
struct ConvProblem {
  ConvCase c;
  Conv2dOptions options;
  std::int64_t out_height, out_width;
  std::vector<float> x, w, scale, shift, residual, g;

  ConvProblem(const ConvCase& of, unsigned parts)
      : c(of),
        options{of.stride, of.pad, (parts & kRelu) != 0, ConvEngine::kAuto},
        out_height(conv2d_out_size(of.height, of.taps, options)),
        out_width(conv2d_out_size(of.width, of.taps, options)),
        x(random_floats(of.batch * of.height * of.width * of.channels, 1)),
        w(random_floats(of.filters * of.taps * of.taps * of.channels, 2)),
        scale(random_floats(parts & kScale ? of.filters : 0, 3)),
        shift(random_floats(parts & kShift ? of.filters : 0, 4)),
        residual(random_floats(parts & kResidual ? out_size() : 0, 5)),
        g(random_floats(out_size(), 6)) {}

  [[nodiscard]] std::int64_t out_size() const {
    return c.batch * out_height * out_width * c.filters;
  }
  template <class P>
  [[nodiscard]] Nhwc<P> in(P* data) const {
    return {data, c.batch, c.height, c.width, c.channels};
  }
  template <class P>
  [[nodiscard]] Nhwc<P> out(P* data) const {
    return {data, c.batch, out_height, out_width, c.filters};
  }
  template <class P>
  [[nodiscard]] Krsc<P> krsc(P* data) const {
    return {data, c.filters, c.taps, c.taps, c.channels};
  }
  template <class T>
  [[nodiscard]] Conv2dEpilogue<T> epilogue(Span<const Wide<T>> scales, Span<const Wide<T>> shifts,
                                           Span<const T> residuals) const {
    return {scales, shifts, residuals.empty() ? Nhwc<const T>{} : out<const T>(residuals.data)};
  }
};

template <class T>
std::vector<T> forward_on_cpu(const ConvProblem& p) {
  const auto x = cast<T>(p.x), w = cast<T>(p.w), scale = cast<T>(p.scale), shift = cast<T>(p.shift),
             residual = cast<T>(p.residual);
  std::vector<T> y(static_cast<std::size_t>(p.out_size()));
  Conv2dOptions options = p.options;
  options.engine = ConvEngine::kReference;
  cpu::conv2d_forward<T>(p.in<const T>(x.data()), p.krsc<const T>(w.data()),
                         p.epilogue(span(scale), span(shift), span(residual)), {}, p.out(y.data()),
                         options);
  return y;
}

template <class T>
struct CpuGradients {
  std::vector<T> dx, dw, dscale;
};

template <class T>
CpuGradients<T> backward_on_cpu(const ConvProblem& p) {
  const auto x = cast<T>(p.x), w = cast<T>(p.w), scale = cast<T>(p.scale), g = cast<T>(p.g);
  CpuGradients<T> out{std::vector<T>(x.size()), std::vector<T>(w.size()),
                      std::vector<T>(scale.size())};
  Conv2dOptions options = p.options;
  options.engine = ConvEngine::kReference;
  cpu::conv2d_backward_data<T>(p.out<const T>(g.data()), p.krsc<const T>(w.data()), span(scale), {},
                               p.in(out.dx.data()), options);
  cpu::conv2d_backward_weights<T>(p.in<const T>(x.data()), p.out<const T>(g.data()),
                                  {p.krsc<const T>(w.data()), span(scale)}, {},
                                  p.krsc(out.dw.data()), mutable_span(out.dscale), {}, options);
  return out;
}

}  // namespace ktrain::test
