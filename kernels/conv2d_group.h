// Several convolutions in one launch: maps of one count of channels, of any sizes, each with its
// own filters or all with the same, such as the levels of a pyramid or a layer of two streams.
// Formulas, rounding and engines are conv2d.h's; each member's result has the bits that the
// convolution alone would have on the CPU. On CUDA the members share a plan, so that sums may be
// cut elsewhere than in the one alone; where they are cut depends on the members' shapes.
//
// Members have filters of one shape, all a scale or none, 1 to kMaxGroup of them; the count of
// images is the same. Throws Error otherwise. Outputs alias nothing.
#pragma once

#include <cstddef>
#include <span>

#include "kernels/conv2d.h"

namespace ktrain {

constexpr std::size_t kMaxGroup = 8;

// Scale, shift and residual of a member may be absent.
template <class T, class Y = T>
struct ForwardMember {
  Nhwc<const T> x;
  Krsc<const T> w;
  Conv2dEpilogue<T> epilogue;
  Nhwc<Y> y;
};

template <class T>
struct DataMember {
  Nhwc<const T> g;
  Krsc<const T> w;
  Span<const Wide<T>> scale;
  Nhwc<T> dx;
  GradientEnd<T> end;
};

// What gives the gradient of one filter: dw, dscale and dshift are sums over `x` and `g` of all
// members where they share their filters.
template <class T>
struct WeightsMember {
  Nhwc<const T> x, g;
};

// As the last arguments of conv2d_backward_weights.
template <class T>
struct FilterGradient {
  Krsc<Wide<T>> dw;
  Conv2dScaled<T> forward = {};
  Span<Wide<T>> dscale = {};
  Span<Wide<T>> dshift = {};
};

namespace cpu {

template <class T, class Y>
void conv2d_group_forward(std::span<const ForwardMember<T, Y>> members, Span<Wide<T>> workspace,
                          const Conv2dOptions& options);
template <class T>
void conv2d_group_backward_data(std::span<const DataMember<T>> members, Span<Wide<T>> workspace,
                                const Conv2dOptions& options);
// `to`: one, the sum of the members' gradients, the last member's first; or one for each member.
template <class T>
void conv2d_group_backward_weights(std::span<const WeightsMember<T>> members,
                                   Span<Wide<T>> workspace, std::span<const FilterGradient<T>> to,
                                   const Conv2dOptions& options);
template <class T, class Y>
[[nodiscard]] std::int64_t conv2d_group_forward_workspace(
    std::span<const ForwardMember<T, Y>> members, const Conv2dOptions& options);
template <class T>
[[nodiscard]] std::int64_t conv2d_group_backward_data_workspace(
    std::span<const DataMember<T>> members, const Conv2dOptions& options);
template <class T>
[[nodiscard]] std::int64_t conv2d_group_backward_weights_workspace(
    std::span<const WeightsMember<T>> members, std::span<const FilterGradient<T>> to,
    const Conv2dOptions& options);

}  // namespace cpu

namespace cuda {

// T: float, Bfloat16. Y: T, or float. A launch for all members, or of data gradients with a stride
// s for eight of their s^2 products a member; one more where sums are cut into runs that are added,
// or gradients of filters scaled; and one where tensor cores want filters that are scaled before.
template <class T, class Y>
void conv2d_group_forward(CudaStream stream, std::span<const ForwardMember<T, Y>> members,
                          Span<Wide<T>> workspace, const Conv2dOptions& options);
template <class T>
void conv2d_group_backward_data(CudaStream stream, std::span<const DataMember<T>> members,
                                Span<Wide<T>> workspace, const Conv2dOptions& options);
template <class T>
void conv2d_group_backward_weights(CudaStream stream, std::span<const WeightsMember<T>> members,
                                   Span<Wide<T>> workspace, std::span<const FilterGradient<T>> to,
                                   const Conv2dOptions& options);
// In every build.
template <class T, class Y>
[[nodiscard]] std::int64_t conv2d_group_forward_workspace(
    std::span<const ForwardMember<T, Y>> members, const Conv2dOptions& options);
template <class T>
[[nodiscard]] std::int64_t conv2d_group_backward_data_workspace(
    std::span<const DataMember<T>> members, const Conv2dOptions& options);
template <class T>
[[nodiscard]] std::int64_t conv2d_group_backward_weights_workspace(
    std::span<const WeightsMember<T>> members, std::span<const FilterGradient<T>> to,
    const Conv2dOptions& options);

}  // namespace cuda
}  // namespace ktrain
