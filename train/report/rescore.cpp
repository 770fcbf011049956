#include "train/report/rescore.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>
#include <sstream>

#include "data/resize.h"
#include "runtime/fault.h"
#include "train/metrics/results.h"
#include "train/plan_data.h"
#include "train/report/html.h"

namespace ktrain::report {
namespace {

constexpr int kWidest = 640, kQuality = 82;

std::string base64(std::span<const std::uint8_t> bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t n = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (k < n ? bytes[i + k] : 0U);
    for (std::size_t k = 0; k < 4; ++k) out += k <= n ? kDigits[group >> (18 - 6 * k) & 63U] : '=';
  }
  return out;
}

std::string data_uri(const DataFolder& folder, const std::string& path) {
  std::vector<std::uint8_t> bytes;
  folder.read(path, ImageLimits{}.max_file_bytes, bytes);
  const std::string name = folder.shown(path);
  Image image = decode_image({name, bytes});
  while (image.width > kWidest)
    image = resize_bilinear(image, {(image.height + 1) / 2, (image.width + 1) / 2});
  return "data:image/jpeg;base64," + base64(encode_jpeg(image, kQuality));
}

// Detections from `threshold` on take the free target of largest overlap, best score first.
WorstPair judge(const metrics::ImageTruth& truth, const metrics::Detections& found,
                double threshold) {
  constexpr double kIou = 0.5;
  WorstPair pair;
  std::vector<bool> taken(truth.targets.size(), false);
  for (const std::size_t i : metrics::by_score(found)) {
    if (found[i].score < threshold) break;
    double best = kIou;
    std::optional<std::size_t> hit;
    bool on_ignored = false;
    for (std::size_t t = 0; t < truth.targets.size(); ++t) {
      const metrics::Target& target = truth.targets[t];
      const double common = metrics::overlap(found[i].box, target.box, target.ignore);
      if (target.ignore)
        on_ignored = on_ignored || common >= kIou;
      else if (!taken[t] && common >= best) {
        best = common;
        hit = t;
      }
    }
    if (hit) taken[*hit] = true;
    if (!hit && on_ignored) continue;
    pair.false_alarms += !hit;
    pair.boxes.push_back(
        {found[i].box, hit ? WorstBox::Kind::kHit : WorstBox::Kind::kFalse, found[i].score});
  }
  for (std::size_t t = 0; t < truth.targets.size(); ++t) {
    if (truth.targets[t].ignore)
      pair.boxes.push_back({truth.targets[t].box, WorstBox::Kind::kIgnored, 0});
    else if (!taken[t]) {
      ++pair.misses;
      pair.boxes.push_back({truth.targets[t].box, WorstBox::Kind::kMissed, 0});
    }
  }
  return pair;
}

void find_worst(const RunList& list, const DataFolder& folder,
                std::span<const metrics::Detections> found, std::size_t count, Rescored& out) {
  const auto truth = truth_of(list.index);
  std::vector<WorstPair> all;
  for (std::size_t i = 0; i < truth.size(); ++i)
    all.push_back(judge(truth[i], found[i], out.threshold));
  std::vector<std::size_t> order(all.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto errors = [&](std::size_t i) { return all[i].misses + all[i].false_alarms; };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return errors(a) > errors(b); });
  for (std::size_t k = 0; k < std::min(count, order.size()) && errors(order[k]) > 0; ++k) {
    WorstPair& pair = all[order[k]];
    const Pair& source = list.index[static_cast<std::int64_t>(order[k])];
    pair.id = source.id;
    pair.width = source.width;
    pair.height = source.height;
    try {
      pair.visible = data_uri(folder, source.visible);
      pair.thermal = data_uri(folder, source.thermal);
    } catch (const Fault& fault) {
      pair.problem = fault.what();
    }
    out.worst.push_back(std::move(pair));
  }
}

void find_threshold(Rescored& out) {
  for (const metrics::PrPoint& p : out.precision_recall) {
    const double f1 =
        p.precision + p.recall > 0 ? 2 * p.precision * p.recall / (p.precision + p.recall) : 0;
    if (f1 <= out.f1) continue;
    out.f1 = f1;
    out.threshold = p.score;
  }
}

void rescore_from(const RunData& run, std::size_t worst, Rescored& out) {
  const Plan& plan = run.plan->plan;
  const std::string at = fmt::format("{}/val/epoch_{:02}/", run.path, out.epoch);
  std::ostringstream text;
  std::ifstream in(at + "detections.txt", std::ios::binary);
  if (!in) {
    out.problem = at + "detections.txt is not there";
    return;
  }
  text << in.rdbuf();
  const DataFolder folder(plan.data.root);
  PairReport report = read_pairs(folder, pair_source(plan.data, "val"));
  RunList list{report.list, {}, report.positive, report.ignored, report.empty};
  list.index = require_pairs(std::move(report), folder);
  std::vector<metrics::Detections> found(static_cast<std::size_t>(list.index.size()));
  metrics::parse_kaist_lines(text.str(), at + "detections.txt", 0, found.size(), {}, 0, found);
  Validation v = score(list, found);
  const std::string recorded = text_at(*run.best(), "fingerprint");
  if (v.fingerprint != recorded) {
    out.problem = fmt::format("the data set in {} is another one now: {} was measured, {} is there",
                              plan.data.root, recorded, v.fingerprint);
    return;
  }
  out.fingerprint = v.fingerprint;
  out.map = v.metric("map");
  out.recorded_map = number_at(*run.best(), "map");
  out.precision_recall = std::move(v.voc.classes[0].curve);
  out.miss_rate = v.kaist[0].miss_rate;
  out.fppi = std::move(v.kaist[0].curve);
  find_threshold(out);
  find_worst(list, folder, found, worst, out);
}

}  // namespace

Rescored rescore(const RunData& run, std::size_t worst) {
  Rescored out;
  out.epoch = run.best_epoch;
  if (run.best_epoch == 0)
    out.problem = "there is no validation yet";
  else if (!run.plan)
    out.problem = "the plan that names the data set cannot be read";
  else
    try {
      rescore_from(run, worst, out);
    } catch (const Fault& fault) {
      out.problem = fault.what();
    }
  return out;
}

}  // namespace ktrain::report
