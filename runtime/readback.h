// Numbers that the device tells the host after each step, and that the host reads later: it does
// not wait for a step to end before it begins the next ones.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/device/memory.h"
#include "kernels/device/stream.h"
#include "runtime/tensor.h"

namespace ktrain {

class Readback {
 public:
  // How many sends may be unread.
  static constexpr std::int64_t kRounds = 4;

  // `floats` numbers at a time, in the context's memory.
  Readback(const ContextPtr& context, std::int64_t floats);

  // Where kernels write.
  [[nodiscard]] const Tensor& numbers() const { return numbers_; }
  // What stands there when the device has come so far is on its way. Returns how many were sent
  // before, for read().
  std::int64_t send();
  // Waits until the numbers of that send are there. Throws Error when kRounds others were sent
  // since.
  [[nodiscard]] std::vector<float> read(std::int64_t sent);

 private:
  struct Round {
    explicit Round(std::int64_t bytes) : memory(bytes) {}
    PinnedBuffer memory;
    Event arrived;
  };

  Tensor numbers_;
  std::int64_t sends_ = 0;
  std::array<std::unique_ptr<Round>, kRounds> rounds_;  // on a GPU
  std::array<std::vector<float>, kRounds> on_host_;     // on the CPU
};

}  // namespace ktrain
