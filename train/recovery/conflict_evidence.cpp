#include "train/recovery/conflict_evidence.h"

#include <cmath>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include <fmt/ranges.h>

#include "runtime/fault.h"
#include "train/monitor/detection_axis.h"
#include "train/monitor/windows.h"

namespace ktrain {
namespace {

using Json = nlohmann::json;

const Json* find(const Json& json, const std::string& key) {
  if (!json.is_object()) return nullptr;
  const auto found = json.find(key);
  return found == json.end() ? nullptr : &*found;
}

std::string text_at(const Json& json, const char* key) {
  const Json* const value = find(json, key);
  return value && value->is_string() ? value->get<std::string>() : "";
}

double number(const Json& json, const char* key, const std::string& place) {
  const Json* const value = find(json, key);
  if (!value || !value->is_number() || !std::isfinite(value->get<double>()))
    throw_fault("KT-CMP-002", "{}: wanted a number '{}'", place, key);
  return value->get<double>();
}

// The cosine of det and the loss in one group of a window, and the loss as it stands there; nullptr
// when it is not there.
std::pair<const Json*, std::string> cosine_of(const Json& group, const std::string& loss) {
  const Json* const cosines = find(group, "xcos");
  if (!cosines || !cosines->is_object()) return {};
  const std::string detection = kDetection;
  for (const auto& [pair, cosine] : cosines->items()) {
    std::string other;
    if (pair.starts_with(detection + "~")) other = pair.substr(detection.size() + 1);
    if (pair.ends_with("~" + detection)) other = pair.substr(0, pair.size() - detection.size() - 1);
    if (includes_loss(other, loss)) return {&cosine, other};
  }
  return {};
}

struct Sums {
  GroupWindows group;
  double sum = 0;
  std::int64_t values = 0;
};

void add_window(Sums& sums, const Json& cosine, double delta, const std::string& file,
                std::int64_t line) {
  GroupWindows& g = sums.group;
  ++g.windows;
  const Json* const noise = find(cosine, "below_noise");
  if (noise && noise->is_boolean() && noise->get<bool>()) {
    ++g.noise;
    return;
  }
  const std::string place = fmt::format("{}:{}", file, line);
  const double value = number(cosine, "value", place), lo = number(cosine, "lo", place),
               hi = number(cosine, "hi", place);
  sums.sum += value;
  ++sums.values;
  g.against += hi < -delta;
  g.clear += lo > -delta;
  if (hi < g.lowest_hi) {
    g.lowest_hi = hi;
    g.line = line;
  }
}

// Groups in which both detection and the loss have had a gradient.
std::set<std::string> trained_by_both(const MonitorLog& log, const std::string& loss) {
  std::set<std::string> names;
  for (const ProbeRecord& probe : log.probes) {
    const ProbeRecord summed = with_detection_summed(probe);
    for (std::size_t j = 1; j < summed.losses.size(); ++j) {
      if (!includes_loss(summed.losses[j], loss)) continue;
      for (const GroupGram& group : summed.groups)
        if (group.raw(0, 0) > 0 && group.raw(j, j) > 0) names.insert(group.group);
    }
  }
  return names;
}

std::string left_out_text(const Json& json, const std::string& place) {
  return fmt::format(
      "with {} held-out detection loss changes by {:+.2g} [{:+.2g}, {:+.2g}] a step ({})",
      text_at(json, "loss"), number(json, "mean", place), number(json, "lo", place),
      number(json, "hi", place), place);
}

bool enough(const GroupWindows& g, std::int64_t count, std::int64_t windows, double share) {
  return g.windows >= windows &&
         static_cast<double>(count) >= share * static_cast<double>(g.windows);
}

}  // namespace

ConflictEvidence conflict_evidence(const std::string& run, const std::string& folder,
                                   const std::string& loss, double delta) {
  ConflictEvidence out{run, folder + "/monitor.jsonl"};
  std::error_code missing;
  if (!std::filesystem::is_regular_file(out.file, missing)) return out;
  const MonitorLog log = read_monitor_log(folder);
  out.probes = std::ssize(log.probes);
  const std::set<std::string> both = trained_by_both(log, loss);
  std::map<std::string, Sums> groups;
  for (const MonitorLine& line : log.others) {
    if (line.kind != "alarm" && line.kind != "loo") continue;
    const Json json = Json::parse(line.text, nullptr, /*allow_exceptions=*/false);
    // The first measurement has no interval yet.
    if (line.kind == "loo" && find(json, "lo") && includes_loss(text_at(json, "loss"), loss))
      out.left_out[line.epoch] = left_out_text(json, fmt::format("{}:{}", out.file, line.number));
    if (text_at(json, "level") == "alarm" && includes_loss(text_at(json, "loss"), loss))
      ++groups[text_at(json, "group")].group.alarms;
  }
  for (const SeparateWindow& window : separate_windows(log)) {
    ++out.windows;
    out.losses.clear();
    if (const Json* const losses = find(window.json, "losses"))
      for (const Json& name : *losses)
        if (name.is_string()) out.losses.push_back(name.get<std::string>());
    const Json* const list = find(window.json, "groups");
    if (!list || !list->is_object()) continue;
    for (const auto& [name, group] : list->items()) {
      const auto [cosine, as] = cosine_of(group, loss);
      if (!cosine || !both.contains(name)) continue;
      groups[name].group.loss = as;
      add_window(groups[name], *cosine, delta, out.file, window.line);
    }
  }
  for (auto& [name, sums] : groups) {
    if (sums.group.windows == 0) continue;
    sums.group.group = name;
    if (sums.values > 0) sums.group.mean = sums.sum / static_cast<double>(sums.values);
    out.groups.push_back(sums.group);
  }
  return out;
}

std::string text_of(const ConflictEvidence& run, const GroupWindows& g) {
  std::string text = fmt::format(
      "{} {}: {} windows of det~{}, {} below the bound, {} above it, {} below the noise; {} alarms",
      run.run, g.group, g.windows, g.loss, g.against, g.clear, g.noise, g.alarms);
  if (g.windows > g.noise) text += fmt::format("; mean cosine {:+.4f}", g.mean);
  if (g.line > 0)
    text += fmt::format("; lowest upper bound {:+.4f} ({}:{})", g.lowest_hi, run.file, g.line);
  return text;
}

std::string why_nothing(const ConflictEvidence& run, const std::string& loss) {
  if (run.probes == 0)
    return fmt::format("{} has no probe: the monitor was off, or the run too short for one",
                       run.file);
  if (run.windows == 0)
    return fmt::format("{} has {} probes and no window: monitor.sketch is 0, or they are too few",
                       run.file, run.probes);
  return fmt::format(
      "{} has {} windows, none with det~{} in a group that both train; they compare {}", run.file,
      run.windows, loss, fmt::join(run.losses, ", "));
}

ConflictVerdict weigh(const std::vector<ConflictEvidence>& measured, std::int64_t windows,
                      double share) {
  bool refuted = true;
  std::string open;  // the first group for which neither holds
  for (const ConflictEvidence& run : measured)
    for (const GroupWindows& g : run.groups) {
      if (enough(g, g.against, windows, share) && g.alarms > 0)
        return {"supported", text_of(run, g)};
      if (enough(g, g.clear, windows, share) && g.against == 0 && g.alarms == 0) continue;
      refuted = false;
      if (open.empty()) open = text_of(run, g);
    }
  if (refuted)
    return {"refuted",
            "in every group and run a conflict beyond the bound is excluded, and no "
            "alarm came"};
  return {"inconclusive",
          "no group shows a conflict beyond the bound with an alarm, and not every "
          "group excludes one: " +
              open};
}

}  // namespace ktrain
