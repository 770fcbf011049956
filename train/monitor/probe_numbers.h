// Where the kernels of a probe leave their sums: one piece of the parameters' memory, which the
// host reads in one go when all of them are there.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/tensor.h"

namespace ktrain {

class ProbeNumbers {
 public:
  // A run of numbers, by where it begins.
  struct Place {
    std::int64_t at = 0, count = 0;
  };

  ProbeNumbers() = default;
  // Room for `capacity` numbers, zeros at first.
  ProbeNumbers(const ContextPtr& context, std::int64_t capacity);

  // Room for `count` doubles. Throws Error when there is none.
  [[nodiscard]] Place take(std::int64_t count);
  // Where a kernel writes them.
  [[nodiscard]] Span<double> out(Place place);
  // Keeps what the only element of a float tensor is, when the device has come so far.
  [[nodiscard]] Place keep(const Tensor& number);

  // What stands there; waits for the device when anything was taken or kept since the last read.
  // Zeros while planning.
  [[nodiscard]] std::span<const double> read(Place place) const;
  [[nodiscard]] double read_kept(Place place) const;

 private:
  void fetch() const;

  Tensor memory_;  // bytes: 8 of a number
  std::int64_t taken_ = 0;
  mutable std::int64_t fetched_ = -1;  // how many were taken at the last read
  mutable std::vector<double> host_;
};

}  // namespace ktrain
