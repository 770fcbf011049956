// What a group of convolutions refuses (kernels/conv2d_group.h). Each member is checked as the
// convolution that it is.
#pragma once

#include "kernels/check.h"
#include "kernels/conv2d_group.h"

namespace ktrain::checks {

// `map_of` a member: its x or dx.
template <class Member, class MapOf>
void conv2d_group(const char* who, std::span<const Member> members, const Conv2dOptions& options,
                  const MapOf& map_of) {
  KT_CHECK(!members.empty() && members.size() <= kMaxGroup, "{}: {} members, wanted 1 to {}", who,
           members.size(), kMaxGroup);
  KT_CHECK(options.stride == 1, "{}: stride {}, wanted 1", who, options.stride);
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

template <class W>
void conv2d_group_gradients(const char* who, std::size_t members, std::span<const Krsc<W>> dw) {
  KT_CHECK(dw.size() == 1 || dw.size() == members, "{}: {} gradients of filters of {} members", who,
           dw.size(), members);
  for (const Krsc<W>& each : dw)
    KT_CHECK(same_shape(each, dw[0]), "{}: filters of several shapes", who);
}

}  // namespace ktrain::checks
