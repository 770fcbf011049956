// Numbers of T for a case's arrays.
#pragma once

#include <type_traits>
#include <vector>

#include "bench/lab.h"
#include "kernels/bfloat16.h"

namespace ktrain::bench {

// Lab::normal(), rounded where T is Bfloat16.
template <class T>
[[nodiscard]] Array<T> normal(const Lab& lab, std::int64_t size, std::uint32_t sample,
                              double deviation = 1) {
  const Array<float> exact = lab.normal(size, sample, deviation);
  if constexpr (std::is_same_v<T, float>) {
    return exact;
  } else {
    std::vector<T> rounded;
    rounded.reserve(static_cast<std::size_t>(size));
    for (const float v : lab.to_host(exact)) rounded.push_back(to_bfloat16(v));
    return lab.copy(rounded);
  }
}

}  // namespace ktrain::bench
