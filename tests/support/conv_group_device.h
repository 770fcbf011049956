// Groups of convolutions on the device, in every kind of arithmetic, against the CPU's, member by
// member, in double.
#pragma once

#include <algorithm>
#include <bit>
#include <deque>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/device/calls.h"
#include "kernels/device/conv2d_group_plan.h"
#include "tests/support/close.h"
#include "tests/support/conv_device.h"
#include "tests/support/conv_group.h"
#include "tests/support/cuda.h"
#include "tests/support/product_bound.h"
#include "tests/support/wgmma.h"

namespace ktrain::test {

using Floats = std::vector<float>;
template <class T>
using Each = std::vector<std::vector<T>>;

// What products are computed with.
enum class Kind { kFloat, kTf32, kBf16, kWgmma };

template <Kind kKind>
struct Traits {
  static constexpr bool kIsBf16 = kKind == Kind::kBf16 || kKind == Kind::kWgmma;
  using T = std::conditional_t<kIsBf16, Bfloat16, float>;
  // Errors as shares of the sum of the terms' absolute values (conv2d_bf16_test.cpp), of what is
  // added up from `terms` products and written.
  static double of_sum(std::int64_t terms) {
    const double of_factors = kKind == Kind::kTf32 ? kTf32Unit * (2 + kTf32Unit) : 0;
    return of_factors + (1 + of_factors) * kSumUnit * static_cast<double>(terms + 4);
  }
  static constexpr double kOfResult = kIsBf16 ? kBf16Unit : 0;
};

template <Kind kKind>
GroupProblem problem(const GroupCase& c, unsigned parts = 0) {
  GroupProblem p(c, parts);
  for (std::size_t i = 0; i < p.size(); ++i) {
    ConvProblem& m = p.members[i];
    if (kKind == Kind::kTf32) m.options.precision = Precision::kTf32;
    if (!Traits<kKind>::kIsBf16) continue;
    for (Floats* const values : {&m.x, &m.w, &m.g, &m.residual, &p.add[i], &p.positive[i]})
      *values = rounded_to_bf16(*values);
  }
  return p;
}

// Arrays of T on the device, one for each member.
template <class T>
class DeviceArrays {
 public:
  explicit DeviceArrays(std::int64_t offset) : offset_(offset) {}
  T* put(CudaStream stream, const Floats& values) {
    arrays_.emplace_back(stream, values_of<T>(values), offset_);
    return arrays_.back().data();
  }
  T* make(std::int64_t size) {
    arrays_.emplace_back(size, offset_);
    return arrays_.back().data();
  }
  Span<const T> span_of(CudaStream stream, const Floats& values) {
    return {put(stream, values), static_cast<std::int64_t>(values.size())};
  }
  [[nodiscard]] Each<T> to_host(CudaStream stream) const {
    Each<T> all;
    for (const DeviceView<T>& array : arrays_) all.push_back(array.to_host(stream));
    return all;
  }

