// The same work again and again: run as it is twice, then recorded in a CUDA graph and started as a
// whole, so that the host's part of a step is one call.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "kernels/device/graph.h"
#include "runtime/context.h"

namespace ktrain {

class Replay {
 public:
  static constexpr int kWarmUps = 2;

  explicit Replay(const ContextPtr& context);

  // Gives `work` to the context's queue. `key` stands for everything that the work depends on and
  // does not read from the context's memory: shapes, which terms there are. The work must leave no
  // new memory behind, and read nothing back. One graph per key; all use the same memory. A graph
  // lives as long as the set of blocks around it is what it was; then it is recorded anew. On the
  // CPU, and with KT_SYNC_LAUNCH=1 or KT_GRAPH=0 in the environment, the work is just run.
  void run(std::uint64_t key, const std::function<void()>& work);

  // How many graphs there are, and what they hold together.
  [[nodiscard]] std::int64_t graphs() const;
  [[nodiscard]] std::int64_t nodes() const;

 private:
  struct Entry {
    int runs = 0;
    std::uint64_t layout = 0;
    std::unique_ptr<Graph> graph;
  };

  ContextPtr context_;
  bool enabled_;
  std::map<std::uint64_t, Entry> entries_;
};

}  // namespace ktrain
