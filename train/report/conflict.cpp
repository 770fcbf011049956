#include "train/report/conflict.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "runtime/fault.h"
#include "train/monitor/probe_json.h"
#include "train/monitor/statistics.h"

namespace ktrain::report {
namespace {

constexpr std::int64_t kLeast = 20;
constexpr double kMostCorrelation = 0.3, kAlpha = 0.025;

// Detection's losses as one, their weighted sum: the Gram matrix is bilinear.
Gram summed(const Gram& gram, const ProbeRecord& probe) {
  if (gram.size() == 0) return gram;
  const std::size_t d = probe.detection, k = probe.losses.size() - d + 1;
  Gram out(k);
  const auto weight = [&](std::size_t i) { return i < d ? probe.weights[i] : 1.0; };
  const auto place = [&](std::size_t i) { return i < d ? std::size_t{0} : i - d + 1; };
  for (std::size_t i = 0; i < probe.losses.size(); ++i)
    for (std::size_t j = 0; j < probe.losses.size(); ++j)
      if (place(i) <= place(j)) out(place(i), place(j)) += weight(i) * weight(j) * gram(i, j);
  return out;
}

ProbeRecord with_one_detection(const ProbeRecord& probe) {
  if (probe.detection == 1) return probe;
  ProbeRecord out = probe;
  const auto d = static_cast<std::ptrdiff_t>(probe.detection);
  const auto join = [&](auto& list, auto first) {
    list.erase(list.begin(), list.begin() + d);
    list.insert(list.begin(), first);
  };
  double value = 0;
  for (std::size_t i = 0; i < probe.detection; ++i) value += probe.weights[i] * probe.values[i];
  join(out.losses, std::string("det"));
  join(out.values, value);
  join(out.weights, 1.0);
  for (GroupGram& group : out.groups) {
    group.raw = summed(group.raw, probe);
    group.preconditioned = summed(group.preconditioned, probe);
  }
  out.features.clear();
  out.predicted.clear();
  out.real.clear();
  out.detection = 1;
  return out;
}

// From the images to the heads.
int rank(const std::string& group) {
  static constexpr std::array<std::string_view, 6> kStages = {"stem",   "layer1", "layer2",
                                                              "layer3", "layer4", "neck"};
  static constexpr std::array<std::string_view, 3> kStreams = {"visible.", "thermal.", "shared."};
  for (std::size_t s = 0; s < kStreams.size(); ++s)
    for (std::size_t i = 0; i < kStages.size(); ++i)
      if (group == std::string(kStreams[s]) + std::string(kStages[i]))
        return static_cast<int>(10 * s + i);
  return group == "fusion" ? 40 : group == "rpn" ? 41 : group == "roi" ? 42 : 50;
}

// What one pass through weights of both streams contributes to the group shared.*: part of a whole
// that is there too.
bool is_share(const ProbeRecord& probe, const GroupGram& group) {
  const std::size_t dot = group.group.find('.');
  if (dot == std::string::npos || group.group.starts_with("shared.")) return false;
  return std::any_of(probe.groups.begin(), probe.groups.end(), [&](const GroupGram& other) {
    return other.group == "shared" + group.group.substr(dot);
  });
}

}  // namespace

const Gram& effective(const GroupGram& group) {
  return group.preconditioned.size() > 0 ? group.preconditioned : group.raw;
}

Conflict read_conflict(const RunData& run) {
  Conflict out;
  std::int64_t bad = 0, other = 0;
  std::string why;
  for (const nlohmann::json* const record : run.monitor_of("probe")) try {
      ProbeRecord probe =
          with_one_detection(probe_from_json(record->dump(), run.path + "/monitor.jsonl",
                                             static_cast<std::int64_t>(out.probes.size()) + 1));
      if (!out.losses.empty() && probe.losses != out.losses) {
        ++other;
        continue;
      }
      out.losses = probe.losses;
      for (const GroupGram& group : probe.groups) {
        if (std::find(out.groups.begin(), out.groups.end(), group.group) == out.groups.end())
          out.groups.push_back(group.group);
        out.preconditioned = out.preconditioned || group.preconditioned.size() > 0;
      }
      out.probes.push_back(std::move(probe));
    } catch (const Error& error) {
      why = error.what();
      ++bad;
    }
  if (bad > 0)
    out.gaps.push_back(fmt::format("{} probes cannot be read, the last because of: {}", bad, why));
  if (other > 0)
    out.gaps.push_back(
        fmt::format("{} probes have other losses than the first and are left out", other));
  std::stable_sort(out.groups.begin(), out.groups.end(), [](const auto& a, const auto& b) {
    return rank(a) != rank(b) ? rank(a) < rank(b) : a < b;
  });
  return out;
}

std::optional<double> cosine(const GroupGram& group, std::size_t i, std::size_t j) {
  const Gram& gram = effective(group);
  const double scale = std::sqrt(gram(i, i) * gram(j, j));
  if (!(scale > 0) || !std::isfinite(scale)) return std::nullopt;
  return std::clamp(gram(i, j) / scale, -1.0, 1.0);
}

std::map<std::int64_t, Estimate> cosine_by_epoch(const Conflict& conflict, const std::string& name,
                                                 std::size_t i, std::size_t j) {
  std::map<std::int64_t, SeriesMoments> series;
  for (const ProbeRecord& probe : conflict.probes)
    for (const GroupGram& group : probe.groups)
      if (group.group == name)
        if (const auto c = cosine(group, i, j)) series[probe.epoch].add(*c);
  std::map<std::int64_t, Estimate> out;
  for (const auto& [epoch, moments] : series) {
    Estimate& e = out[epoch];
    e.n = moments.n();
    e.value = moments.mean();
    if (e.n < kLeast) {
      e.silent = fmt::format("n = {}, wanted {}", e.n, kLeast);
      continue;
    }
    const double width =
        sequence_half_width(e.n, moments.sd() * correlation_inflation(moments.r1()), kAlpha);
    e.lo = *e.value - width;
    e.hi = *e.value + width;
    if (moments.r1() > kMostCorrelation)
      e.silent =
          fmt::format("serial correlation {:.2f}, at most {:g}", moments.r1(), kMostCorrelation);
    else if (*e.lo <= 0 && *e.hi >= 0)
      e.silent = "interval covers 0";
  }
  return out;
}

std::vector<double> shares(const ProbeRecord& probe) {
  std::vector<double> out(probe.losses.size(), 0.0);
  double total = 0;
  for (const GroupGram& group : probe.groups) {
    if (is_share(probe, group)) continue;
    for (std::size_t k = 0; k < out.size(); ++k)
      for (std::size_t j = 0; j < out.size(); ++j) {
        const double part = probe.weights[k] * probe.weights[j] * group.raw(k, j);
        out[k] += part;
        total += part;
      }
  }
  for (double& share : out) share = total > 0 ? share / total : std::nan("");
  return out;
}

std::optional<double> tax(const ProbeRecord& probe, std::size_t j, const std::string& name) {
  double cross = 0, own = 0;
  for (const GroupGram& group : probe.groups) {
    if (name.empty() ? is_share(probe, group) : group.group != name) continue;
    cross += effective(group)(0, j);
    own += effective(group)(0, 0);
  }
  if (!(own > 0)) return std::nullopt;
  return -probe.weights[j] * cross / own;
}

double effect(const ProbeRecord& probe, std::size_t k, std::size_t j) {
  double sum = 0;
  for (const GroupGram& group : probe.groups)
    if (!is_share(probe, group)) sum += effective(group)(k, j);
  return -probe.learning_rate * probe.momentum_scale * probe.clip * probe.weights[j] * sum;
}

Estimate mean_effect(const Conflict& conflict, std::size_t k, std::size_t j) {
  std::vector<double> values;
  for (const ProbeRecord& probe : conflict.probes) values.push_back(effect(probe, k, j));
  Estimate e;
  e.n = static_cast<std::int64_t>(values.size());
  const auto interval = mean_interval(values);
  if (!interval) {
    e.silent = fmt::format("n = {}", e.n);
    return e;
  }
  e.value = interval->value;
  e.lo = interval->lo;
  e.hi = interval->hi;
  if (interval->lo <= 0 && interval->hi >= 0) e.silent = "interval covers 0";
  return e;
}

}  // namespace ktrain::report
