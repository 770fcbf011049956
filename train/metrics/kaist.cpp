#include "train/metrics/kaist.h"

#include <cmath>

#include "kernels/check.h"

namespace ktrain::metrics {
namespace {

constexpr double kThreshold = 0.5;
constexpr std::size_t kMlpdDetections = 1000;
constexpr std::array<double, 9> kRoundedFppi = {.0100, .0178, .0316, .0562, .1000,
                                                .1778, .3162, .5623, 1.0000};

struct Verdict {
  double score;
  bool hit;
};

// The set number of "set06/V000/I00019" or "set06_V000_I00019"; -1 without one.
int set_number(std::string_view name) {
  const auto digit = [&](std::size_t i) {
    return i < name.size() && name[i] >= '0' && name[i] <= '9' ? name[i] - '0' : -1;
  };
  if (!name.starts_with("set") || digit(3) < 0 || digit(4) < 0) return -1;
  return digit(3) * 10 + digit(4);
}

bool is_ignored(const Target& target, const KaistSetup& setup, const KaistOptions& options) {
  const double sx = options.image_width / 640, sy = options.image_height / 512;
  const Box& box = target.box;
  const bool occlusion = target.occlusion >= 0 && target.occlusion < 3 &&
                         setup.occlusions[static_cast<std::size_t>(target.occlusion)];
  return target.ignore || target.label != 0 || !occlusion || box.h < setup.min_height * sy ||
         box.h > setup.max_height * sy || box.x < 5 * sx || box.y < 5 * sy ||
         box.x + box.w > 635 * sx || box.y + box.h > 507 * sy;
}

// One image's targets as a setup sees them: `real` of them first, then those to ignore.
struct Sorted {
  std::vector<Box> boxes;
  std::size_t real = 0;
};

Sorted sort_targets(const ImageTruth& truth, const KaistSetup& setup, const KaistOptions& options) {
  Sorted sorted;
  std::vector<Box> ignored;
  for (const Target& target : truth.targets)
    (is_ignored(target, setup, options) ? ignored : sorted.boxes).push_back(target.box);
  sorted.real = sorted.boxes.size();
  sorted.boxes.insert(sorted.boxes.end(), ignored.begin(), ignored.end());
  return sorted;
}

// Appends the detections that count, by falling score.
void judge_image(const Sorted& targets, const Detections& detections, const KaistOptions& options,
                 std::vector<Verdict>& verdicts) {
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::vector<bool> taken(targets.boxes.size(), false);
  std::size_t seen = 0;
  for (const std::size_t d : by_score(detections)) {
    const Detection& detection = detections[d];
    if (detection.label != 0) continue;
    if (options.mlpd && seen++ >= kMlpdDetections) break;
    double best = kThreshold;
    std::size_t where = kNone;
    for (std::size_t t = 0; t < targets.boxes.size(); ++t) {
      const bool ignored = t >= targets.real;
      if (taken[t]) continue;
      if (ignored && where != kNone) break;
      const double here = overlap(detection.box, targets.boxes[t], ignored);
      if (here < best) continue;
      best = here;
      where = t;
    }
    if (where != kNone && where >= targets.real) continue;
    if (where != kNone) taken[where] = true;
    verdicts.push_back({detection.score, where != kNone});
  }
}

}  // namespace

std::vector<KaistSetup> kaist_setups() {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  using enum KaistSubset;
  const std::array<bool, 3> none = {true, false, false}, partial = {false, true, false},
                            heavy = {false, false, true}, any = {true, true, true},
                            reasonable = {true, true, false};
  return {{"reasonable/all", kAll, 55, kInf, reasonable},
          {"reasonable/day", kDay, 55, kInf, reasonable},
          {"reasonable/night", kNight, 55, kInf, reasonable},
          {"reasonable/campus", kCampus, 55, kInf, reasonable},
          {"reasonable/road", kRoad, 55, kInf, reasonable},
          {"reasonable/downtown", kDowntown, 55, kInf, reasonable},
          {"reasonable small", kAll, 50, 75, reasonable},
          {"reasonable heavy", kAll, 50, kInf, heavy},
          {"all 20+", kAll, 20, kInf, any},
          {"scale near", kAll, 115, kInf, none},
          {"scale medium", kAll, 45, 115, none},
          {"scale far", kAll, 1, 45, none},
          {"occlusion none", kAll, 1, kInf, none},
          {"occlusion partial", kAll, 1, kInf, partial},
          {"occlusion heavy", kAll, 1, kInf, heavy}};
}

bool in_subset(std::string_view image_name, KaistSubset subset) {
  if (subset == KaistSubset::kAll) return true;
  const int set = set_number(image_name);
  if (set < 0) return false;
  switch (subset) {
    case KaistSubset::kDay:
      return set % 6 < 3;
    case KaistSubset::kNight:
      return set % 6 >= 3;
    case KaistSubset::kCampus:
      return set % 3 == 0;
    case KaistSubset::kRoad:
      return set % 3 == 1;
    default:
      return set % 3 == 2;
  }
}

double log_average_miss_rate(std::span<const FppiPoint> curve, bool mlpd) {
  double sum = 0;
  for (std::size_t k = 0; k < kRoundedFppi.size(); ++k) {
    const double at = mlpd ? kRoundedFppi[k] : std::pow(10.0, -2.0 + 0.25 * static_cast<double>(k));
    double recall = mlpd && !curve.empty() ? curve.back().recall : 0.0;
    for (const FppiPoint& point : curve) {
      if (point.fppi > at) break;
      recall = point.recall;
    }
    sum += std::log(mlpd ? 1 - recall : std::max(1e-10, 1 - recall));
  }
  return std::exp(sum / static_cast<double>(kRoundedFppi.size()));
}

KaistScore kaist_score(std::span<const ImageTruth> truth, std::span<const Detections> detections,
                       const KaistSetup& setup, const KaistOptions& options) {
  KT_CHECK(truth.size() == detections.size(), "kaist_score: {} images, {} lists of detections",
           truth.size(), detections.size());
  KaistScore result{.setup = setup.name};
  std::vector<Verdict> verdicts;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    if (!in_subset(truth[i].name, setup.subset)) continue;
    ++result.images;
    if (options.mlpd && detections[i].empty()) continue;
    const Sorted targets = sort_targets(truth[i], setup, options);
    result.targets += static_cast<std::int64_t>(targets.real);
    result.ignored += static_cast<std::int64_t>(targets.boxes.size() - targets.real);
    judge_image(targets, detections[i], options, verdicts);
  }
  if (result.targets == 0) return result;

