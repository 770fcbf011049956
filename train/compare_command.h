// `ktrain compare`: runs side by side.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "train/comparison.h"

namespace ktrain {

struct CompareOptions {
  std::vector<std::string> runs;  // folders; the first is what the others are compared with
  ComparisonOptions comparison;
  bool json = false;
};

// Returns 0. Throws Fault.
int run_compare(const CompareOptions& options, std::ostream& out);

// The same for people and as one JSON object.
[[nodiscard]] std::string comparison_text(const Comparison& c, const ComparisonOptions& options);
[[nodiscard]] std::string comparison_json(const Comparison& c, const ComparisonOptions& options);

// {"metric", "value", "lo", "hi"}; null where there is no interval.
[[nodiscard]] nlohmann::ordered_json to_json(const MetricDifference& d);

}  // namespace ktrain
