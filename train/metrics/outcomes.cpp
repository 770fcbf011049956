#include "train/metrics/outcomes.h"

#include <limits>

#include "kernels/check.h"
#include "train/metrics/kaist.h"
#include "train/metrics/voc.h"

namespace ktrain::metrics {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

std::int64_t selected_targets(const Outcomes& outcomes, std::span<const std::uint32_t> times) {
  KT_CHECK(times.size() == outcomes.targets.size(), "outcomes: {} images, {} times",
           outcomes.targets.size(), times.size());
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < times.size(); ++i) sum += outcomes.targets[i] * times[i];
  return sum;
}

// A detection that counts n times gives one point, the last of its n. That loses nothing: within
// the n copies of a hit precision only rises, and recall stays within those of a false alarm.
std::vector<PrPoint> pr_curve(const Outcomes& outcomes, std::span<const std::uint32_t> times,
                              std::int64_t targets) {
  std::vector<PrPoint> curve;
  double hits = 0, alarms = 0;
  for (const Outcome& outcome : outcomes.found) {
    const std::uint32_t n = times[outcome.image];
    if (n == 0) continue;
    (outcome.hit ? hits : alarms) += n;
    curve.push_back({outcome.score, hits / static_cast<double>(targets), hits / (hits + alarms)});
  }
  return curve;
}

double precision_of(const Outcomes& outcomes, std::span<const std::uint32_t> times, ApKind kind) {
  const std::int64_t targets = selected_targets(outcomes, times);
  return targets == 0 ? kNone : average_precision(pr_curve(outcomes, times, targets), kind);
}

}  // namespace

double average_precision(const Outcomes& outcomes, std::span<const std::uint32_t> times) {
  return precision_of(outcomes, times, ApKind::kArea);
}

double eleven_point_precision(const Outcomes& outcomes, std::span<const std::uint32_t> times) {
  return precision_of(outcomes, times, ApKind::kElevenPoint);
}

double recall(const Outcomes& outcomes, std::span<const std::uint32_t> times) {
  const std::int64_t targets = selected_targets(outcomes, times);
  if (targets == 0) return kNone;
  double hits = 0;
  for (const Outcome& outcome : outcomes.found) hits += outcome.hit ? times[outcome.image] : 0;
  return hits / static_cast<double>(targets);
}

double miss_rate(const Outcomes& outcomes, std::span<const std::uint32_t> times) {
  const std::int64_t targets = selected_targets(outcomes, times);
  if (targets == 0) return kNone;
  double images = 0, hits = 0, alarms = 0;
  for (const std::uint32_t n : times) images += n;
  std::vector<FppiPoint> curve;
  for (const Outcome& outcome : outcomes.found) {
    const std::uint32_t n = times[outcome.image];
    if (n == 0) continue;
    (outcome.hit ? hits : alarms) += n;
    curve.push_back({outcome.score, alarms / images, hits / static_cast<double>(targets)});
  }
  return log_average_miss_rate(curve);
}

}  // namespace ktrain::metrics
