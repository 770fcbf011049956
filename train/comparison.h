// Runs side by side: the settings in which they differ, their metrics by epoch, and how sure the
// difference between two of them is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/metrics/bootstrap.h"
#include "train/run_history.h"

namespace ktrain {

// A key on which results depend and whose values are not all the same.
struct SettingRow {
  std::string key;
  std::vector<std::string> values;  // as TOML, one per run
  bool declared = false;            // one of the factors that the user named
};

struct MetricDifference {
  std::string metric;
  metrics::Interval interval;
};

// A run against the first one.
struct PairedComparison {
  std::size_t run = 0;
  std::int64_t first_epoch = 0, epoch = 0;
  // Why there is no difference to be given: data or protocol differ. Empty: there is one.
  std::string refused;
  std::vector<MetricDifference> differences;  // this run minus the first
};

struct ComparisonOptions {
  std::vector<std::string> factors;  // keys, or groups of keys ("loss.macl")
  std::string at = "best";           // best, last, epoch_N: which validation
  metrics::BootstrapOptions bootstrap;
};

struct Comparison {
  std::vector<RunHistory> runs;
  std::vector<SettingRow> settings;
  std::vector<std::string> warnings;  // whole sentences
  std::vector<PairedComparison> pairs;
};

// Which hit was which in one validation, from val/epoch_NN/detections.txt and the run's data.
struct ValidationOutcomes {
  metrics::Outcomes voc;         // for map, map_11point and recall
  metrics::Outcomes reasonable;  // for miss_rate
};

// Throws Fault KT-CMP-003 when the data is not what was validated on, or the detections are
// missing; KT-DATA-* when it cannot be read.
[[nodiscard]] ValidationOutcomes outcomes_of(const RunHistory& run, const ValidationRecord& at);
// `folder` holds detections.txt.
[[nodiscard]] ValidationOutcomes outcomes_of(const DataPlan& data, const std::string& fingerprint,
                                             const std::string& folder);

// By the names of kMetricNames.
[[nodiscard]] metrics::Interval difference(const ValidationOutcomes& left,
                                           const ValidationOutcomes& right,
                                           const std::string& metric,
                                           const metrics::BootstrapOptions& options);
[[nodiscard]] std::vector<double> resampled(const ValidationOutcomes& left,
                                            const ValidationOutcomes& right,
                                            const std::string& metric,
                                            const metrics::BootstrapOptions& options);

// Why two validations cannot be compared: other images, other boxes, another protocol. "" when they
// can.
[[nodiscard]] std::string why_not_comparable(const RunHistory& left, const ValidationRecord& a,
                                             const RunHistory& right, const ValidationRecord& b);

[[nodiscard]] std::vector<SettingRow> differing_settings(const std::vector<const Plan*>& plans,
                                                         const std::vector<std::string>& factors);

// The validation that `at` names. Throws Fault KT-CMP-004 when the run has none such.
[[nodiscard]] const ValidationRecord& validation_at(const RunHistory& run, const std::string& at);

// At least two folders. Throws Fault.
[[nodiscard]] Comparison compare_runs(const std::vector<std::string>& folders,
                                      const ComparisonOptions& options);

}  // namespace ktrain
