// Division of indices by a number that a launch fixes: a multiplication, an addition and a shift
// where a GPU has no instruction for it (Granlund and Montgomery 1994, figure 4.1).
#pragma once

#include <cstdint>

#include "kernels/host_device.h"

namespace ktrain {

class FastDivide {
 public:
  FastDivide() = default;
  // divisor >= 1
  explicit FastDivide(int divisor) {
    const auto d = static_cast<std::uint64_t>(divisor);
    while ((std::uint64_t{1} << shift_) < d) ++shift_;
    const std::uint64_t excess = (std::uint64_t{1} << shift_) - d;
    factor_ = static_cast<std::uint32_t>((excess << 32) / d + 1);
  }

  // floor(n / divisor) for n >= 0.
  [[nodiscard]] KT_HOST_DEVICE int operator()(int n) const {
    const auto u = static_cast<std::uint32_t>(n);
    const auto high = static_cast<std::uint32_t>((std::uint64_t{u} * factor_) >> 32);
    return static_cast<int>((high + u) >> shift_);
  }

 private:
  std::uint32_t factor_ = 1;
  std::uint32_t shift_ = 0;
};

}  // namespace ktrain
