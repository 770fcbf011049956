#include "runtime/device.h"

#include "runtime/fault.h"

namespace ktrain {

DeviceChoice choose_device(std::string_view requested, std::string_view refusal) {
  // Asking the driver takes a moment, and "cpu" does not want to know.
  return choose_device(requested, requested == "cpu" ? GpuQuery{} : find_gpu(), refusal);
}

DeviceChoice choose_device(std::string_view requested, const GpuQuery& found,
                           std::string_view refusal) {
  if (requested == "cpu") return {Device::kCpu, ""};
  if (requested == "auto") {
    if (!found.gpu)
      return {Device::kCpu, fmt::format("no GPU: {}; training on the CPU", found.reason)};
    if (!refusal.empty())
      return {Device::kCpu,
              fmt::format("{} is not used: {}; training on the CPU", found.gpu->name, refusal)};
    return {Device::kCuda, found.gpu->name};
  }
  if (requested != "cuda")
    throw_fault("KT-SYS-004", "device = \"{}\": wanted auto, cpu or cuda", printable(requested));
  if (!found.gpu)
    throw_fault(
        "KT-SYS-001",
        "device = \"cuda\": no GPU: {}; set device = \"auto\" or \"cpu\" to train on the CPU",
        found.reason);
  if (!refusal.empty())
    throw_fault("KT-SYS-003",
                "device = \"cuda\": found {}, but {}; set device = \"auto\" or \"cpu\" to train on "
                "the CPU",
                found.gpu->name, refusal);
  return {Device::kCuda, found.gpu->name};
}

}  // namespace ktrain
