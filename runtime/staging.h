// What the host tells the device before each step: the batch, the learning rate, the weights of the
// losses. On a GPU it is written into pinned memory and copied while the host goes on; two steps'
// worth of that memory lets the host be that much ahead. On the CPU it is written where it belongs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/device/memory.h"
#include "kernels/device/stream.h"
#include "runtime/tensor.h"

namespace ktrain {

class Staging {
 public:
  // A tensor that is told of. All of one context, and all before the first begin().
  std::size_t add(const Tensor& tensor);

  // The next round. On a GPU it waits for the copies of the round before the last one, and makes
  // the pinned memory when it is the first or second.
  void begin();
  // All elements of the tensor, of its type; one call for each in a round at most.
  template <class T>
  void write(std::size_t entry, std::span<const T> values);
  // The copies of what was written in this round are on their way.
  void send();

 private:
  struct Round {
    explicit Round(std::int64_t bytes) : memory(bytes) {}
    PinnedBuffer memory;
    Event sent;
  };
  static constexpr std::size_t kRounds = 2;

  [[nodiscard]] bool on_gpu() const;

  std::vector<Tensor> tensors_;
  std::vector<std::int64_t> offsets_;
  std::int64_t bytes_ = 0;
  std::vector<bool> written_;
  std::vector<std::unique_ptr<Round>> rounds_;
  std::size_t current_ = 0;
  bool begun_ = false;
};

}  // namespace ktrain
