// How often this program has called the CUDA run-time library, by kind. Every such call stands in
// kernels/device/ (tests/include_rules.cmake), and each of these counts itself: a step that waits
// or allocates is seen in the difference of two counts.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace ktrain {

enum class DeviceCall : std::uint8_t {
  kLaunch,       // of a kernel; inside a capture it is recorded, not started
  kGraphLaunch,  // of everything that a graph holds
  kCopyToDevice,
  kCopyToHost,
  kCopyOnDevice,
  kFill,
  kRecordEvent,
  kHold,      // a stream waits for a point of another
  kAllocate,  // device memory
  kFree,
  kAllocateHost,  // pinned memory of the host
  kFreeHost,
  kSynchronize,  // the host waits until a stream has nothing left to do
  kWaitEvent,    // the host waits for one point of a stream, while work behind it may go on
  kCapture,      // a graph is made
  kTensorMap,    // how tensor copies see an array (Hopper's tier of products)
};
inline constexpr std::size_t kNumDeviceCalls = 16;
[[nodiscard]] std::string_view name(DeviceCall call);

struct DeviceCalls {
  std::array<std::int64_t, kNumDeviceCalls> counts{};
  [[nodiscard]] std::int64_t operator[](DeviceCall call) const {
    return counts[static_cast<std::size_t>(call)];
  }
};

// Since the program began; of all threads.
[[nodiscard]] DeviceCalls device_calls();
// What came between `before` and `after`.
[[nodiscard]] DeviceCalls operator-(const DeviceCalls& after, const DeviceCalls& before);

// For kernels/device/ alone.
void note_call(DeviceCall call);
// `kernel` lives as long as the program.
void note_launch(const char* kernel);
// Of a graph that ends with `kernel`; "" when it has none.
void note_graph_launch(const char* kernel);
// The kernel that was started last, by itself, for a capture or at the end of a graph; "" when none
// was.
[[nodiscard]] const char* last_launch();
// Whether that was a graph: then an earlier kernel in it may be at work still.
[[nodiscard]] bool last_launch_was_a_graph();

}  // namespace ktrain
