// Any bytes as a monitor.jsonl: records that can be written again and read back, or a Fault.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "runtime/fault.h"
#include "train/monitor/probe_json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ktrain;
  MonitorLog log;
  try {
    log = parse_monitor_log({reinterpret_cast<const char*>(data), size}, "m");
  } catch (const Fault&) {
    return 0;
  }
  for (const ProbeRecord& probe : log.probes)
    if (probe_from_json(to_json(probe), "m", 1) != probe) std::abort();
  return 0;
}
