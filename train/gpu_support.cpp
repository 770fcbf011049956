#include "train/gpu_support.h"

#include <fmt/format.h>

#include "train/auxiliary_plan.h"

namespace ktrain {

std::string gpu_refusal(const Plan& plan) {
  const bool other_losses =
      !enabled_auxiliary(plan.loss).empty() || plan.loss.planted.kind != "none";
  if (other_losses && plan.monitor.profile != "off")
    return fmt::format("the conflict monitor (monitor.profile = \"{}\") runs on the CPU only",
                       plan.monitor.profile);
  if (plan.drift.when == "on") return "drift is measured on the CPU only";
  return "";
}

}  // namespace ktrain
