#include "kernels/device/graph.h"

#include "kernels/device/calls.h"
#include "kernels/device/lost.cuh"

namespace ktrain {
namespace {

// Ends the capture, whatever happened in it, and owns what was captured.
class Captured {
 public:
  explicit Captured(cudaStream_t stream) : stream_(stream) {
    // Only this thread's calls are watched: loaders go on.
    KT_DEVICE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  }
  ~Captured() {
    if (!ended_) (void)cudaStreamEndCapture(stream_, &graph_);
    if (graph_) (void)cudaGraphDestroy(graph_);
    (void)cudaGetLastError();
  }
  Captured(const Captured&) = delete;
  Captured& operator=(const Captured&) = delete;

  cudaGraph_t end() {
    ended_ = true;
    KT_DEVICE(cudaStreamEndCapture(stream_, &graph_));
    return graph_;
  }

 private:
  cudaStream_t stream_;
  cudaGraph_t graph_ = nullptr;
  bool ended_ = false;
};

}  // namespace

Graph::Graph(CudaStream stream, const std::function<void()>& work) {
  note_call(DeviceCall::kCapture);
  Captured captured(stream);
  const std::int64_t launches = device_calls()[DeviceCall::kLaunch];
  work();
  if (device_calls()[DeviceCall::kLaunch] > launches) last_kernel_ = last_launch();
  cudaGraph_t graph = captured.end();
  std::size_t nodes = 0;
  KT_DEVICE(cudaGraphGetNodes(graph, nullptr, &nodes));
  nodes_ = static_cast<std::int64_t>(nodes);
  KT_DEVICE(cudaGraphInstantiate(&executable_, graph, 0));
}

Graph::~Graph() {
  if (executable_) (void)cudaGraphExecDestroy(executable_);
}

void Graph::launch(CudaStream stream) const {
  KT_DEVICE(cudaGraphLaunch(executable_, stream));
  note_graph_launch(last_kernel_);
}

}  // namespace ktrain