 private:
  std::int64_t offset_;
  std::deque<DeviceView<T>> arrays_;
};

// How many kernels `call` starts.
template <class Call>
DeviceCalls calls_of(const Call& call) {
  const DeviceCalls before = device_calls();
  call();
  return device_calls() - before;
}

template <class T>
struct Results {
  Each<T> arrays;
  DeviceCalls calls;
};

template <class T, class Y = T>
Results<Y> forward_on_device(const GroupProblem& p, std::int64_t offset = 0) {
  const Stream stream;
  const CudaStream s = stream.get();
  DeviceArrays<T> x(offset), w(offset), residual(offset);
  DeviceArrays<float> scale(offset), shift(offset);
  DeviceArrays<Y> y(offset);
  std::vector<ForwardMember<T, Y>> members;
  for (const ConvProblem& m : p.members) {
    const T* const from = x.put(s, m.x);
    const T* const filters = w.put(s, m.w);
    members.push_back({m.in(from), m.krsc(filters),
                       m.epilogue<T>(scale.span_of(s, m.scale), shift.span_of(s, m.shift),
                                     residual.span_of(s, m.residual)),
                       m.out(y.make(m.out_size()))});
  }
  const std::span<const ForwardMember<T, Y>> group = members;
  const DeviceView<float> workspace(cuda::conv2d_group_forward_workspace<T, Y>(group, p.options()),
                                    offset);
  const DeviceCalls calls =
      calls_of([&] { cuda::conv2d_group_forward<T, Y>(s, group, workspace.span(), p.options()); });
  return {y.to_host(s), calls};
}

// With ends: every member has another one.
template <class T>
Results<T> data_gradients_on_device(const GroupProblem& p, bool ends, std::int64_t offset = 0) {
  const Stream stream;
  const CudaStream s = stream.get();
  DeviceArrays<T> g(offset), w(offset), add(offset), mask(offset), dx(offset);
  DeviceArrays<float> scale(offset);
  std::vector<DataMember<T>> members;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const ConvProblem& m = p.members[i];
    GradientEnd<T> end;
    if (ends && i % 3 != 2) end.add = add.span_of(s, p.add[i]);
    if (ends && i % 3 != 1) end.positive = mask.span_of(s, p.positive[i]);
    const T* const from = g.put(s, m.g);
    const T* const filters = w.put(s, m.w);
    members.push_back({m.out(from), m.krsc(filters), scale.span_of(s, m.scale),
                       m.in(dx.make(static_cast<std::int64_t>(m.x.size()))), end});
  }
  const DeviceView<float> workspace(
      cuda::conv2d_group_backward_data_workspace<T>(members, p.options()), offset);
  const DeviceCalls calls = calls_of(
      [&] { cuda::conv2d_group_backward_data<T>(s, members, workspace.span(), p.options()); });
  return {dx.to_host(s), calls};
}

// Gradients of filters, then those of scales, then those of shifts.
template <class T>
Results<float> filter_gradients_on_device(const GroupProblem& p, std::int64_t offset = 0,
                                          bool with_shift = true) {
  const Stream stream;
  const CudaStream s = stream.get();
  DeviceArrays<T> x(offset), g(offset), w(offset);
  DeviceArrays<float> scale(offset), dw(offset), dscale(offset), dshift(offset);
  std::vector<WeightsMember<T>> members;
  std::vector<FilterGradient<T>> to;
  for (const ConvProblem& m : p.members) {
    const T* const from = x.put(s, m.x);
    const T* const gradient = g.put(s, m.g);
    members.push_back({m.in(from), m.out(gradient)});
    if (to.size() == p.gradients()) continue;
    const T* const filters = w.put(s, m.w);
    const auto scales = static_cast<std::int64_t>(m.scale.size());
    to.push_back({m.krsc(dw.make(static_cast<std::int64_t>(m.w.size()))),
                  {m.krsc(filters), scale.span_of(s, m.scale)},
                  {dscale.make(scales), scales},
                  {}});
    if (with_shift) to.back().dshift = {dshift.make(p.c.filters), p.c.filters};
  }
  const DeviceView<float> workspace(
      cuda::conv2d_group_backward_weights_workspace<T>(members, to, p.options()), offset);
  const DeviceCalls calls = calls_of([&] {
    cuda::conv2d_group_backward_weights<T>(s, members, workspace.span(), to, p.options());
  });
  Each<float> all = dw.to_host(s);
  for (auto* const more : {&dscale, &dshift})
    for (Floats& array : more->to_host(s)) all.push_back(std::move(array));
  return {std::move(all), calls};
}

template <class T>
bool any(const Each<T>& arrays) {
  return std::ranges::any_of(arrays, [](const auto& array) { return !array.empty(); });
}

