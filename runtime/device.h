// Where a plan's `device` sends the training: the setting, the build and the machine decide.
#pragma once

#include <string>
#include <string_view>

#include "kernels/device/lost.h"  // DeviceLost: how a GPU ends
#include "kernels/gpu.h"
#include "kernels/queue.h"

namespace ktrain {

struct DeviceChoice {
  Device device = Device::kCpu;
  // One line to say once at the start; empty when the choice needs no explanation. "no GPU: ...".
  std::string note;
};

// requested = "cpu": the CPU. "auto": the GPU if there is one and the training can use it, else the
// CPU with a note that says why. "cuda": the GPU, or a Fault: KT-SYS-001 when there is none,
// KT-SYS-003 when there is one but the training cannot use it. Any other word is a Fault,
// KT-SYS-004. `refusal`: why the training cannot use a GPU, as a part of a sentence; "" when it
// can.
[[nodiscard]] DeviceChoice choose_device(std::string_view requested, std::string_view refusal = "");
// The same with the answer to "is there a GPU" given.
[[nodiscard]] DeviceChoice choose_device(std::string_view requested, const GpuQuery& found,
                                         std::string_view refusal = "");

}  // namespace ktrain
