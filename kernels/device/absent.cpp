// What stands for the device in a build without CUDA: nothing can be had from it. Programs that are
// linked with the emulation take these functions from there.
#include <cstdlib>

#include "kernels/check.h"
#include "kernels/device/graph.h"
#include "kernels/device/memory.h"
#include "kernels/device/stream.h"
#include "kernels/device/timer.h"

#if !KT_CUDA_ENABLED

namespace ktrain {
namespace {

[[noreturn]] void absent(const char* what) {
  KT_CHECK(false, "{}: this program was built without CUDA (KT_CUDA=OFF)", what);
  std::abort();
}

}  // namespace

Stream::Stream() { absent("Stream"); }
Stream::~Stream() = default;
void Stream::synchronize() const { absent("Stream::synchronize"); }

Event::Event() { absent("Event"); }
Event::~Event() = default;
void Event::record(CudaStream) { absent("Event::record"); }
void Event::wait() const { absent("Event::wait"); }
void Event::hold(CudaStream) const { absent("Event::hold"); }

GpuTimer::GpuTimer() { absent("GpuTimer"); }
GpuTimer::~GpuTimer() = default;
void GpuTimer::start(CudaStream) { absent("GpuTimer::start"); }
void GpuTimer::stop(CudaStream) { absent("GpuTimer::stop"); }
double GpuTimer::seconds() const { absent("GpuTimer::seconds"); }

Graph::Graph(CudaStream, const std::function<void()>&) { absent("Graph"); }
Graph::~Graph() = default;
void Graph::launch(CudaStream) const { absent("Graph::launch"); }

void* device_allocate(std::int64_t) { absent("device_allocate"); }
void device_free(void*) noexcept {}
DeviceMemory device_memory() { absent("device_memory"); }
void* pinned_allocate(std::int64_t) { absent("pinned_allocate"); }
void pinned_free(void*) noexcept {}
void copy_to_device(CudaStream, const void*, void*, std::int64_t) { absent("copy_to_device"); }
void copy_to_host_later(CudaStream, const void*, void*, std::int64_t) {
  absent("copy_to_host_later");
}
void copy_to_host(CudaStream, const void*, void*, std::int64_t) { absent("copy_to_host"); }
void copy_on_device(CudaStream, const void*, void*, std::int64_t) { absent("copy_on_device"); }
void fill_device(CudaStream, void*, std::uint8_t, std::int64_t) { absent("fill_device"); }
void poison_device(CudaStream, void*, std::int64_t) { absent("poison_device"); }

}  // namespace ktrain

#endif
