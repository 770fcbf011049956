#include "kernels/device/emulation/runtime_api.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <utility>

#include "kernels/device/emulation/access_check.h"
#include "kernels/device/emulation/breakage.h"
#include "kernels/device/emulation/event.h"
#include "kernels/device/emulation/graph.h"
#include "kernels/device/emulation/machine.h"
#include "kernels/device/emulation/memory.h"
#include "kernels/device/emulation/memory_lock.h"

struct CUstream_st {};
struct CUgraphExec_st {
  CUgraph_st graph;
};

using ktrain::emulation::spoils_capture;

namespace {

// An error is also kept until somebody asks for the last one, as CUDA does.
cudaError_t last_error = cudaSuccess;
cudaError_t answer(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

// What every call answers once the device is broken.
cudaError_t broken = cudaSuccess;
// It breaks so when this many more graphs were started; 0: it does not.
struct {
  cudaError_t error = cudaSuccess;
  int graphs = 0;
} breaks_later;

// Dynamic shared memory that kernels were allowed.
std::map<const void*, std::size_t>& shared_allowances() {
  static auto* const bytes = new std::map<const void*, std::size_t>;
  return *bytes;
}

std::map<char*, std::size_t>& pinned() {  // bytes by address
  static auto* const blocks = new std::map<char*, std::size_t>;
  return *blocks;
}

bool is_pinned(const void* p, std::size_t bytes) {
  const auto* const begin = static_cast<const char*>(p);
  for (const auto& [block, size] : pinned())
    if (begin >= block && begin + bytes <= block + size) return true;
  return false;
}

void copy(void* to, const void* from, std::size_t bytes, bool to_device) {
  const ktrain::emulation::MemoryOpen open;
  std::memcpy(to, from, bytes);
  if (to_device) ktrain::emulation::access_check::host_wrote(to, bytes);
}

}  // namespace

namespace ktrain::emulation {

void break_device(cudaError_t error, int graphs) {
  broken = graphs > 0 ? cudaSuccess : error;
  breaks_later = {error, graphs};
}

void check_shared_bytes(const char* name, const void* kernel, std::size_t bytes) {
  const auto found = shared_allowances().find(kernel);
  const std::size_t allowed = found == shared_allowances().end() ? 48 << 10 : found->second;
  if (bytes > allowed)
    fail("shared-limit", "{}: {} bytes of dynamic shared memory; {} are allowed", name, bytes,
         allowed);
}

}  // namespace ktrain::emulation

const char* cudaGetErrorName(cudaError_t error) {
  if (error == cudaErrorIllegalAddress) return "cudaErrorIllegalAddress";
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorStreamCaptureUnsupported:
      return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated:
      return "cudaErrorStreamCaptureInvalidated";
    case cudaErrorStreamCaptureUnjoined:
      return "cudaErrorStreamCaptureUnjoined";
    case cudaErrorStreamCaptureIsolation:
      return "cudaErrorStreamCaptureIsolation";
    default:
      return "an error that the emulation does not make";
  }
}
const char* cudaGetErrorString(cudaError_t error) {
  if (error == cudaErrorIllegalAddress) return "an illegal memory access was encountered";
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated:
      return "operation failed due to a previous error during capture";
    case cudaErrorStreamCaptureUnjoined:
      return "capturing stream has unjoined work";
    case cudaErrorStreamCaptureIsolation:
      return "dependency created on uncaptured work in another stream";
    default:
      return "invalid argument";
  }
}
cudaError_t cudaGetLastError() {
  return broken != cudaSuccess ? broken : std::exchange(last_error, cudaSuccess);
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) { return cudaDriverGetVersion(version); }
cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {};
  std::snprintf(properties->name, sizeof properties->name, "emulation on the CPU");
  return cudaSuccess;
}
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes*, const void*) { return cudaSuccess; }
cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute, int value) {
  if (broken != cudaSuccess) return broken;
  if (value < 0 || value > 227 << 10) return answer(cudaErrorInvalidValue);
  shared_allowances()[kernel] = static_cast<std::size_t>(value);
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  if (broken != cudaSuccess) return broken;
  *stream = new CUstream_st;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return broken;
}
cudaError_t cudaStreamSynchronize(cudaStream_t) {
  if (broken != cudaSuccess) return broken;
  return spoils_capture() ? answer(cudaErrorStreamCaptureUnsupported) : cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (broken != cudaSuccess) return broken;
  return ktrain::emulation::begin_capture(stream) ? cudaSuccess
                                                  : answer(cudaErrorStreamCaptureUnsupported);
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  cudaError_t error = cudaSuccess;
  *graph = ktrain::emulation::end_capture(stream, error);
  if (broken == cudaSuccess) return answer(error);
  delete std::exchange(*graph, nullptr);
  return answer(broken);
}
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t*, std::size_t* count) {
  if (broken != cudaSuccess) return broken;
  *count = graph->nodes.size();
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
  if (broken != cudaSuccess) return broken;
  *executable = new CUgraphExec_st{*graph};
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t) {
  if (broken != cudaSuccess) return broken;
  if (spoils_capture()) return answer(cudaErrorStreamCaptureUnsupported);
  ktrain::emulation::run_graph(executable->graph);
  if (breaks_later.graphs > 0 && --breaks_later.graphs == 0) broken = breaks_later.error;
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return broken;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return broken;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  if (broken != cudaSuccess) return broken;
  *event = new CUevent_st{};
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  return cudaEventCreate(event);
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return broken;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (broken != cudaSuccess) return broken;
  event->time = std::chrono::steady_clock::now();
  ktrain::emulation::record_event(event, stream);
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (broken != cudaSuccess) return broken;
  return answer(ktrain::emulation::wait_for_event(stream, event));
}
cudaError_t cudaEventSynchronize(cudaEvent_t) {
  if (broken != cudaSuccess) return broken;
  return spoils_capture() ? answer(cudaErrorStreamCaptureUnsupported) : cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  if (broken != cudaSuccess) return broken;
  *milliseconds = std::chrono::duration<float, std::milli>(to->time - from->time).count();
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** p, std::size_t bytes) {
  *p = nullptr;
  if (broken != cudaSuccess) return broken;
  if (spoils_capture()) return answer(cudaErrorStreamCaptureUnsupported);
  *p = ktrain::emulation::device_allocate(bytes);
  return answer(*p ? cudaSuccess : cudaErrorMemoryAllocation);
}
cudaError_t cudaFree(void* p) {
  if (spoils_capture()) return answer(cudaErrorStreamCaptureUnsupported);
  ktrain::emulation::device_free(p);
  return broken;
}
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  if (broken != cudaSuccess) return broken;
  *total = std::size_t{8} << 30;
  *free = *total - *total / 8;
  return cudaSuccess;
}
cudaError_t cudaMallocHost(void** p, std::size_t bytes) {
  *p = nullptr;
  if (broken != cudaSuccess) return broken;
  if (spoils_capture()) return answer(cudaErrorStreamCaptureUnsupported);
  *p = std::malloc(bytes);
  if (*p) pinned().emplace(static_cast<char*>(*p), bytes);
  return answer(*p ? cudaSuccess : cudaErrorMemoryAllocation);
}
cudaError_t cudaFreeHost(void* p) {
  if (spoils_capture()) return answer(cudaErrorStreamCaptureUnsupported);
  if (p && pinned().erase(static_cast<char*>(p)) == 0) return answer(cudaErrorInvalidValue);
  std::free(p);
  return broken;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  if (broken != cudaSuccess) return broken;
  const bool from_device = kind != cudaMemcpyHostToDevice,
             to_device = kind != cudaMemcpyDeviceToHost;
  if ((to_device && !ktrain::emulation::is_device_memory(to, bytes)) ||
      (from_device && !ktrain::emulation::is_device_memory(from, bytes)))
    return answer(cudaErrorInvalidValue);
  const bool holds = (from_device || is_pinned(from, bytes)) && (to_device || is_pinned(to, bytes));
  if (!holds && ktrain::emulation::is_captured(stream) && spoils_capture())
    return answer(cudaErrorStreamCaptureUnsupported);
  ktrain::emulation::give_work(stream,
                               [to, from, bytes, to_device] { copy(to, from, bytes, to_device); });
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  if (broken != cudaSuccess) return broken;
  if (!ktrain::emulation::is_device_memory(to, bytes)) return answer(cudaErrorInvalidValue);
  ktrain::emulation::give_work(stream, [to, value, bytes] {
    const ktrain::emulation::MemoryOpen open;
    std::memset(to, value, bytes);
    ktrain::emulation::access_check::host_wrote(to, bytes);
  });
  return cudaSuccess;
}
