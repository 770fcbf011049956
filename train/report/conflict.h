// What the records of the conflict monitor come to in a report. Quantities of a single probe are
// the monitor's own (train/monitor/detection_axis.h).
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
  std::optional<double> value, lo, hi;  // 95 %, of this quantity alone
  // Of all cells of a figure together; by correct().
  std::optional<double> family_lo = {}, family_hi = {};
  std::int64_t n = 0;
  double degrees = 0;  // of Student's t; 0: a confidence sequence, which holds at every n
  // Why it may not be shown: "n = 7, wanted 20", ...; "" when it may.
  std::string silent = {};
};

// Widens the interval so that those of `cells` quantities hold together with 95 % (Bonferroni), and
// silences what then covers 0: of a figure in which every true value is 0, one in twenty has a
// coloured cell, however many cells it has.
void correct(Estimate& estimate, std::size_t cells);

struct Conflict {
  std::vector<ProbeRecord> probes;  // detection summed to one loss, "det", the first
  std::vector<std::string> gaps;    // what could not be read
  std::vector<std::string> losses;  // "det" and the auxiliary ones, of the first probe
  std::vector<std::string> groups;  // in the order of the network
  bool preconditioned = false;      // whether the probes have preconditioned products
};

[[nodiscard]] Conflict read_conflict(const RunData& run);

// From the images to the heads: visible.stem .. thermal.neck, fusion, rpn, roi, others by name.
void sort_groups(std::vector<std::string>& groups);

// Mean preconditioned cosine of losses i and j over the probes of each epoch, with the band of the
// alarm rule, its deviation inflated for serial correlation. Silent for n < 20 or r1 > .3.
[[nodiscard]] std::map<std::int64_t, Estimate> cosine_by_epoch(const Conflict& conflict,
                                                               const std::string& group,
                                                               std::size_t i, std::size_t j);
// w_k <g_k, T> / |T|^2 over all groups; sums to 1.
[[nodiscard]] std::vector<double> shares(const ProbeRecord& probe);
// -w_j <g_det, P g_j> / <g_det, P g_det>, both summed over all groups.
[[nodiscard]] std::optional<double> total_tax(const ProbeRecord& probe, std::size_t j);
// Change of loss k in one step by what loss j adds to it, to first order, over all groups: mean
// over the probes with Student's t for a fixed n.
[[nodiscard]] Estimate mean_effect(const Conflict& conflict, std::size_t k, std::size_t j);

}  // namespace ktrain::report
