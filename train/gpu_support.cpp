#include "train/gpu_support.h"

#include <fmt/format.h>

#include "train/auxiliary_plan.h"

namespace ktrain {

std::string gpu_refusal(const Plan& plan) {
  if (const auto terms = enabled_auxiliary(plan.loss); !terms.empty())
    return fmt::format("loss.{} is trained on the CPU only", terms[0].first);
  if (plan.loss.planted.kind != "none") return "loss.planted is there on the CPU only";
  if (plan.train.average > 0) return "train.average is kept on the CPU only";
  if (plan.drift.when == "on") return "drift is measured on the CPU only";
  return "";
}

}  // namespace ktrain
