// What a group of convolutions refuses (kernels/conv2d_group.h). Each member is checked as the
// convolution that it is.
#pragma once

#include <algorithm>

#include "kernels/check.h"
#include "kernels/conv2d_group.h"

namespace ktrain::checks {

// `map_of` a member: its x or dx.
template <class Member, class MapOf>
void conv2d_group(const char* who, std::span<const Member> members, const MapOf& map_of) {
  KT_CHECK(!members.empty() && members.size() <= kMaxGroup, "{}: {} members, wanted 1 to {}", who,
           members.size(), kMaxGroup);
  const auto first = map_of(members[0]);
  for (const Member& member : members) {
    const auto map = map_of(member);
    KT_CHECK(map.channels == first.channels && map.batch == first.batch,
             "{}: maps of {} images and {} channels beside {} and {}", who, map.batch, map.channels,
             first.batch, first.channels);
    if constexpr (requires { member.w; })
      KT_CHECK(same_shape(member.w, members[0].w), "{}: filters of several shapes", who);
  }
}

// `scale_of` one of `all`.
template <class All, class ScaleOf>
void conv2d_group_scales(const char* who, const All& all, const ScaleOf& scale_of) {
  const auto some =
      std::ranges::count_if(all, [&](const auto& each) { return !scale_of(each).empty(); });
  KT_CHECK(some == 0 || some == std::ssize(all), "{}: {} scales for {} filters", who, some,
           all.size());
}

template <class T, class Y>
void conv2d_group_forward(std::span<const ForwardMember<T, Y>> members) {
  constexpr auto kWho = "conv2d_group_forward";
  conv2d_group(kWho, members, [](const auto& m) { return m.x; });
  conv2d_group_scales(kWho, members, [](const auto& m) { return m.epilogue.scale; });
}

template <class T>
void conv2d_group_data(std::span<const DataMember<T>> members) {
  constexpr auto kWho = "conv2d_group_backward_data";
  conv2d_group(kWho, members, [](const auto& m) { return m.dx; });
  conv2d_group_scales(kWho, members, [](const auto& m) { return m.scale; });
}

template <class T>
void conv2d_group_gradients(const char* who, std::size_t members,
                            std::span<const FilterGradient<T>> to) {
  KT_CHECK(to.size() == 1 || to.size() == members, "{}: {} gradients of filters of {} members", who,
           to.size(), members);
  for (const FilterGradient<T>& each : to)
    KT_CHECK(same_shape(each.dw, to[0].dw), "{}: filters of several shapes", who);
  conv2d_group_scales(who, to, [](const auto& each) { return each.forward.scale; });
}

}  // namespace ktrain::checks
