// What the records of the conflict monitor come to in a report.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "train/monitor/probe_record.h"
#include "train/report/run_data.h"

namespace ktrain::report {

// A quantity with an interval, or why nothing can be said about it.
struct Estimate {
  std::optional<double> value, lo, hi;
  std::int64_t n = 0;
  std::string silent;  // "interval covers 0", "n = 7, wanted 20", ...; "" when it may be shown
};

struct Conflict {
  std::vector<ProbeRecord> probes;  // detection summed to one loss, "det", the first
  std::vector<std::string> gaps;    // what could not be read
  std::vector<std::string> losses;  // "det" and the auxiliary ones, of the first probe
  std::vector<std::string> groups;  // in the order of the network
  bool preconditioned = false;      // whether the probes have preconditioned products
};

[[nodiscard]] Conflict read_conflict(const RunData& run);

// <g_i, P g_j> where there is P, else <g_i, g_j>.
[[nodiscard]] const Gram& effective(const GroupGram& group);

// Preconditioned cosine of losses i and j in a group, none for a zero gradient.
[[nodiscard]] std::optional<double> cosine(const GroupGram& group, std::size_t i, std::size_t j);
// By epoch: the mean over its probes, with a band that holds at every n (95 %, both sides), its
// deviation inflated for serial correlation. Silent for n < 20, r1 > .3, or when the band covers 0.
[[nodiscard]] std::map<std::int64_t, Estimate> cosine_by_epoch(const Conflict& conflict,
                                                               const std::string& group,
                                                               std::size_t i, std::size_t j);
// w_k <g_k, T> / |T|^2 over all groups; sums to 1.
[[nodiscard]] std::vector<double> shares(const ProbeRecord& probe);
// -w_j <g_det, P g_j> / <g_det, P g_det> over one group, or over all when `group` is "".
[[nodiscard]] std::optional<double> tax(const ProbeRecord& probe, std::size_t j,
                                        const std::string& group = "");
// Change of loss k in one step by what loss j adds to it, to first order, over all groups.
[[nodiscard]] double effect(const ProbeRecord& probe, std::size_t k, std::size_t j);
// Mean over the probes with Student's t for a fixed n; silent when it covers 0.
[[nodiscard]] Estimate mean_effect(const Conflict& conflict, std::size_t k, std::size_t j);

}  // namespace ktrain::report
