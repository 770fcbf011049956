#include "kernels/device/calls.h"

#include <atomic>

namespace ktrain {
namespace {

std::array<std::atomic<std::int64_t>, kNumDeviceCalls> counts{};
std::atomic<const char*> last{""};
std::atomic<bool> last_was_a_graph{false};

}  // namespace

std::string_view name(DeviceCall call) {
  constexpr std::array<std::string_view, kNumDeviceCalls> kNames = {"launches",
                                                                    "graph launches",
                                                                    "copies to the device",
                                                                    "copies to the host",
                                                                    "copies within",
                                                                    "fills",
                                                                    "events",
                                                                    "holds",
                                                                    "allocations",
                                                                    "frees",
                                                                    "pinned memory",
                                                                    "pinned memory freed",
                                                                    "synchronisations",
                                                                    "waits for events",
                                                                    "captures",
                                                                    "tensor maps"};
  return kNames[static_cast<std::size_t>(call)];
}

DeviceCalls device_calls() {
  DeviceCalls calls;
  for (std::size_t i = 0; i < kNumDeviceCalls; ++i)
    calls.counts[i] = counts[i].load(std::memory_order_relaxed);
  return calls;
}

DeviceCalls operator-(const DeviceCalls& after, const DeviceCalls& before) {
  DeviceCalls between;
  for (std::size_t i = 0; i < kNumDeviceCalls; ++i)
    between.counts[i] = after.counts[i] - before.counts[i];
  return between;
}

void note_call(DeviceCall call) {
  counts[static_cast<std::size_t>(call)].fetch_add(1, std::memory_order_relaxed);
}

void note_launch(const char* kernel) {
  note_call(DeviceCall::kLaunch);
  last.store(kernel, std::memory_order_relaxed);
  last_was_a_graph.store(false, std::memory_order_relaxed);
}

void note_graph_launch(const char* kernel) {
  note_call(DeviceCall::kGraphLaunch);
  if (*kernel == '\0') return;
  last.store(kernel, std::memory_order_relaxed);
  last_was_a_graph.store(true, std::memory_order_relaxed);
}

const char* last_launch() { return last.load(std::memory_order_relaxed); }

bool last_launch_was_a_graph() { return last_was_a_graph.load(std::memory_order_relaxed); }

}  // namespace ktrain
