#include "train/experiment/measure.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <sstream>

#include <nlohmann/json.hpp>

#include "train/monitor/detection_axis.h"
#include "train/monitor/probe_json.h"
#include "train/monitor/statistics.h"
#include "train/monitor/windows.h"
#include "train/read_text.h"

namespace ktrain::experiment {
namespace {

using Json = nlohmann::json;

std::optional<double> number_at(const Json& json, const char* key) {
  const auto at = json.find(key);
  return at != json.end() && at->is_number() ? std::optional(at->get<double>()) : std::nullopt;
}

// A mean that grows.
struct Mean {
  double sum = 0, weight = 0;
  void add(double x, double w = 1) {
    sum += w * x;
    weight += w;
  }
  [[nodiscard]] std::optional<double> value() const {
    return weight > 0 ? std::optional(sum / weight) : std::nullopt;
  }
};

using Means = std::map<std::string, Mean>;

std::map<std::string, double> values_of(const Means& means) {
  std::map<std::string, double> out;
  for (const auto& [name, mean] : means)
    if (const auto value = mean.value()) out[name] = *value;
  return out;
}

// Dot products with detection, summed over probes.
struct Progress {
  double with_loss = 0, own = 0;
  [[nodiscard]] std::optional<double> tax() const {
    return own > 0 ? std::optional(-with_loss / own) : std::nullopt;
  }
};

void add_probes(const MonitorLog& log, const std::string& loss, const Design& design,
                RunMeasure& out) {
  Means pcos, rv;
  Mean clip, clip_det;
  SeriesMoments series;
  Progress all;
  std::map<std::string, Progress> by_group;
  for (const ProbeRecord& record : log.probes) {
    if (record.step < design.from_step) continue;
    const ProbeRecord summed = with_detection_summed(record);
    const auto at = std::find(summed.losses.begin(), summed.losses.end(), loss);
    if (at == summed.losses.end()) continue;
    const auto j = static_cast<std::size_t>(at - summed.losses.begin());
    ++out.probes;
    clip.add(summed.clip);
    clip_det.add(summed.clip_det);
    Mean pooled;
    for (const GroupGram& group : summed.groups) {
      const Gram& gram = step_gram(group);
      const double shared = summed.weights[j] * gram(0, j), own = gram(0, 0);
      by_group[group.group].with_loss += shared;
      by_group[group.group].own += own;
      if (group.rv) rv[group.group].add(*group.rv);
      if (std::find(design.groups.begin(), design.groups.end(), group.group) == design.groups.end())
        continue;
      all.with_loss += shared;
      all.own += own;
      if (const auto c = cosine(gram, 0, j)) {
        pcos[group.group].add(*c);
        pooled.add(*c);
      }
    }
    if (const auto c = pooled.value()) series.add(*c);
  }
  out.pcos = values_of(pcos);
  out.rv = values_of(rv);
  out.clip = clip.value();
  out.clip_det = clip_det.value();
  if (series.n() >= 3) out.r1 = series.r1();
  if (out.probes == 0) return;
  out.tax = all.tax();
  for (const auto& [group, progress] : by_group)
    if (const auto tax = progress.tax()) out.group_tax[group] = *tax;
}

void add_windows(const MonitorLog& log, const std::string& loss, const Design& design,
                 RunMeasure& out) {
  Means xcos, self;
  const std::string pair = std::string(kDetection) + "~" + loss;
  for (const SeparateWindow& window : separate_windows(log, design.from_step)) {
    ++out.windows;
    const auto weight = static_cast<double>(window.probes());
    const Json groups = window.json.value("groups", Json::object());
    for (const auto& [group, cell] : groups.items()) {
      const Json pairs = cell.value("xcos", Json::object());
      if (const auto at = pairs.find(pair); at != pairs.end()) {
        if (const auto value = number_at(*at, "value"))
          xcos[group].add(*value, weight);
        else
          ++out.below_noise[group];
      }
      if (const auto value = number_at(cell.value("self", Json::object()), kDetection))
        self[group].add(*value, weight);
    }
  }
  out.xcos = values_of(xcos);
  out.self = values_of(self);
}

void add_other_lines(const MonitorLog& log, const std::string& loss, const Design& design,
                     RunMeasure& out) {
  Mean held_out;
  for (const MonitorLine& line : log.others) {
    const Json json = Json::parse(line.text, nullptr, false);
    if (!json.is_object()) continue;
    const bool ours = json.value("loss", "") == loss;
    const std::string level = line.kind == "alarm" ? json.value("level", "") : "";
    out.warnings += ours && level == "warn";
    out.alarms += ours && level == "alarm";
    if (ours && line.kind == "loo" && line.step >= design.from_step)
      if (const auto changes = json.find("delta_det"); changes != json.end() &&
                                                       changes->is_array() && !changes->empty() &&
                                                       changes->back().is_number())
        held_out.add(changes->back().get<double>());
    if (line.kind != "drift") continue;
    std::optional<double> largest;
    const Json layers = json.value("layers", Json::object());
    for (const auto& [layer, measures] : layers.items()) {
      const bool early = layer.starts_with("visible.stem") || layer.starts_with("visible.bn1") ||
                         layer.starts_with("visible.layer1") || layer.starts_with("visible.layer2");
      if (const auto kl = number_at(measures, "kl95"); kl && early)
        largest = std::max(largest.value_or(0), *kl);
    }
    if (largest) out.drift = largest;
  }
  out.held_out = held_out.value();
}

}  // namespace

RunMeasure measure_validation(const std::string& folder) {
  RunMeasure out;
  std::istringstream lines(read_text(folder + "/scalars.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const Json json = Json::parse(line, nullptr, false);
    if (!json.is_object() || json.value("kind", "") != "validation") continue;
    out.step = json.value("step", std::int64_t{0});
    out.map = number_at(json, "map");
    out.recall = number_at(json, "recall");
    out.miss_rate = number_at(json, "miss_rate");
    out.fingerprint = json.value("fingerprint", "");
  }
  return out;
}

RunMeasure measure_run(const std::string& folder, const std::string& loss, const Design& design) {
  RunMeasure out = measure_validation(folder);
  std::error_code missing;
  if (loss.empty() || !std::filesystem::exists(folder + "/monitor.jsonl", missing)) return out;
  const MonitorLog log = read_monitor_log(folder);
  add_probes(log, loss, design, out);
  add_windows(log, loss, design, out);
  add_other_lines(log, loss, design, out);
  return out;
}

}  // namespace ktrain::experiment
