#include "kernels/device/graph.h"

#include "kernels/device/calls.h"
#include "kernels/device/error.cuh"

namespace ktrain {
namespace {

// Ends the capture, whatever happened in it, and owns what was captured.
class Captured {
 public:
  explicit Captured(cudaStream_t stream) : stream_(stream) {
    // Only this thread's calls are watched: loaders go on.
    KT_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
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
    KT_CUDA(cudaStreamEndCapture(stream_, &graph_));
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
  work();
  cudaGraph_t graph = captured.end();
  std::size_t nodes = 0;
  KT_CUDA(cudaGraphGetNodes(graph, nullptr, &nodes));
  nodes_ = static_cast<std::int64_t>(nodes);
  KT_CUDA(cudaGraphInstantiate(&executable_, graph, 0));
}

Graph::~Graph() {
  if (executable_) (void)cudaGraphExecDestroy(executable_);
}

void Graph::launch(CudaStream stream) const {
  note_call(DeviceCall::kGraphLaunch);
  KT_CUDA(cudaGraphLaunch(executable_, stream));
}

}  // namespace ktrain
