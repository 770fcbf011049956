// Captures and graphs of the emulated run-time library: what was given to which stream, and what
// has to come before it.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/device/emulation/runtime_api.h"

struct CUgraph_st {
  struct Node {
    std::function<void()> work;
    std::vector<std::size_t> after;  // earlier nodes
  };
  std::vector<Node> nodes;
};

namespace ktrain::emulation {

// The order in which a graph's nodes run. Both keep every node behind what it has to come after;
// between nodes that need not wait for each other nobody knows the order, and results may not
// depend on it.
enum class GraphOrder : std::uint8_t {
  kRecorded,
  kLatest,  // of the nodes that may run always the one that was recorded last
};
void order_graphs(GraphOrder order);

// Whether there is a capture, in any stream.
[[nodiscard]] bool capturing();
// Whether this stream's work is recorded.
[[nodiscard]] bool is_captured(cudaStream_t stream);
// True, and the capture is lost, when there is one: for a call that a capture does not allow.
bool spoils_capture();

[[nodiscard]] bool begin_capture(cudaStream_t stream);
// The graph, or null and the error.
[[nodiscard]] CUgraph_st* end_capture(cudaStream_t stream, cudaError_t& error);
void record_event(cudaEvent_t event, cudaStream_t stream);
[[nodiscard]] cudaError_t wait_for_event(cudaStream_t stream, cudaEvent_t event);
void run_graph(const CUgraph_st& graph);

}  // namespace ktrain::emulation