// A pass that writes `any` thing takes 1 to `most` launches. Operands that tensor copies can bring
// are multiplied by Hopper's tier where it is asked for, and nothing else is.
template <Kind kKind>
void expect_calls(const DeviceCalls& calls, std::int64_t most, bool any, bool can_copy) {
  EXPECT_GE(calls[DeviceCall::kLaunch], any ? 1 : 0);
  EXPECT_LE(calls[DeviceCall::kLaunch], most);
  EXPECT_EQ(calls[DeviceCall::kTensorMap] > 0, kKind == Kind::kWgmma && can_wgmma() && can_copy);
}

// Launches that add runs: sums over taps are cut only where all maps have one count of pixels.
inline std::int64_t most_sums(const GroupProblem& p) {
  const bool alike = std::ranges::all_of(p.members, [&](const ConvProblem& m) {
    return m.out_size() == p.members[0].out_size() && m.x.size() == p.members[0].x.size();
  });
  return alike ? 1 : 0;
}

template <Kind kKind>
void expect_forward(const GroupCase& c, unsigned parts) {
  using T = typename Traits<kKind>::T;
  const GroupProblem p = problem<kKind>(c, parts);
  const double of_result = Traits<kKind>::kOfResult;
  const double bound = Traits<kKind>::of_sum(c.taps * c.taps * c.channels);
  const Results<T> got = forward_on_device<T>(p);
  const Results<float> wide = forward_on_device<T, float>(p);
  expect_calls<kKind>(got.calls, 1 + most_sums(p), any(got.arrays), c.channels % 64 == 0);
  for (std::size_t i = 0; i < p.size(); ++i) {
    SCOPED_TRACE(i);
    const std::vector<double> want = forward_on_cpu<double>(p.members[i]),
                              terms = forward_on_cpu<double>(positive(p.members[i]));
    EXPECT_TRUE(within(got.arrays[i], want, terms, bound * (1 + of_result), of_result));
    EXPECT_TRUE(within(wide.arrays[i], want, terms, bound, 0));
  }
}

template <Kind kKind>
void expect_data_gradients(const GroupCase& c, bool ends, unsigned parts = 0) {
  using T = typename Traits<kKind>::T;
  const GroupProblem p = problem<kKind>(c, parts);
  const double of_result = Traits<kKind>::kOfResult;
  const Results<T> got = data_gradients_on_device<T>(p, ends);
  const std::int64_t products = std::ssize(p.members) * c.stride * c.stride;
  const bool scaled = kKind != Kind::kFloat && (parts & kScale) != 0;
  expect_calls<kKind>(got.calls, (products + 7) / 8 + most_sums(p) + (scaled ? 1 : 0),
                      any(got.arrays), c.filters % 64 == 0 && c.stride == 1);
  // Filters times their scale are rounded: to float, or to bf16.
  const double of_scaled = (parts & kScale) == 0 ? 0 : std::max(of_result, kSumUnit);
  for (std::size_t i = 0; i < p.size(); ++i) {
    SCOPED_TRACE(i);
    const Floats none, &add = ends && i % 3 != 2 ? p.add[i] : none,
                       &mask = ends && i % 3 != 1 ? p.positive[i] : none;
    const auto want = ended(backward_on_cpu<double>(p.members[i]).dx, add, mask);
    // What is masked is zero; what is added was rounded before, and adding rounds once more.
    const auto terms =
        ended(backward_on_cpu<double>(positive(p.members[i])).dx, magnitudes(add), mask);
    const double before = ends ? of_result + kSumUnit : 0;
    const double of_sum =
        Traits<kKind>::of_sum(c.taps * c.taps * c.filters) * (1 + of_scaled) + of_scaled;
    const double bound = of_sum * (1 + before) + before;
    EXPECT_TRUE(within(got.arrays[i], want, terms, bound * (1 + of_result), of_result));
  }
}

