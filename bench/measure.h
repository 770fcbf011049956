// How a case is timed.
//
// On a GPU by the GPU's own clock: cold, every launch after the caches were emptied, as a training
// step meets its inputs; and warm, launches in a row. On the CPU by the monotonic clock, in a row.
// A case and its rivals take turns, A B A B, so that a clock that sinks meets all of them; medians.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "bench/cases.h"

namespace ktrain::bench {

struct Sampling {
  double seconds = 0.3;  // of a case and each rival, about
  int least = 5;
  int most = 60;
};

struct Timing {
  double median = 0, p10 = 0, p90 = 0;  // seconds; on a GPU cold
  double warm = 0;                      // seconds; on the CPU the median again
  int samples = 0;
};

// What the device does in a second, measured here: bytes read plus written by a large copy, and
// multiply-adds (two operations each) by precision: on the CPU out of registers, on a GPU by the
// fastest square product of 4096, cuBLAS' or ours. 0 where nothing could be measured.
struct Ceilings {
  double copy = 0;
  std::map<Precision, double> product;
  std::string text;  // how they were measured
};

struct RivalResult {
  std::string name;
  Timing timing;       // of no samples when it did not run
  std::string absent;  // why it did not
};

struct Result {
  std::string family, op, shape;
  Device device = Device::kCpu;
  double bytes = 0, flops = 0;
  Precision precision = Precision::kFloat;
  Timing timing;
  double floor = 0;  // seconds that the ceilings allow; 0 without one
  bool product_bound = false;
  std::vector<RivalResult> rivals;
  std::string error;  // the case threw: nothing else counts

  // Share of the ceiling that bounds the case, 0 without one.
  [[nodiscard]] double share() const { return timing.median > 0 ? floor / timing.median : 0; }
};

[[nodiscard]] Ceilings measure_ceilings(const Lab& lab, const Sampling& sampling);
// Never throws for what a case does: its error is in the result.
[[nodiscard]] Result measure(const Lab& lab, const Case& of, const Ceilings& ceilings,
                             const Sampling& sampling);

// The rules behind the numbers, for tests.
[[nodiscard]] Timing summarize(std::vector<double> cold, std::vector<double> warm);
void set_floor(Result& result, const Ceilings& ceilings);

}  // namespace ktrain::bench
