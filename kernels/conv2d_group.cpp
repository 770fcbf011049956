// One convolution after another: on the CPU a group saves no more than calls.
#include "kernels/conv2d_group.h"

#include <algorithm>

#include "kernels/checks/conv2d_group.h"
#include "kernels/device/conv2d_group_plan.h"
#include "kernels/elementwise.h"

namespace ktrain::cpu {

template <class T, class Y>
std::int64_t conv2d_group_forward_workspace(std::span<const ForwardMember<T, Y>> members,
                                            const Conv2dOptions& options) {
  std::int64_t most = 0;
  for (const auto& [x, w, epilogue, y] : members) {
    const Nhwc<const T> shape{nullptr, y.batch, y.height, y.width, y.channels};
    most = std::max(most, conv2d_forward_workspace<T>(x, w, epilogue, shape, options));
  }
  return most;
}

template <class T, class Y>
void conv2d_group_forward(std::span<const ForwardMember<T, Y>> members, Span<Wide<T>> workspace,
                          const Conv2dOptions& options) {
  checks::conv2d_group_forward(members);
  for (const auto& [x, w, epilogue, y] : members)
    conv2d_forward<T, Y>(x, w, epilogue, workspace, y, options);
}

template <class T>
std::int64_t conv2d_group_backward_data_workspace(std::span<const DataMember<T>> members,
                                                  const Conv2dOptions& options) {
  std::int64_t most = 0;
  for (const auto& [g, w, scale, dx, end] : members)
    most = std::max(most, conv2d_backward_data_workspace<T>(g, w, scale, dx, options));
  return most;
}

template <class T>
void conv2d_group_backward_data(std::span<const DataMember<T>> members, Span<Wide<T>> workspace,
                                const Conv2dOptions& options) {
  checks::conv2d_group_data(members);
  for (const auto& [g, w, scale, dx, end] : members)
    conv2d_backward_data<T>(g, w, scale, workspace, dx, options, end);
}

template <class T>
std::int64_t size_of_all(const FilterGradient<T>& to) {
  return to.dw.size() + to.dscale.size + to.dshift.size;
}

template <class T>
std::int64_t conv2d_group_backward_weights_workspace(std::span<const WeightsMember<T>> members,
                                                     std::span<const FilterGradient<T>> to,
                                                     const Conv2dOptions& options) {
  checks::conv2d_group_gradients("conv2d_group_backward_weights", members.size(), to);
  std::int64_t most = 0;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const FilterGradient<T>& into = to[to.size() == 1 ? 0 : i];
    most = std::max(most, conv2d_backward_weights_workspace<T>(members[i].x, members[i].g, into.dw,
                                                               into.dshift, options));
  }
  return most + (to.size() < members.size() ? size_of_all(to[0]) : 0);
}

template <class T>
void conv2d_group_backward_weights(std::span<const WeightsMember<T>> members,
                                   Span<Wide<T>> workspace, std::span<const FilterGradient<T>> to,
                                   const Conv2dOptions& options) {
  constexpr auto kWho = "conv2d_group_backward_weights";
  checks::conv2d_group(kWho, members, [](const auto& m) { return m.x; });
  const std::int64_t wanted = conv2d_group_backward_weights_workspace<T>(members, to, options);
  KT_CHECK(workspace.size >= wanted, "{}: workspace has {} elements, wanted {}", kWho,
           workspace.size, wanted);
  const auto run = [&](std::size_t i, Span<Wide<T>> room, const FilterGradient<T>& into) {
    conv2d_backward_weights<T>(members[i].x, members[i].g, into.forward, room, into.dw, into.dscale,
                               into.dshift, options);
  };
  if (to.size() == members.size()) {
    for (std::size_t i = 0; i < members.size(); ++i) run(i, workspace, to[i]);
    return;
  }
  const std::int64_t size = to[0].dw.size(), taken = size_of_all(to[0]);
  const Span<Wide<T>> rest{workspace.data + taken, workspace.size - taken};
  FilterGradient<T> term = to[0];
  term.dw.data = workspace.data;
  term.dscale.data = workspace.data + size;
  term.dshift.data = term.dscale.data + term.dscale.size;
  run(members.size() - 1, rest, to[0]);
  for (std::size_t i = members.size() - 1; i-- > 0;) {
    run(i, rest, term);
    accumulate(Span<const Wide<T>>{term.dw.data, size}, Span<Wide<T>>{to[0].dw.data, size});
    accumulate<Wide<T>>(term.dscale, to[0].dscale);
    accumulate<Wide<T>>(term.dshift, to[0].dshift);
  }
}