template <Kind kKind>
void expect_filter_gradients(const GroupCase& c, unsigned parts = 0) {
  const GroupProblem p = problem<kKind>(c, parts);
  const Results<float> got = filter_gradients_on_device<typename Traits<kKind>::T>(p);
  expect_calls<kKind>(got.calls, 2, any(got.arrays), c.channels % 64 == 0 && c.filters % 8 == 0);
  Each<double> dw, dscale, dshift, dw_terms, dscale_terms, dshift_terms;
  std::vector<std::int64_t> pixels;
  for (const ConvProblem& m : p.members) {
    const CpuGradients<double> want = backward_on_cpu<double>(m),
                               terms = backward_on_cpu<double>(positive(m));
    dw.push_back(want.dw);
    dscale.push_back(want.dscale);
    dw_terms.push_back(terms.dw);
    dscale_terms.push_back(terms.dscale);
    dshift.push_back(column_sums(m.g, m.c.filters));
    dshift_terms.push_back(column_sums(magnitudes(m.g), m.c.filters));
    pixels.push_back(c.batch * m.out_height * m.out_width);
  }
  if (c.shared) {
    for (Each<double>* const each :
         {&dw, &dscale, &dshift, &dw_terms, &dscale_terms, &dshift_terms})
      *each = {sum_from_last(*each)};
    for (std::size_t i = 1; i < pixels.size(); ++i) pixels[0] += pixels[i];
  }
  const std::size_t count = dw.size();
  ASSERT_EQ(got.arrays.size(), 3 * count);
  for (std::size_t i = 0; i < count; ++i) {
    const double bound = Traits<kKind>::of_sum(pixels[i]);
    EXPECT_TRUE(within(got.arrays[i], dw[i], dw_terms[i], bound, 0)) << i;
    EXPECT_TRUE(within(got.arrays[count + i], dscale[i], dscale_terms[i], bound, 0)) << i;
    const double of_sum = kSumUnit * static_cast<double>(pixels[i] + 4);
    EXPECT_TRUE(within(got.arrays[2 * count + i], dshift[i], dshift_terms[i], of_sum, 0)) << i;
  }
}

template <Kind kKind>
void expect_all(GroupCase c) {
  for (const bool shared : {false, true}) {
    SCOPED_TRACE(shared);
    c.shared = shared;
    expect_forward<kKind>(c, shared ? kShift | kRelu : 0u);
    expect_forward<kKind>(c, kScale | kShift | kResidual | kRelu);
    for (const unsigned parts : {0u, unsigned{kScale}}) {
      expect_data_gradients<kKind>(c, shared, parts);
      expect_filter_gradients<kKind>(c, parts);
    }
  }
}

template <Kind kKind>
void expect_same_bits(GroupCase c, std::int64_t offset) {
  using T = typename Traits<kKind>::T;
  for (const bool shared : {false, true}) {
    c.shared = shared;
    const GroupProblem p = problem<kKind>(c, kScale | kShift | kResidual | kRelu);
    const auto bits = [](const auto& results) {
      std::vector<std::uint32_t> all;
      for (const auto& array : results.arrays)
        for (const auto value : array) {
          if constexpr (std::is_same_v<std::decay_t<decltype(value)>, float>)
            all.push_back(std::bit_cast<std::uint32_t>(value));
          else
            all.push_back(value.bits);
        }
      return all;
    };
    EXPECT_EQ(bits(forward_on_device<T>(p, offset)), bits(forward_on_device<T>(p)));
    EXPECT_EQ(bits(data_gradients_on_device<T>(p, true, offset)),
              bits(data_gradients_on_device<T>(p, true)));
    const auto gradients = filter_gradients_on_device<T>(p);
    EXPECT_EQ(bits(filter_gradients_on_device<T>(p, offset)), bits(gradients));
    // Shifts are summed without a trace in the others.
    auto others = gradients;
    others.arrays.resize(2 * p.gradients());
    EXPECT_EQ(bits(filter_gradients_on_device<T>(p, 0, false)), bits(others));
  }
}

}  // namespace ktrain::test
