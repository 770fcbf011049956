#include "train/report/conflict.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "runtime/fault.h"
#include "train/monitor/detection_axis.h"
#include "train/monitor/probe_json.h"
#include "train/monitor/statistics.h"

namespace ktrain::report {
namespace {

constexpr std::int64_t kLeast = 20;
constexpr double kMostCorrelation = 0.3, kAlpha = 0.025;

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

// How much wider an interval is with `alpha` in each tail than with kAlpha.
double widening(const Estimate& e, double alpha) {
  return e.degrees > 0
             ? student_quantile(1 - alpha, e.degrees) / student_quantile(1 - kAlpha, e.degrees)
             : sequence_half_width(e.n, 1, alpha) / sequence_half_width(e.n, 1, kAlpha);
}

}  // namespace

void correct(Estimate& e, std::size_t cells) {
  if (!e.value || !e.lo || !e.hi || cells == 0) return;
  const double wider = widening(e, kAlpha / static_cast<double>(cells));
  e.family_lo = *e.value - wider * (*e.value - *e.lo);
  e.family_hi = *e.value + wider * (*e.hi - *e.value);
  if (!e.silent.empty() || *e.family_lo > 0 || *e.family_hi < 0) return;
  e.silent = *e.lo <= 0 && *e.hi >= 0
                 ? "the interval covers 0"
                 : fmt::format("alone it excludes 0, for all {} cells together it does not", cells);
}

void sort_groups(std::vector<std::string>& groups) {
  std::stable_sort(groups.begin(), groups.end(), [](const auto& a, const auto& b) {
    return rank(a) != rank(b) ? rank(a) < rank(b) : a < b;
  });
}

Conflict read_conflict(const RunData& run) {
  Conflict out;
  std::int64_t bad = 0, other = 0;
  std::string why;
  for (const nlohmann::json* const record : run.monitor_of("probe")) try {
      ProbeRecord probe =
          with_detection_summed(probe_from_json(record->dump(), run.path + "/monitor.jsonl",
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
  sort_groups(out.groups);
  return out;
}

std::map<std::int64_t, Estimate> cosine_by_epoch(const Conflict& conflict, const std::string& name,
                                                 std::size_t i, std::size_t j) {
  std::map<std::int64_t, SeriesMoments> series;
  for (const ProbeRecord& probe : conflict.probes)
    for (const GroupGram& group : probe.groups)
      if (group.group == name)
        if (const auto c = cosine(step_gram(group), i, j)) series[probe.epoch].add(*c);
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
  }
  return out;
}

std::vector<double> shares(const ProbeRecord& probe) {
  std::vector<double> out(probe.losses.size(), 0.0);
  double total = 0;
  for (const GroupGram& group : probe.groups) {
    if (group.share) continue;  // counted in the group that it is part of
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

std::optional<double> total_tax(const ProbeRecord& probe, std::size_t j) {
  // A tax is a ratio; over all groups that of the effects on detection.
  const auto cancelled = effect(probe, 0, j), own = effect(probe, 0, 0);
  if (!cancelled || !own || *own == 0) return std::nullopt;
  return 0.0 - *cancelled / *own;
}

Estimate mean_effect(const Conflict& conflict, std::size_t k, std::size_t j) {
  std::vector<double> values;
  bool reversed = false;
  for (const ProbeRecord& probe : conflict.probes) {
    // The trunk gets the negative of such a loss' gradient: products with it are no effect on it.
    const auto& turned = probe.reversed;
    reversed = reversed || std::find(turned.begin(), turned.end(), probe.losses[k]) != turned.end();
    const auto value = effect(probe, k, j);
    if (value && !reversed) values.push_back(*value);
  }
  Estimate e;
  e.n = static_cast<std::int64_t>(values.size());
  const auto interval = mean_interval(values);
  if (!interval) {
    e.silent = reversed   ? "its gradient is reversed in the trunk"
               : e.n == 0 ? "one of the two has no gradient"
                          : fmt::format("n = {}", e.n);
    return e;
  }
  e.degrees = static_cast<double>(e.n - 1);
  e.value = interval->value;
  e.lo = interval->lo;
  e.hi = interval->hi;
  return e;
}

}  // namespace ktrain::report
