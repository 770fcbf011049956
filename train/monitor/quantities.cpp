#include "train/monitor/quantities.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "train/monitor/detection_axis.h"
#include "train/monitor/json_place.h"

namespace ktrain {
namespace {

// Collects quantities of a record, and of its detection sum only what speaks of "det".
class Collector {
 public:
  Collector(const ProbeRecord& record, bool sum_only) : r_(record), sum_only_(sum_only) {}

  void losses(std::vector<Quantity>& all) const {
    for (std::size_t k = 0; k < count(); ++k) {
      if (!single(k)) continue;
      all.push_back({"loss/" + r_.losses[k], r_.values[k]});
      all.push_back({"w/applied/" + r_.losses[k], r_.weights[k]});
    }
  }

  void group(const GroupGram& g, std::vector<Quantity>& all) const {
    const std::string at = "g/" + g.group + "/";
    for (std::size_t k = 0; k < count(); ++k) {
      if (!single(k)) continue;
      const double norm = std::sqrt(g.raw(k, k));
      all.push_back({at + "norm/" + r_.losses[k], norm});
      all.push_back({at + "wnorm/" + r_.losses[k], r_.weights[k] * norm});
    }
    cosines(g.raw, at + "cos/", all);
    if (g.preconditioned.size() > 0) cosines(g.preconditioned, at + "pcos/", all);
    for (std::size_t k = 0; k < count(); ++k)
      if (const auto part = share(g.raw, k); part && single(k))
        all.push_back({at + "share/" + r_.losses[k], *part});
  }

  // Of a record with detection summed.
  void taxes(const GroupGram& g, std::vector<Quantity>& all) const {
    for (std::size_t j = 1; j < count(); ++j)
      if (const auto value = tax(r_, g, j))
        all.push_back({"g/" + g.group + "/tax/" + r_.losses[j], *value});
  }

  void effects(std::vector<Quantity>& all) const {
    for (std::size_t k = 0; k < count(); ++k)
      for (std::size_t j = 0; j < count(); ++j)
        if (pair(k, j) && !reversed(k))
          if (const auto value = effect(r_, k, j))
            all.push_back({fmt::format("eff/{}_from_{}", r_.losses[k], r_.losses[j]), *value});
    for (std::size_t k = 0; k < count(); ++k) {
      if (!single(k)) continue;
      if (!r_.predicted.empty() && !reversed(k))
        all.push_back({"eff/pred/" + r_.losses[k], r_.predicted[k]});
      if (!r_.real.empty()) all.push_back({"eff/real/" + r_.losses[k], r_.real[k]});
      if (!r_.predicted.empty() && !r_.real.empty() && r_.predicted[k] != 0 && !reversed(k))
        if (const double ratio = r_.real[k] / r_.predicted[k]; std::isfinite(ratio))
          all.push_back({"eff/lin/" + r_.losses[k], ratio});
    }
  }

  void cosines(const Gram& gram, const std::string& at, std::vector<Quantity>& all) const {
    for (std::size_t i = 0; i < count(); ++i)
      for (std::size_t j = i + 1; j < count(); ++j)
        if (pair(i, j))
          if (const auto value = cosine(gram, i, j))
            all.push_back({at + r_.losses[i] + "~" + r_.losses[j], *value});
  }

 private:
  [[nodiscard]] std::size_t count() const { return r_.losses.size(); }
  [[nodiscard]] bool single(std::size_t k) const { return !sum_only_ || k == 0; }
  [[nodiscard]] bool pair(std::size_t i, std::size_t j) const {
    return !sum_only_ || i == 0 || j == 0;
  }

  [[nodiscard]] bool reversed(std::size_t k) const {
    return std::find(r_.reversed.begin(), r_.reversed.end(), r_.losses[k]) != r_.reversed.end();
  }

  [[nodiscard]] std::optional<double> share(const Gram& gram, std::size_t k) const {
    double total = 0, part = 0;
    for (std::size_t i = 0; i < count(); ++i) {
      part += r_.weights[k] * r_.weights[i] * gram(k, i);
      for (std::size_t j = 0; j < count(); ++j) total += r_.weights[i] * r_.weights[j] * gram(i, j);
    }
    if (!(total > 0) || !(gram(k, k) > 0) || !std::isfinite(part / total)) return {};
    return part / total;
  }

