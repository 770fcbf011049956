// Which plans a GPU can train: those whose whole step tests/device_step runs on the device.
#pragma once

#include <string>
#include <string_view>

#include "kernels/gpu.h"
#include "kernels/queue.h"
#include "train/plan.h"

namespace ktrain {

// Why a plan trains on the CPU alone, as a part of a sentence that names the key; "" when a GPU can
// train it. `found` is the GPU in question, if any.
[[nodiscard]] std::string gpu_refusal(const Plan& plan, const GpuQuery& found = find_gpu());

// What train.precision is not on this device, for one line at the start; "" where it is what it
// says. Only tf32 is a permission: without instructions for it, products are in float.
[[nodiscard]] std::string precision_note(std::string_view precision, Device device,
                                         const GpuQuery& found = find_gpu());

}  // namespace ktrain
