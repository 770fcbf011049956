#include "train/experiment/run_table.h"

#include <algorithm>

namespace ktrain::experiment {

const RunMeasure* RunTable::find(const CellName& cell, std::int64_t seed) const {
  const auto at = std::find_if(runs_.begin(), runs_.end(), [&](const MeasuredRun& run) {
    return run.cell.seed == seed && run.cell.quality == cell.quality && run.cell.arm == cell.arm;
  });
  return at != runs_.end() && at->state == CellState::kDone ? &at->measure : nullptr;
}

std::vector<double> RunTable::values(const CellName& cell, const Value& value) const {
  std::vector<double> out;
  for (const std::int64_t seed : design_.seeds)
    if (const RunMeasure* const run = find(cell, seed))
      if (const auto x = value(*run)) out.push_back(*x);
  return out;
}

std::vector<double> RunTable::differences(const CellName& a, const CellName& b,
                                          const Value& value) const {
  std::vector<double> out;
  for (const std::int64_t seed : design_.seeds) {
    const RunMeasure *const left = find(a, seed), *const right = find(b, seed);
    if (!left || !right) continue;
    const auto x = value(*left), y = value(*right);
    if (x && y) out.push_back(*x - *y);
  }
  return out;
}

std::optional<double> map_of(const RunMeasure& run) { return run.map; }

RunTable::Value xcos_of(const std::string& group) {
  return [group](const RunMeasure& run) {
    const auto at = run.xcos.find(group);
    return at == run.xcos.end() ? std::nullopt : std::optional(at->second);
  };
}

bool is_visible(const std::string& group) { return group.starts_with("visible."); }

RunTable::Value visible_xcos(const Design& design) {
  return [&design](const RunMeasure& run) -> std::optional<double> {
    double sum = 0;
    std::int64_t count = 0;
    for (const std::string& group : design.groups) {
      const auto at = run.xcos.find(group);
      if (!is_visible(group) || at == run.xcos.end()) continue;
      sum += at->second;
      ++count;
    }
    return count > 0 ? std::optional(sum / static_cast<double>(count)) : std::nullopt;
  };
}

}  // namespace ktrain::experiment