  const ProbeRecord& r_;
  bool sum_only_;
};

std::optional<double> suppression(const ProbeRecord& summed) {
  double visible = 0, thermal = 0;
  for (const FeatureGram& feature : summed.features) {
    if (feature.name.starts_with("visible.")) visible += feature.raw(0, 0);
    if (feature.name.starts_with("thermal.")) thermal += feature.raw(0, 0);
  }
  if (!(visible > 0) || !(thermal > 0)) return {};
  return std::sqrt(visible) / std::sqrt(thermal);
}

void window_quantities(const JsonPlace& place, std::vector<Quantity>& all) {
  for (const auto& [name, group] : place.at("groups").members()) {
    const std::string at = "g/" + name + "/";
    if (group.has("xcos"))
      for (const auto& [pair, found] : group.at("xcos").members()) {
        if (!found.has("value")) continue;  // below noise
        all.push_back({at + "xcos/" + pair, found.at("value").number()});
        all.push_back({at + "xcos/" + pair + "/lo", found.at("lo").number()});
        all.push_back({at + "xcos/" + pair + "/hi", found.at("hi").number()});
      }
    for (const char* what : {"snr", "self"})
      if (group.has(what))
        for (const auto& [loss, value] : group.at(what).members())
          all.push_back({at + what + "/" + loss, value.number()});
  }
}

// Numbers of an object of objects; what is null was not measured.
void named_numbers(const JsonPlace& place, const std::string& at, std::vector<Quantity>& all) {
  for (const auto& [name, value] : place.members())
    if (value.value().is_number()) all.push_back({at + name, value.number()});
}

}  // namespace

std::vector<Quantity> quantities(const ProbeRecord& record) {
  const ProbeRecord summed = with_detection_summed(record);
  const bool several = record.losses != summed.losses;
  const Collector all_losses(record, false), sum(summed, true);
  std::vector<Quantity> all;
  all_losses.losses(all);
  if (several) sum.losses(all);
  for (std::size_t b = 0; b < record.groups.size(); ++b) {
    all_losses.group(record.groups[b], all);
    if (several) sum.group(summed.groups[b], all);
    sum.taxes(summed.groups[b], all);
  }
  all_losses.effects(all);
  if (several) sum.effects(all);
  all.push_back({"opt/clip", record.clip});
  all.push_back({"opt/clip_det", record.clip_det});
  all.push_back({"opt/gradient_norm", record.gradient_norm});
  all.push_back({"opt/lr", record.learning_rate});
  for (const GroupGram& group : record.groups)
    if (group.rv) all.push_back({"opt/rv/" + group.group, *group.rv});
  for (std::size_t f = 0; f < record.features.size(); ++f) {
    const std::string at = "feat/" + record.features[f].name + "/cos/";
    all_losses.cosines(record.features[f].raw, at, all);
    if (several) sum.cosines(summed.features[f].raw, at, all);
  }
  if (const auto ratio = suppression(summed)) all.push_back({"feat/ratio_vis_ir", *ratio});
  all.push_back({"probe/seconds", record.seconds});
  all.push_back({"probe/interval", static_cast<double>(record.interval)});
  return all;
}

std::optional<double> quantity(const ProbeRecord& record, std::string_view name) {
  for (const Quantity& each : quantities(record))
    if (each.name == name) return each.value;
  return {};
}

std::vector<Quantity> quantities(const MonitorLine& line, const std::string& file) {
  std::vector<Quantity> all;
  const LineName name{file, line.number};
  const MonitorJson json = parse_monitor_line(line.text, name);
  const JsonPlace place(json, name);
  if (line.kind == "window") {
    window_quantities(place, all);
  } else if (line.kind == "channels") {
    const std::string at =
        fmt::format("g/{}/ch/det~{}/", place.at("group").text(), place.at("loss").text());
    for (const JsonPlace& channel : place.at("channels").entries())
      all.push_back(
          {at + std::to_string(channel.at("channel").whole(0)), channel.at("dot").number()});
  } else if (line.kind == "loo") {
    const std::string at = "eff/loo/" + place.at("loss").text();
    all.push_back({at, place.at("mean").number()});
    for (const char* const end : {"lo", "hi"})  // not after a first measurement
      if (place.has(end)) all.push_back({at + "/" + end, place.at(end).number()});
  } else if (line.kind == "audit") {
    named_numbers(place.at("configured"), "w/cfg/", all);
    named_numbers(place.at("applied"), "w/applied/", all);
  } else if (line.kind == "drift") {
    for (const char* part : {"layers", "groups"})
      if (place.has(part))
        for (const auto& [layer, values] : place.at(part).members())
          named_numbers(values, "drift/" + layer + "/", all);
  } else if (line.kind == "embedding") {
    for (const auto& [what, value] : place.members())
      if (what != "step" && what != "epoch" && value.value().is_number())
        all.push_back({"emb/" + what, value.number()});
  }
  return all;
}

bool matches(std::string_view pattern, std::string_view name) {
  std::size_t p = 0, n = 0, star = std::string_view::npos, resume = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace ktrain
