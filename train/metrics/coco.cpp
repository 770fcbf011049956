#include "train/metrics/coco.h"

#include <cmath>
#include <limits>

#include "kernels/check.h"

namespace ktrain::metrics {
namespace {

constexpr std::size_t kIous = 10, kRecalls = 101, kAreas = 4, kCaps = 3, kCrop = 100;
constexpr std::array<std::size_t, kCaps> kCap = {1, 10, 100};

struct AreaRange {
  double low, high;
};
constexpr std::array<AreaRange, kAreas> kArea = {
    {{0, 1e10}, {0, 32.0 * 32}, {32.0 * 32, 96.0 * 96}, {96.0 * 96, 1e10}}};

// numpy.linspace(.5, .95, 10) to the last bit: a step, not a sum.
double iou_point(std::size_t i) {
  return i + 1 == kIous ? 0.95 : 0.5 + static_cast<double>(i) * ((0.95 - 0.5) / 9);
}
double recall_point(std::size_t i) { return static_cast<double>(i) * 0.01; }

// One detection of one image in one area range; bit i of the masks is IoU threshold i.
struct Verdict {
  double score = 0;
  std::size_t rank = 0;  // among the image's detections by score
  unsigned hit = 0;
  unsigned ignored = 0;
};

struct Slice {  // one class in one area range, over all images
  std::vector<Verdict> verdicts;
  double targets = 0;
};

// One image and one class, with overlaps of its detections (rows) and targets (columns).
struct Scene {
  std::vector<const Detection*> detections;
  std::vector<const Target*> targets;
  std::vector<double> overlaps;
};

Scene make_scene(const ImageTruth& truth, const Detections& detections, int label) {
  Scene scene;
  for (const std::size_t d : by_score(detections))
    if (detections[d].label == label && scene.detections.size() < kCrop)
      scene.detections.push_back(&detections[d]);
  for (const Target& target : truth.targets)
    if (target.label == label) scene.targets.push_back(&target);
  for (const Detection* detection : scene.detections)
    for (const Target* target : scene.targets)
      scene.overlaps.push_back(overlap(detection->box, target->box, target->ignore));
  return scene;
}

bool outside(double area, AreaRange range) { return area < range.low || area > range.high; }

// Greedy matching at IoU threshold `bit`. `order` lists targets, the first `real` of them real.
void match(const Scene& scene, const std::vector<std::size_t>& order, std::size_t real,
           AreaRange range, std::size_t bit, std::vector<Verdict>& verdicts) {
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::vector<bool> taken(order.size(), false);
  for (std::size_t d = 0; d < scene.detections.size(); ++d) {
    double best = std::min(iou_point(bit), 1 - 1e-10);
    std::size_t where = kNone;
    for (std::size_t k = 0; k < order.size(); ++k) {
      const Target& target = *scene.targets[order[k]];
      if (taken[k] && !target.ignore) continue;
      if (k >= real && where < real) break;
      const double here = scene.overlaps[d * order.size() + order[k]];
      if (here < best) continue;
      best = here;
      where = k;
    }
    const unsigned mask = 1u << bit;
    if (where != kNone) {
      taken[where] = true;
      (where < real ? verdicts[d].hit : verdicts[d].ignored) |= mask;
    } else if (outside(scene.detections[d]->box.area(), range)) {
      verdicts[d].ignored |= mask;
    }
  }
}

void judge(const Scene& scene, AreaRange range, Slice& slice) {
  std::vector<std::size_t> order;
  std::size_t real = 0;
  for (const bool ignored : {false, true}) {
    for (std::size_t t = 0; t < scene.targets.size(); ++t) {
      const Target& target = *scene.targets[t];
      const double area = target.area < 0 ? target.box.area() : target.area;
      if ((target.ignore || outside(area, range)) == ignored) order.push_back(t);
    }
    if (!ignored) real = order.size();
  }
  slice.targets += static_cast<double>(real);

  std::vector<Verdict> verdicts(scene.detections.size());
  for (std::size_t d = 0; d < verdicts.size(); ++d)
    verdicts[d] = {.score = scene.detections[d]->score, .rank = d};
  for (std::size_t bit = 0; bit < kIous; ++bit) match(scene, order, real, range, bit, verdicts);
  slice.verdicts.insert(slice.verdicts.end(), verdicts.begin(), verdicts.end());
}

struct ApAr {
  double ap = -1;
  double ar = -1;
};

// Precision at the 101 recall points (their mean) and final recall of one slice at one threshold.
// `slice.verdicts` are sorted by falling score; those of rank >= cap are left out.
ApAr curve(const Slice& slice, std::size_t cap, std::size_t bit) {
  if (slice.targets == 0) return {};
  std::vector<double> recall, precision;
  double hits = 0, alarms = 0;
  for (const Verdict& verdict : slice.verdicts) {
    if (verdict.rank >= cap) continue;
    if (!((verdict.ignored >> bit) & 1u)) ++((verdict.hit >> bit) & 1u ? hits : alarms);
    recall.push_back(hits / slice.targets);
    precision.push_back(hits / (hits + alarms + std::numeric_limits<double>::epsilon()));
  }
  for (std::size_t i = precision.size(); i > 1; --i)
    precision[i - 2] = std::max(precision[i - 2], precision[i - 1]);
  double sum = 0;
  std::size_t at = 0;
  for (std::size_t r = 0; r < kRecalls; ++r) {
    while (at < recall.size() && recall[at] < recall_point(r)) ++at;
    if (at < precision.size()) sum += precision[at];
  }
  return {sum / kRecalls, recall.empty() ? 0.0 : recall.back()};
}

// Mean over what is not -1; -1 when nothing is left.
class Mean {
 public:
  void add(double value) {
    if (value < 0) return;
    sum_ += value;
    ++count_;
  }
  [[nodiscard]] double value() const { return count_ > 0 ? sum_ / count_ : -1; }

