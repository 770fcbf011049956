#include "train/monitor/replay.h"

#include <algorithm>
#include <map>

#include "runtime/fault.h"
#include "train/monitor/detection_axis.h"

namespace ktrain {
namespace {

struct Series {
  bool share = false;
  std::int64_t changed = 0;
  std::vector<std::vector<double>> weights;
  std::vector<double> before, after, gain;
};

std::optional<Interval> mean_of(const std::vector<double>& values) { return mean_interval(values); }

// sum over losses of e_l <v, P g_l>, v = sum v_k g_k
double step_along(const Gram& gram, const std::vector<double>& v, const std::vector<double>& e) {
  double sum = 0;
  for (std::size_t k = 0; k < v.size(); ++k)
    for (std::size_t l = 0; l < e.size(); ++l) sum += v[k] * e[l] * gram(k, l);
  return sum;
}

// The losses on which effects are told: detection's weighted sum, then each auxiliary one.
std::vector<std::vector<double>> told(const ProbeRecord& record) {
  std::vector<std::vector<double>> all(1, std::vector<double>(record.losses.size(), 0.0));
  for (std::size_t k = 0; k < record.losses.size(); ++k) {
    if (k < record.detection) {
      all[0][k] = record.weights[k];
    } else {
      all.emplace_back(record.losses.size(), 0.0);
      all.back()[k] = 1;
    }
  }
  return all;
}

void add_group(const ProbeRecord& record, const GroupGram& group, const GroupWeights& answer,
               Series& series) {
  const Gram& gram = step_gram(group);
  std::vector<double> det(record.losses.size(), 0.0);
  bool auxiliary = false;
  for (std::size_t k = 0; k < record.losses.size(); ++k) {
    if (k < record.detection) det[k] = record.weights[k];
    auxiliary = auxiliary || (k >= record.detection && gram(k, k) > 0);
  }
  const double alone = step_along(gram, det, det);
  if (!auxiliary || !(alone > 0)) return;
  series.weights.push_back(answer.weights);
  series.changed += answer.changed;
  series.before.push_back(step_along(gram, det, record.weights) / alone);
  series.after.push_back(step_along(gram, det, answer.weights) / alone);
  series.gain.push_back(series.after.back() - series.before.back());
}

void check_features(std::span<const ProbeRecord> probes, const RemedyOptions& options,
                    const std::string& file) {
  if (options.kind != RemedyKind::kMgdaUb) return;
  for (const ProbeRecord& record : probes)
    if (record.features.empty())
      throw_fault("KT-DATA-062",
                  "{}: found no cotangents of the pyramid at step {}, wanted them for mgda_ub; "
                  "`--remedy mgda` needs none",
                  file, record.step);
}

}  // namespace

Replay replay(std::span<const ProbeRecord> probes, const RemedyOptions& options,
              const std::string& file, std::int64_t& left_out) {
  left_out = 0;
  if (probes.empty() || probes.back().losses.size() == probes.back().detection)
    throw_fault("KT-DATA-062", "{}: found {}, wanted probes of detection and an auxiliary loss",
                file, probes.empty() ? "no probe" : "probes of detection alone");
  check_features(probes, options, file);
  const ProbeRecord& last = probes.back();
  Replay result{.losses = last.losses, .groups = {}, .effects = {}};
  std::vector<std::string> order;
  std::map<std::string, Series> groups;
  const std::size_t effects = last.losses.size() - last.detection + 1;
  std::vector<std::vector<double>> before(effects), after(effects), difference(effects);

  Remedy remedy(options);
  for (const ProbeRecord& record : probes) {
    if (record.losses != last.losses || record.detection != last.detection) {
      ++left_out;
      continue;
    }
    const std::vector<GroupWeights> answers = remedy.solve(record);
    const auto along = told(record);
    const double rate = -record.learning_rate * record.momentum_scale * record.clip;
    std::vector<double> plain(effects, 0.0), changed(effects, 0.0);
    bool any = false;
    for (std::size_t b = 0; b < record.groups.size(); ++b) {
      const GroupGram& group = record.groups[b];
      if (!groups.contains(group.group)) order.push_back(group.group);
      Series& series = groups[group.group];
      series.share = group.share;
      add_group(record, group, answers[b], series);
      any = any || answers[b].changed;
      if (group.share) continue;
      for (std::size_t k = 0; k < effects; ++k) {
        plain[k] += rate * step_along(step_gram(group), along[k], record.weights);
        changed[k] += rate * step_along(step_gram(group), along[k], answers[b].weights);
      }
    }
    ++result.probes;
    result.changed += any;
    for (std::size_t k = 0; k < effects; ++k) {
      before[k].push_back(plain[k]);
      after[k].push_back(changed[k]);
      difference[k].push_back(changed[k] - plain[k]);
    }
  }

  for (const std::string& name : order) {
    const Series& series = groups.at(name);
    ReplayGroup group{.group = name,
                      .share = series.share,
                      .probes = static_cast<std::int64_t>(series.before.size()),
                      .changed = series.changed,
                      .weights = {},
                      .before = mean_of(series.before),
                      .after = mean_of(series.after),
                      .gain = mean_of(series.gain)};
    for (std::size_t k = 0; k < last.losses.size(); ++k) {
      std::vector<double> values;
      for (const auto& weights : series.weights) values.push_back(weights[k]);
      group.weights.push_back(mean_of(values));
    }
    result.groups.push_back(std::move(group));
  }
  for (std::size_t k = 0; k < effects; ++k) {
    const std::string& loss = k == 0 ? kDetection : last.losses[last.detection + k - 1];
    // The trunk's gradient of a loss behind a reversal is not that of its value.
    if (std::find(last.reversed.begin(), last.reversed.end(), loss) != last.reversed.end())
      continue;
    result.effects.push_back({loss, mean_of(before[k]), mean_of(after[k]), mean_of(difference[k])});
  }
  return result;
}

}  // namespace ktrain
