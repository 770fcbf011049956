// Work of a stream, recorded once and started as a whole: a CUDA graph. A host header: it compiles
// without the toolkit.
#pragma once

#include <cstdint>
#include <functional>

#include "kernels/queue.h"

struct CUgraphExec_st;

namespace ktrain {

// Kernels, copies and fills with the arguments that they were recorded with: addresses must stay
// valid, and what changes from one start to the next must stand in memory. Errors are Error,
// a GPU that has stopped is DeviceLost (lost.h).
class Graph {
 public:
  // Calls `work`, which gives work to `stream`; nothing of it runs. What cannot be recorded
  // (waiting for the stream, copies from or to memory that is not pinned) is an Error, and there is
  // no graph.
  Graph(CudaStream stream, const std::function<void()>& work);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  // Everything that was recorded, in order with the stream's other work.
  void launch(CudaStream stream) const;
  // Kernels, copies and fills.
  [[nodiscard]] std::int64_t nodes() const { return nodes_; }

 private:
  [[maybe_unused]] CUgraphExec_st* executable_ = nullptr;
  std::int64_t nodes_ = 0;
  [[maybe_unused]] const char* last_kernel_ = "";  // "" when there is none in it
};

}  // namespace ktrain
