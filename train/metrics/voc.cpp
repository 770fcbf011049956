#include "train/metrics/voc.h"

#include <array>
#include <cmath>

#include "kernels/check.h"

namespace ktrain::metrics {
namespace {

// t * 0.1 in binary lies above t/10 for t = 3, 6, 7, as it does in the devkit and in numpy.arange:
// a recall of exactly 3/10 does not reach the point .3 there, and scores must agree.
double recall_point(int t) { return t * 0.1; }

enum class Fate { kHit, kFalseAlarm, kVanishes };

struct Verdict {
  double score;
  Fate fate;
};

double voc_iou(const Box& a, const Box& b, double one) {
  const double w = std::min(a.x + a.w, b.x + b.w) - std::max(a.x, b.x) + one;
  const double h = std::min(a.y + a.h, b.y + b.h) - std::max(a.y, b.y) + one;
  const double common = std::max(w, 0.0) * std::max(h, 0.0);
  const double both = (a.w + one) * (a.h + one) + (b.w + one) * (b.h + one) - common;
  return both > 0 ? common / both : 0;
}

// The fates of one image's detections of class `label`, by falling score.
void judge_image(const ImageTruth& truth, const Detections& detections, int label,
                 const VocOptions& options, std::vector<Verdict>& verdicts) {
  std::vector<const Target*> targets;
  for (const bool ignored : {false, true})
    for (const Target& target : truth.targets)
      if (target.label == label && target.ignore == ignored) targets.push_back(&target);

  std::vector<bool> taken(targets.size(), false);
  const double one = options.legacy_plus_one ? 1.0 : 0.0;
  for (const std::size_t d : by_score(detections)) {
    const Detection& detection = detections[d];
    if (detection.label != label) continue;
    double best = -1;
    std::size_t where = 0;
    for (std::size_t t = 0; t < targets.size(); ++t) {
      const double iou = voc_iou(detection.box, targets[t]->box, one);
      if (iou > best) {
        best = iou;
        where = t;
      }
    }
    Fate fate = Fate::kFalseAlarm;
    if (best >= options.iou) {
      if (targets[where]->ignore) {
        fate = Fate::kVanishes;
      } else if (!taken[where]) {
        taken[where] = true;
        fate = Fate::kHit;
      }
    }
    verdicts.push_back({detection.score, fate});
  }
}

// A detection that vanished keeps its point: it moves neither count.
std::vector<PrPoint> make_curve(std::vector<Verdict> verdicts, std::int64_t gts) {
  std::stable_sort(verdicts.begin(), verdicts.end(),
                   [](const Verdict& a, const Verdict& b) { return a.score > b.score; });
  std::vector<PrPoint> curve;
  curve.reserve(verdicts.size());
  double hits = 0, alarms = 0;
  for (const Verdict& verdict : verdicts) {
    hits += verdict.fate == Fate::kHit;
    alarms += verdict.fate == Fate::kFalseAlarm;
    const double precision = hits + alarms > 0 ? hits / (hits + alarms) : 0.0;
    curve.push_back({verdict.score, hits / static_cast<double>(gts), precision});
  }
  return curve;
}

std::string number(double value) {
  return std::isnan(value) ? "n/a" : fmt::format("{:.3f}", value);
}

}  // namespace

double average_precision(std::span<const PrPoint> curve, ApKind kind) {
  // Walking from the right, `best` is the largest precision at this recall or beyond.
  double best = 0, sum = 0;
  if (kind == ApKind::kElevenPoint) {
    std::size_t next = curve.size();
    for (int t = 10; t >= 0; --t) {
      while (next > 0 && curve[next - 1].recall >= recall_point(t))
        best = std::max(best, curve[--next].precision);
      sum += best;
    }
    return sum / 11;
  }
  for (std::size_t i = curve.size(); i > 0; --i) {
    best = std::max(best, curve[i - 1].precision);
    sum += (curve[i - 1].recall - (i > 1 ? curve[i - 2].recall : 0.0)) * best;
  }
  return sum;
}

int filled_bins(std::span<const PrPoint> curve) {
  int bins = 0;
  for (int t = 0; t <= 10; ++t) bins += !curve.empty() && curve.back().recall >= recall_point(t);
  return bins;
}

VocScore voc_score(std::span<const ImageTruth> truth, std::span<const Detections> detections,
                   std::span<const std::string> class_names, const VocOptions& options) {
  KT_CHECK(truth.size() == detections.size(), "voc_score: {} images, {} lists of detections",
           truth.size(), detections.size());
  const int num_classes = static_cast<int>(class_names.size());
  for (std::size_t i = 0; i < truth.size(); ++i) {
    for (const Target& target : truth[i].targets)
      KT_CHECK(target.label >= 0 && target.label < num_classes,
               "voc_score: a target of {} has label {} of {} classes", truth[i].name, target.label,
               num_classes);
    for (const Detection& found : detections[i])
      KT_CHECK(found.label >= 0 && found.label < num_classes && !std::isnan(found.score),
               "voc_score: a detection of {} has label {} of {} classes, score {}", truth[i].name,
               found.label, num_classes, found.score);
  }

  VocScore result;
  double sum_eleven = 0, sum_area = 0;
  int counted = 0;
  for (int label = 0; label < num_classes; ++label) {
    VocClass entry{.name = class_names[static_cast<std::size_t>(label)]};
    std::vector<Verdict> verdicts;
    for (std::size_t i = 0; i < truth.size(); ++i) {
      for (const Target& target : truth[i].targets)
        if (target.label == label) ++(target.ignore ? entry.ignored : entry.gts);
      judge_image(truth[i], detections[i], label, options, verdicts);
    }
    entry.dets = static_cast<std::int64_t>(verdicts.size());
    if (entry.gts > 0) {
      entry.curve = make_curve(std::move(verdicts), entry.gts);
      entry.recall = entry.curve.empty() ? 0.0 : entry.curve.back().recall;
      entry.ap_eleven = average_precision(entry.curve, ApKind::kElevenPoint);
      entry.ap_area = average_precision(entry.curve, ApKind::kArea);
      entry.bins = filled_bins(entry.curve);
      sum_eleven += entry.ap_eleven;
      sum_area += entry.ap_area;
      ++counted;
    }
    result.classes.push_back(std::move(entry));
  }
  if (counted > 0) {
    result.map_eleven = sum_eleven / counted;
    result.map_area = sum_area / counted;
  }
  return result;
}

Outcomes voc_outcomes(std::span<const ImageTruth> truth, std::span<const Detections> detections,
                      const VocOptions& options) {
  KT_CHECK(truth.size() == detections.size(), "voc_outcomes: {} images, {} lists of detections",
           truth.size(), detections.size());
  Outcomes out;
  std::vector<Verdict> verdicts;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    std::int64_t targets = 0;
    for (const Target& target : truth[i].targets) targets += target.label == 0 && !target.ignore;
    out.targets.push_back(targets);
    verdicts.clear();
    judge_image(truth[i], detections[i], 0, options, verdicts);
    for (const Verdict& verdict : verdicts)
      if (verdict.fate != Fate::kVanishes)
        out.found.push_back(
            {verdict.score, static_cast<std::uint32_t>(i), verdict.fate == Fate::kHit});
  }
  std::stable_sort(out.found.begin(), out.found.end(),
                   [](const Outcome& a, const Outcome& b) { return a.score > b.score; });
  return out;
}

std::string voc_table(const VocScore& score, ApKind kind) {
  using Row = std::array<std::string, 5>;
  std::vector<Row> rows = {{"class", "gts", "dets", "recall", "ap"}};
  for (const VocClass& entry : score.classes)
    rows.push_back({entry.name, fmt::format("{}", entry.gts), fmt::format("{}", entry.dets),
                    number(entry.recall),
                    number(kind == ApKind::kArea ? entry.ap_area : entry.ap_eleven)});
  rows.push_back(
      {"mAP", "", "", "", number(kind == ApKind::kArea ? score.map_area : score.map_eleven)});

  std::array<std::size_t, 5> width{};
  for (const Row& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) width[c] = std::max(width[c], row[c].size());
  std::string rule = "+";
  for (const std::size_t w : width) rule += std::string(w + 2, '-') + "+";
  rule += "\n";

  std::string text = rule;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t c = 0; c < width.size(); ++c)
      text += fmt::format("| {:<{}} ", rows[r][c], width[c]);
    text += "|\n";
    const bool body = r > 0 && r + 2 < rows.size();
    if (!body) text += rule;
  }
  return text;
}

}  // namespace ktrain::metrics
