#include "train/recovery/conflict_evidence.h"

#include <cmath>
#include <map>

#include "runtime/fault.h"
#include "train/run_history.h"

namespace ktrain {
namespace {

using Json = nlohmann::json;

const Json* find(const Json& json, const std::string& key) {
  if (!json.is_object()) return nullptr;
  const auto found = json.find(key);
  return found == json.end() ? nullptr : &*found;
}

double number(const Json& json, const char* key, const std::string& place) {
  const Json* const value = find(json, key);
  if (!value || !value->is_number() || !std::isfinite(value->get<double>()))
    throw_fault("KT-CMP-002", "{}: a cosine without a number '{}'", place, key);
  return value->get<double>();
}

// The cosine of det and the loss in one group of a window; nullptr when it is not there.
const Json* cosine_of(const Json& group, const std::string& loss) {
  const Json* const cosines = find(group, "xcos");
  if (!cosines) return nullptr;
  const Json* const found = find(*cosines, "det~" + loss);
  return found ? found : find(*cosines, loss + "~det");
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

bool enough(const GroupWindows& g, std::int64_t count, std::int64_t windows, double share) {
  return g.windows >= windows &&
         static_cast<double>(count) >= share * static_cast<double>(g.windows);
}

}  // namespace

ConflictEvidence conflict_evidence(const std::string& run, const std::string& folder,
                                   const std::string& loss, double delta) {
  ConflictEvidence out{run, folder + "/monitor.jsonl", {}};
  std::map<std::string, Sums> groups;
  for (const NumberedJson& record : read_json_lines(out.file)) {
    const Json& json = record.json;
    const std::string kind = json.value("kind", "");
    if (kind == "alarm" && json.value("level", "") == "alarm" && json.value("loss", "") == loss)
      ++groups[json.value("group", "")].group.alarms;
    const Json* const list = kind == "window" ? find(json, "groups") : nullptr;
    if (!list || !list->is_object()) continue;
    for (const auto& [name, group] : list->items())
      if (const Json* const cosine = cosine_of(group, loss))
        add_window(groups[name], *cosine, delta, out.file, record.line);
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
      "{} {}: {} windows, {} below the bound, {} above it, {} below the noise; {} alarms", run.run,
      g.group, g.windows, g.against, g.clear, g.noise, g.alarms);
  if (g.windows > g.noise) text += fmt::format("; mean cosine {:+.4f}", g.mean);
  if (g.line > 0)
    text += fmt::format("; lowest upper bound {:+.4f} ({}:{})", g.lowest_hi, run.file, g.line);
  return text;
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
