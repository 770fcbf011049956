// What happened before what: one vector clock per thread of the running block, one per place where
// threads meet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

namespace ktrain::emulation::access_check {

using Times = std::vector<std::uint32_t>;  // by thread of a block

struct Clock {
  Times own;                               // the running block's threads
  std::map<std::uint32_t, Times> foreign;  // those of other blocks, by block
};

class Clocks {
 public:
  void launch_begins() { meetings_.clear(); }
  void block_begins(unsigned num_threads, std::uint32_t block);
  void release(int thread, const void* place, bool global);
  void acquire(int thread, const void* place);

  [[nodiscard]] std::uint32_t block() const { return block_; }
  [[nodiscard]] std::uint32_t now(int thread) const {
    return clocks_[static_cast<std::size_t>(thread)].own[static_cast<std::size_t>(thread)];
  }
  // Did what thread `other` of `block` did at `time` happen before what `thread` does now?
  [[nodiscard]] bool before(std::uint32_t block, unsigned other, std::uint32_t time,
                            int thread) const;

 private:
  struct Meeting {
    bool global = false;
    Clock clock;
  };
  std::uint32_t block_ = 0;
  std::vector<Clock> clocks_;
  std::unordered_map<const void*, Meeting> meetings_;
};

}  // namespace ktrain::emulation::access_check
