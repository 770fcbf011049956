#include "train/gpu_support.h"

#include <fmt/format.h>

namespace ktrain {

std::string gpu_refusal(const Plan& plan, const GpuQuery& found) {
  // The emulation has no compute capability, and what that wants.
  const bool old = found.gpu && found.gpu->major > 0 && found.gpu->major < 8;
  if (old && plan.train.precision == "bf16")
    return fmt::format(
        "train.precision = \"bf16\" wants a GPU of compute capability 8.0, {} has {}.{}",
        found.gpu->name, found.gpu->major, found.gpu->minor);
  return "";  // tests/device_step runs all that a plan can ask for
}

std::string precision_note(std::string_view precision, Device device, const GpuQuery& found) {
  if (precision != "tf32") return "";
  if (device == Device::kCpu)
    return "\"tf32\" is float here: the CPU rounds no operand of a product";
  if (!found.gpu || found.gpu->major == 0 || found.gpu->major >= 8) return "";
  return fmt::format(
      "\"tf32\" is float here: it wants a GPU of compute capability 8.0, {} has {}.{}",
      found.gpu->name, found.gpu->major, found.gpu->minor);
}

}  // namespace ktrain
