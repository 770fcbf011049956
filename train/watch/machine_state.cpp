#include "train/watch/machine_state.h"

#include <fstream>
#include <limits>
#include <thread>

#include <dlfcn.h>

namespace ktrain {
namespace {

// The few calls of NVML that are used, as its header declares them; 0 is success.
struct NvmlUtilization {
  unsigned gpu, memory;
};
struct NvmlMemory {
  unsigned long long total, free, used;
};
using NvmlDevice = void*;

template <class F>
F symbol(void* library, const char* name) {
  return reinterpret_cast<F>(::dlsym(library, name));
}

// "MemAvailable:   123 kB" of /proc/meminfo.
std::optional<std::uint64_t> meminfo(const std::string& wanted) {
  std::ifstream in("/proc/meminfo");
  std::string key;
  for (std::uint64_t kib = 0; in >> key >> kib; in.ignore(256, '\n'))
    if (key == wanted + ":") return kib * 1024;
  return std::nullopt;
}

}  // namespace

Machine::Machine() : library_(::dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL)) {
  if (library_ == nullptr) return;
  const auto init = symbol<int (*)()>(library_, "nvmlInit_v2");
  if (init != nullptr && init() == 0) return;
  ::dlclose(library_);
  library_ = nullptr;
}

Machine::~Machine() {
  if (library_ == nullptr) return;
  if (const auto end = symbol<int (*)()>(library_, "nvmlShutdown")) (void)end();
  ::dlclose(library_);
}

MachineState Machine::look() {
  MachineState state;
  state.cores = static_cast<int>(std::thread::hardware_concurrency());
  if (double load = 0; std::ifstream("/proc/loadavg") >> load) state.load = load;
  const auto total = meminfo("MemTotal"), available = meminfo("MemAvailable");
  if (total && available) {
    state.total_bytes = total;
    state.used_bytes = *total - *available;
  }
  // "cpu  user nice system idle iowait irq softirq steal ..."
  std::ifstream in("/proc/stat");
  std::string word;
  std::uint64_t ticks = 0, all = 0, idle = 0;
  in >> word;
  for (int i = 0; i < 8 && in >> ticks; ++i) {
    all += ticks;
    if (i == 3 || i == 4) idle += ticks;
  }
  const std::uint64_t busy = all - idle;
  if (all_ > 0 && all > all_ && busy >= busy_)
    state.busy_percent =
        100.0 * static_cast<double>(busy - busy_) / static_cast<double>(all - all_);
  busy_ = busy;
  all_ = all;
  if (library_ != nullptr) look_at_gpus(state);
  return state;
}

void Machine::look_at_gpus(MachineState& state) const {
  const auto count = symbol<int (*)(unsigned*)>(library_, "nvmlDeviceGetCount_v2");
  const auto handle =
      symbol<int (*)(unsigned, NvmlDevice*)>(library_, "nvmlDeviceGetHandleByIndex_v2");
  const auto name = symbol<int (*)(NvmlDevice, char*, unsigned)>(library_, "nvmlDeviceGetName");
  const auto use =
      symbol<int (*)(NvmlDevice, NvmlUtilization*)>(library_, "nvmlDeviceGetUtilizationRates");
  const auto memory = symbol<int (*)(NvmlDevice, NvmlMemory*)>(library_, "nvmlDeviceGetMemoryInfo");
  const auto heat =
      symbol<int (*)(NvmlDevice, int, unsigned*)>(library_, "nvmlDeviceGetTemperature");
  if (count == nullptr || handle == nullptr || name == nullptr || use == nullptr ||
      memory == nullptr)
    return;
  unsigned devices = 0;
  if (count(&devices) != 0) return;
  for (unsigned i = 0; i < devices; ++i) {
    NvmlDevice device = nullptr;
    NvmlUtilization busy{};
    NvmlMemory bytes{};
    char text[96] = {};
    if (handle(i, &device) != 0 || use(device, &busy) != 0 || memory(device, &bytes) != 0) continue;
    GpuState gpu;
    gpu.busy_percent = busy.gpu;
    gpu.used_bytes = bytes.used;
    gpu.total_bytes = bytes.total;
    gpu.name = name(device, text, sizeof text) == 0 ? text : "GPU";
    if (unsigned celsius = 0; heat != nullptr && heat(device, 0, &celsius) == 0)
      gpu.celsius = celsius;
    state.gpus.push_back(std::move(gpu));
  }
}

}  // namespace ktrain
