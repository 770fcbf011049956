// H1 to H4, as docs/experiments.md states them.
#pragma once

#include <vector>

#include "train/experiment/run_table.h"

namespace ktrain::experiment {

[[nodiscard]] std::vector<GroupSummary> group_summaries(const Design& design,
                                                        const RunTable& table);

// With Holm's adjustment over the four.
[[nodiscard]] std::vector<Hypothesis> test_hypotheses(const Design& design, const RunTable& table,
                                                      const std::vector<GroupSummary>& groups);

// "-0.031 [-0.052, -0.010] (n = 6)", or "too few runs".
[[nodiscard]] std::string interval_text(const std::optional<MeanInterval>& interval, int digits = 3,
                                        double factor = 1);

}  // namespace ktrain::experiment
