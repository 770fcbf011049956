// What `ktrain bench-step` measured, and how it is written.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "kernels/device/calls.h"
#include "kernels/profile.h"
#include "train/bench_step_command.h"
#include "train/memory_plan.h"

namespace ktrain {

struct BenchStepReport {
  BenchStepOptions options;
  std::int64_t parameters = 0;
  MemoryPlan memory;
  std::vector<double> seconds;        // of each timed step
  double loss = 0;                    // of the last step
  std::int64_t growths = 0;           // of the arena during the timed steps
  std::int64_t high_water_bytes = 0;  // of the arena, in the timed steps
  std::int64_t peak_rss_bytes = 0;    // of the process, up to the last timed step
  double profiled_seconds = 0;        // of the fastest step under the profile
  Profile profile;                    // of that step; empty without `parts`
  double fma_peak = 0;                // operations per second, measured
  // On a GPU, of which this is the name; else empty.
  std::string gpu;
  std::string note;        // what the precision is not, here; or empty
  DeviceCalls calls;       // of the timed steps together
  std::int64_t nodes = 0;  // of a step's graph
};

// Largest resident size of this process until now.
[[nodiscard]] std::int64_t peak_rss_bytes();

// One JSON object on one line with `options.json`, else text for people.
void write_report(const BenchStepReport& report, std::ostream& out);

}  // namespace ktrain
