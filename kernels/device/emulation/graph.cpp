#include "kernels/device/emulation/graph.h"

#include <algorithm>
#include <map>
#include <queue>
#include <set>
#include <utility>

#include "kernels/device/emulation/event.h"
#include "kernels/device/emulation/memory_lock.h"

namespace ktrain::emulation {
namespace {

using Places = std::vector<std::size_t>;

// The one capture there is.
struct Capture {
  std::int64_t number = 0;
  cudaStream_t origin = nullptr;  // null: there is none
  CUgraph_st* graph = nullptr;
  bool invalid = false;
  std::map<cudaStream_t, Places> ends;  // of each stream in it: what its next work comes after
};
Capture capture;
std::int64_t captures = 0;
GraphOrder graph_order = GraphOrder::kRecorded;

// Everything that `from` come after, and they themselves.
std::set<std::size_t> before(const CUgraph_st& graph, const Places& from) {
  std::set<std::size_t> found;
  Places stack = from;
  while (!stack.empty()) {
    const std::size_t node = stack.back();
    stack.pop_back();
    if (!found.insert(node).second) continue;
    const Places& after = graph.nodes[node].after;
    stack.insert(stack.end(), after.begin(), after.end());
  }
  return found;
}

bool all_joined() {
  const std::set<std::size_t> joined = before(*capture.graph, capture.ends.at(capture.origin));
  return std::all_of(capture.ends.begin(), capture.ends.end(), [&](const auto& stream) {
    return std::all_of(stream.second.begin(), stream.second.end(),
                       [&](std::size_t node) { return joined.contains(node); });
  });
}

}  // namespace

void order_graphs(GraphOrder order) { graph_order = order; }

bool capturing() { return capture.origin != nullptr; }

bool is_captured(cudaStream_t stream) { return capturing() && capture.ends.contains(stream); }

bool spoils_capture() {
  if (!capturing()) return false;
  capture.invalid = true;
  return true;
}

bool begin_capture(cudaStream_t stream) {
  if (capturing() || !stream) return false;
  capture = {++captures, stream, new CUgraph_st, false, {{stream, {}}}};
  return true;
}

CUgraph_st* end_capture(cudaStream_t stream, cudaError_t& error) {
  error = cudaSuccess;
  if (!capturing() || capture.origin != stream) {
    error = cudaErrorInvalidValue;
    return nullptr;
  }
  if (capture.invalid)
    error = cudaErrorStreamCaptureInvalidated;
  else if (!all_joined())
    error = cudaErrorStreamCaptureUnjoined;
  CUgraph_st* const graph = std::exchange(capture, {}).graph;
  if (error == cudaSuccess) return graph;
  delete graph;
  return nullptr;
}

void give_work(cudaStream_t stream, std::function<void()> work) {
  if (!is_captured(stream)) return work();
  Places& end = capture.ends[stream];
  capture.graph->nodes.push_back({std::move(work), end});
  end = {capture.graph->nodes.size() - 1};
}

void record_event(cudaEvent_t event, cudaStream_t stream) {
  event->capture = is_captured(stream) ? capture.number : 0;
  if (event->capture != 0) event->after = capture.ends.at(stream);
}

cudaError_t wait_for_event(cudaStream_t stream, cudaEvent_t event) {
  if (event->capture == 0) {
    if (!is_captured(stream)) return cudaSuccess;
    capture.invalid = true;
    return cudaErrorStreamCaptureIsolation;
  }
  if (!capturing() || event->capture != capture.number) return cudaErrorInvalidValue;
  Places& end = capture.ends[stream];  // from now on it is captured, too
  for (const std::size_t node : event->after)
    if (std::find(end.begin(), end.end(), node) == end.end()) end.push_back(node);
  return cudaSuccess;
}

void run_graph(const CUgraph_st& graph) {
  const MemoryOpen open;  // once, not for each node
  if (graph_order == GraphOrder::kRecorded) {
    for (const auto& node : graph.nodes) node.work();
    return;
  }
  std::vector<std::size_t> waits(graph.nodes.size());
  std::vector<Places> followers(graph.nodes.size());
  std::priority_queue<std::size_t> ready;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    waits[i] = graph.nodes[i].after.size();
    for (const std::size_t earlier : graph.nodes[i].after) followers[earlier].push_back(i);
    if (waits[i] == 0) ready.push(i);
  }
  while (!ready.empty()) {
    const std::size_t node = ready.top();
    ready.pop();
    graph.nodes[node].work();
    for (const std::size_t follower : followers[node])
      if (--waits[follower] == 0) ready.push(follower);
  }
}

}  // namespace ktrain::emulation