 private:
  double sum_ = 0;
  int count_ = 0;
};

}  // namespace

CocoScore coco_score(std::span<const ImageTruth> truth, std::span<const Detections> detections,
                     int num_classes) {
  KT_CHECK(truth.size() == detections.size(), "coco_score: {} images, {} lists of detections",
           truth.size(), detections.size());
  const auto check_label = [&](int label, const std::string& where) {
    KT_CHECK(label >= 0 && label < num_classes, "coco_score: {}: label {} of {} classes", where,
             label, num_classes);
  };
  for (std::size_t i = 0; i < truth.size(); ++i) {
    for (const Target& target : truth[i].targets) check_label(target.label, truth[i].name);
    for (const Detection& found : detections[i]) check_label(found.label, truth[i].name);
  }

  std::array<Mean, 12> means;
  for (int label = 0; label < num_classes; ++label) {
    std::array<Slice, kAreas> slices;
    for (std::size_t i = 0; i < truth.size(); ++i) {
      const Scene scene = make_scene(truth[i], detections[i], label);
      for (std::size_t a = 0; a < kAreas; ++a) judge(scene, kArea[a], slices[a]);
    }
    for (Slice& slice : slices)
      std::stable_sort(slice.verdicts.begin(), slice.verdicts.end(),
                       [](const Verdict& a, const Verdict& b) { return a.score > b.score; });
    for (std::size_t bit = 0; bit < kIous; ++bit) {
      const ApAr all = curve(slices[0], 100, bit);
      means[0].add(all.ap);
      if (bit == 0) means[1].add(all.ap);
      if (bit == 5) means[2].add(all.ap);
      for (std::size_t m = 0; m < kCaps; ++m) means[6 + m].add(curve(slices[0], kCap[m], bit).ar);
      for (std::size_t a = 1; a < kAreas; ++a) {
        const ApAr part = curve(slices[a], 100, bit);
        means[2 + a].add(part.ap);
        means[8 + a].add(part.ar);
      }
    }
  }
  CocoScore result;
  for (std::size_t k = 0; k < 12; ++k) result.values[k] = means[k].value();
  return result;
}

}  // namespace ktrain::metrics