#define KT_INSTANTIATE_FORWARD(T, Y)                                                         \
  template void conv2d_group_forward(std::span<const ForwardMember<T, Y>>, Span<Wide<T>>,    \
                                     const Conv2dOptions&);                                  \
  template std::int64_t conv2d_group_forward_workspace(std::span<const ForwardMember<T, Y>>, \
                                                       const Conv2dOptions&);
#define KT_INSTANTIATE(T)                                                                       \
  template void conv2d_group_backward_data(std::span<const DataMember<T>>, Span<Wide<T>>,       \
                                           const Conv2dOptions&);                               \
  template std::int64_t conv2d_group_backward_data_workspace(std::span<const DataMember<T>>,    \
                                                             const Conv2dOptions&);             \
  template void conv2d_group_backward_weights(std::span<const WeightsMember<T>>, Span<Wide<T>>, \
                                              std::span<const FilterGradient<T>>,               \
                                              const Conv2dOptions&);                            \
  template std::int64_t conv2d_group_backward_weights_workspace(                                \
      std::span<const WeightsMember<T>>, std::span<const FilterGradient<T>>,                    \
      const Conv2dOptions&);
KT_INSTANTIATE(float)
KT_INSTANTIATE(double)
KT_INSTANTIATE(Bfloat16)
KT_INSTANTIATE_FORWARD(float, float)
KT_INSTANTIATE_FORWARD(double, double)
KT_INSTANTIATE_FORWARD(Bfloat16, Bfloat16)
KT_INSTANTIATE_FORWARD(Bfloat16, float)
#undef KT_INSTANTIATE
#undef KT_INSTANTIATE_FORWARD

}  // namespace ktrain::cpu

namespace ktrain::cuda {

template <class T, class Y>
std::int64_t conv2d_group_forward_workspace(std::span<const ForwardMember<T, Y>> members,
                                            const Conv2dOptions& options) {
  const std::int64_t group = product::plan_forward<T, Y>(members, options).workspace;
  if (members.size() > 1) return group;
  const auto& [x, w, epilogue, y] = members[0];
  const Nhwc<const T> shape{nullptr, y.batch, y.height, y.width, y.channels};
  return conv2d_forward_workspace<T>(x, w, epilogue, shape, options);
}

template <class T>
std::int64_t conv2d_group_backward_data_workspace(std::span<const DataMember<T>> members,
                                                  const Conv2dOptions& options) {
  const std::int64_t group = product::plan_data<T>(members, options).workspace;
  if (members.size() > 1) return group;
  const auto& [g, w, scale, dx, end] = members[0];
  return conv2d_backward_data_workspace<T>(g, w, scale, dx, options);
}

template <class T>
std::int64_t conv2d_group_backward_weights_workspace(std::span<const WeightsMember<T>> members,
                                                     std::span<const FilterGradient<T>> to,
                                                     const Conv2dOptions& options) {
  const std::int64_t group = product::plan_weights<T>(members, to, options).workspace;
  if (members.size() > 1) return group;
  return conv2d_backward_weights_workspace<T>(members[0].x, members[0].g, to[0].dw, to[0].dshift,
                                              options);
}

#define KT_INSTANTIATE_FORWARD(T, Y)                                                         \
  template std::int64_t conv2d_group_forward_workspace(std::span<const ForwardMember<T, Y>>, \
                                                       const Conv2dOptions&);
#define KT_INSTANTIATE(T)                                                                    \
  template std::int64_t conv2d_group_backward_data_workspace(std::span<const DataMember<T>>, \
                                                             const Conv2dOptions&);          \
  template std::int64_t conv2d_group_backward_weights_workspace(                             \
      std::span<const WeightsMember<T>>, std::span<const FilterGradient<T>>,                 \
      const Conv2dOptions&);
KT_INSTANTIATE(float)
KT_INSTANTIATE(Bfloat16)
KT_INSTANTIATE_FORWARD(float, float)
KT_INSTANTIATE_FORWARD(Bfloat16, Bfloat16)
KT_INSTANTIATE_FORWARD(Bfloat16, float)
#undef KT_INSTANTIATE
#undef KT_INSTANTIATE_FORWARD

}  // namespace ktrain::cuda
