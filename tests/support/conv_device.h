// A convolution's passes on the device, from maps and filters of T. Arrays start `offset` elements
// after aligned addresses.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/device/stream.h"
#include "tests/support/conv_problem.h"
#include "tests/support/product_bound.h"

namespace ktrain::test {

// The same with all terms positive and none cut off.
inline ConvProblem positive(ConvProblem p) {
  for (std::vector<float>* const values : {&p.x, &p.w, &p.scale, &p.shift, &p.residual, &p.g})
    *values = magnitudes(*values);
  p.options.relu = false;
  return p;
}

// Y: of the output.
template <class T, class Y = T>
std::vector<Y> conv_forward_on_device(const ConvProblem& p, std::int64_t offset = 0) {
  const Stream stream;
  const CudaStream s = stream.get();
  const DeviceView<T> x(s, values_of<T>(p.x), offset), w(s, values_of<T>(p.w), offset),
      residual(s, values_of<T>(p.residual), offset);
  const DeviceView<float> scale(s, p.scale, offset), shift(s, p.shift, offset);
  const DeviceView<Y> y(p.out_size(), offset);
  const auto in = p.in<const T>(x.data());
  const auto filters = p.krsc<const T>(w.data());
  const auto epilogue = p.epilogue<T>(scale.in(), shift.in(), residual.in());
  const DeviceView<float> workspace(
      cuda::conv2d_forward_workspace<T>(in, filters, epilogue, p.out<const T>(nullptr), p.options),
      offset);
  cuda::conv2d_forward<T, Y>(s, in, filters, epilogue, workspace.span(), p.out(y.data()),
                             p.options);
  return y.to_host(s);
}

// Ending with `add` and `positive`, where they are not empty.
template <class T>
std::vector<T> conv_data_gradient_on_device(const ConvProblem& p, std::int64_t offset = 0,
                                            const std::vector<T>& add = {},
                                            const std::vector<T>& positive = {}) {
  const Stream stream;
  const CudaStream s = stream.get();
  const DeviceView<T> w(s, values_of<T>(p.w), offset), g(s, values_of<T>(p.g), offset),
      to_add(s, add, offset), mask(s, positive, offset),
      dx(static_cast<std::int64_t>(p.x.size()), offset);
  const DeviceView<float> scale(s, p.scale, offset);
  const auto filters = p.krsc<const T>(w.data());
  const auto out = p.out<const T>(g.data());
  const DeviceView<float> workspace(
      cuda::conv2d_backward_data_workspace<T>(out, filters, scale.in(), p.in<const T>(dx.data()),
                                              p.options),
      offset);
  cuda::conv2d_backward_data<T>(s, out, filters, scale.in(), workspace.span(), p.in(dx.data()),
                                p.options, {to_add.in(), mask.in()});
  return dx.to_host(s);
}

struct ConvFilterGradients {
  std::vector<float> dw, dscale, dshift;
};

template <class T>
ConvFilterGradients conv_filter_gradients_on_device(const ConvProblem& p, bool with_shift = false,
                                                    std::int64_t offset = 0) {
  const Stream stream;
  const CudaStream s = stream.get();
  const DeviceView<T> x(s, values_of<T>(p.x), offset), w(s, values_of<T>(p.w), offset),
      g(s, values_of<T>(p.g), offset);
  const DeviceView<float> scale(s, p.scale, offset);
  const DeviceView<float> dw(static_cast<std::int64_t>(p.w.size()), offset),
      dscale(static_cast<std::int64_t>(p.scale.size()), offset),
      dshift(with_shift ? p.c.filters : 0, offset);
  const auto in = p.in<const T>(x.data());
  const auto out = p.out<const T>(g.data());
  const auto to = p.krsc(dw.data());
  const DeviceView<float> workspace(
      cuda::conv2d_backward_weights_workspace<T>(in, out, to, dshift.in(), p.options), offset);
  cuda::conv2d_backward_weights<T>(s, in, out, {p.krsc<const T>(w.data()), scale.in()},
                                   workspace.span(), to, dscale.span(), dshift.span(), p.options);
  return {dw.to_host(s), dscale.to_host(s), dshift.to_host(s)};
}

}  // namespace ktrain::test
