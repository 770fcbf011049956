#include "train/experiment/planned_power.h"

#include <fmt/format.h>

#include "train/experiment/inference.h"

namespace ktrain::experiment {

std::string planned_text(const Design& design) {
  const Rule& rule = design.rule;
  const auto seeds = static_cast<std::int64_t>(design.seeds.size());
  if (seeds < 2) return "One seed: no test is possible.";
  const double groups = static_cast<double>(design.groups.size());
  return fmt::format(
      "With {} seeds and a power of {:.0f} % a test at {:g} finds a mean {:.2f} standard "
      "deviations "
      "(of the seeds) from its bound, and in one of {} groups {:.2f}; ten seeds would find {:.2f} "
      "and {:.2f}.",
      seeds, rule.power * 100, rule.alpha, detectable(1, seeds, rule.alpha, rule.power),
      design.groups.size(), detectable(1, seeds, rule.alpha / groups, rule.power),
      detectable(1, 10, rule.alpha, rule.power),
      detectable(1, 10, rule.alpha / groups, rule.power));
}

}  // namespace ktrain::experiment
