// The measures of an experiment's runs by quality, arm and seed.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "train/experiment/analysis.h"

namespace ktrain::experiment {

struct CellName {
  std::string quality, arm;
};

class RunTable {
 public:
  using Value = std::function<std::optional<double>(const RunMeasure&)>;

  RunTable(const Design& design, const std::vector<MeasuredRun>& runs)
      : design_(design), runs_(runs) {}

  // nullptr for a run that is not done.
  [[nodiscard]] const RunMeasure* find(const CellName& cell, std::int64_t seed) const;
  // One number per seed that has it, in the order of seeds.
  [[nodiscard]] std::vector<double> values(const CellName& cell, const Value& value) const;
  // a - b of each seed that has both.
  [[nodiscard]] std::vector<double> differences(const CellName& a, const CellName& b,
                                                const Value& value) const;

 private:
  const Design& design_;
  const std::vector<MeasuredRun>& runs_;
};

// What a run says of itself.
[[nodiscard]] std::optional<double> map_of(const RunMeasure& run);
[[nodiscard]] RunTable::Value xcos_of(const std::string& group);
[[nodiscard]] bool is_visible(const std::string& group);
// Over the design's visible groups that have one.
[[nodiscard]] RunTable::Value visible_xcos(const Design& design);

}  // namespace ktrain::experiment
