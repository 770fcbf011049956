// Which plans a GPU can train: those whose whole step tests/device_step runs on the device.
#pragma once

#include <string>

#include "train/plan.h"

namespace ktrain {

// Why a plan trains on the CPU alone, as a part of a sentence that names the key; "" when a GPU can
// train it.
[[nodiscard]] std::string gpu_refusal(const Plan& plan);

}  // namespace ktrain