  std::stable_sort(verdicts.begin(), verdicts.end(),
                   [](const Verdict& a, const Verdict& b) { return a.score > b.score; });
  double hits = 0, alarms = 0;
  for (const Verdict& verdict : verdicts) {
    ++(verdict.hit ? hits : alarms);
    result.curve.push_back({verdict.score, alarms / static_cast<double>(result.images),
                            hits / static_cast<double>(result.targets)});
  }
  result.recall = result.curve.empty() ? 0.0 : result.curve.back().recall;
  result.miss_rate = log_average_miss_rate(result.curve, options.mlpd);
  return result;
}

Outcomes kaist_outcomes(std::span<const ImageTruth> truth, std::span<const Detections> detections,
                        const KaistSetup& setup, const KaistOptions& options) {
  KT_CHECK(truth.size() == detections.size(), "kaist_outcomes: {} images, {} lists of detections",
           truth.size(), detections.size());
  KT_CHECK(setup.subset == KaistSubset::kAll && !options.mlpd,
           "kaist_outcomes: wanted a setup of all images by the MATLAB rule, not {}", setup.name);
  Outcomes out;
  std::vector<Verdict> verdicts;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const Sorted targets = sort_targets(truth[i], setup, options);
    out.targets.push_back(static_cast<std::int64_t>(targets.real));
    verdicts.clear();
    judge_image(targets, detections[i], options, verdicts);
    for (const Verdict& verdict : verdicts)
      out.found.push_back({verdict.score, static_cast<std::uint32_t>(i), verdict.hit});
  }
  std::stable_sort(out.found.begin(), out.found.end(),
                   [](const Outcome& a, const Outcome& b) { return a.score > b.score; });
  return out;
}

}  // namespace ktrain::metrics
