// The analysis in words and tables: docs/experiment.md.
#pragma once

#include <string>
#include <vector>

#include "train/experiment/analysis.h"

namespace ktrain::experiment {

// Markdown. `folder` is the experiment's, with DESIGN and journal.jsonl.
[[nodiscard]] std::string report_markdown(const Design& design,
                                          const std::vector<MeasuredRun>& runs,
                                          const Analysis& analysis, const std::string& folder);

// One JSON object with the verdict, the hypotheses, every arm and every group.
[[nodiscard]] std::string analysis_json(const Design& design, const Analysis& analysis);

}  // namespace ktrain::experiment
