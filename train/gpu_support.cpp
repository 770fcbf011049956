#include "train/gpu_support.h"

namespace ktrain {

std::string gpu_refusal(const Plan& plan) {
  if (plan.train.precision != "float") return "a step with maps of bf16 runs on the CPU only";
  return "";  // tests/device_step runs all else that a plan can ask for
}

}  // namespace ktrain
