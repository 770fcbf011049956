#include "train/comparison.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "data/pair_index.h"
#include "runtime/fault.h"
#include "train/metrics/kaist.h"
#include "train/metrics/results.h"
#include "train/metrics/text_file.h"
#include "train/metrics/voc.h"
#include "train/nearest.h"
#include "train/plan_check.h"
#include "train/plan_data.h"
#include "train/plan_keys.h"
#include "train/validation.h"

namespace ktrain {
namespace {

using metrics::Outcomes;
using Times = std::span<const std::uint32_t>;

// What a detection list depends on beside the weights: with another value scores are of another
// protocol.
constexpr std::array<std::string_view, 3> kProtocolKeys = {"eval.score_threshold", "eval.nms",
                                                           "eval.max_detections"};

metrics::ImageMetric metric_of(const std::string& name) {
  if (name == "map") return [](const Outcomes& o, Times t) { return average_precision(o, t); };
  if (name == "map_11point")
    return [](const Outcomes& o, Times t) { return eleven_point_precision(o, t); };
  if (name == "recall") return [](const Outcomes& o, Times t) { return metrics::recall(o, t); };
  if (name == "miss_rate")
    return [](const Outcomes& o, Times t) { return metrics::miss_rate(o, t); };
  throw Error(fmt::format("comparison: no metric '{}'", name));
}

const Outcomes& side(const ValidationOutcomes& v, const std::string& metric) {
  return metric == "miss_rate" ? v.reasonable : v.voc;
}

bool is_factor(std::string_view key, const std::vector<std::string>& factors) {
  return std::any_of(factors.begin(), factors.end(), [&](const std::string& factor) {
    return key == factor || (key.starts_with(factor) && key[factor.size()] == '.');
  });
}

void check_factors(const std::vector<std::string>& factors) {
  Plan plan;
  std::vector<std::string_view> names;
  const auto keys = plan_keys(plan);
  for (const PlanKey& key : keys) names.push_back(key.name);
  for (const std::string& factor : factors) {
    const bool known = std::any_of(names.begin(), names.end(), [&](std::string_view name) {
      return is_factor(name, {factor});
    });
    if (!known)
      throw_fault("KT-CLI-001", "--factor {}: no such key or group of keys{}", printable(factor),
                  did_you_mean(factor, names));
  }
}

std::string text_of(const Plan& plan, std::string_view name) {
  Plan copy = plan;
  for (const PlanKey& key : plan_keys(copy))
    if (key.name == name) return value_text(key);
  return "";
}

std::string short_list(const std::vector<std::string>& names) {
  std::string out;
  for (std::size_t i = 0; i < names.size() && i < 12; ++i)
    out += (out.empty() ? "" : ", ") + names[i];
  return names.size() > 12 ? fmt::format("{} and {} more", out, names.size() - 12) : out;
}

std::vector<std::string> warnings_of(const Comparison& c, const ComparisonOptions& options) {
  std::vector<std::string> out, undeclared;
  for (const SettingRow& row : c.settings)
    if (!row.declared) undeclared.push_back(row.key);
  if (!options.factors.empty() && !undeclared.empty())
    out.push_back(
        fmt::format("{} settings differ beside the declared factors: {}. A difference "
                    "cannot be laid to the factor alone.",
                    undeclared.size(), short_list(undeclared)));
  if (options.factors.empty() && undeclared.size() > 1)
    out.push_back(
        fmt::format("{} settings differ: {}. A difference cannot be laid to any one of "
                    "them; --factor KEY declares which were meant to.",
                    undeclared.size(), short_list(undeclared)));
  const RunHistory& first = c.runs[0];
  for (const RunHistory& run : c.runs) {
    if (run.train_hash != first.train_hash)
      out.push_back(fmt::format("{} and {} trained on different data (#{:.8}, #{:.8}).",
                                first.folder, run.folder, first.train_hash, run.train_hash));
    if (run.ended.empty()) out.push_back(fmt::format("{} has not come to its end.", run.folder));
  }
  for (const PairedComparison& pair : c.pairs)
    if (pair.first_epoch != pair.epoch && pair.refused.empty())
      out.push_back(fmt::format(
          "The difference between {} and {} is one of epoch {} and epoch {}; the best of several "
          "epochs is a little better than it would be on other images.",
          first.folder, c.runs[pair.run].folder, pair.first_epoch, pair.epoch));
  return out;
}

PairedComparison compare_pair(const RunHistory& first, const ValidationRecord& a,
                              const ValidationOutcomes& left, const RunHistory& run,
                              std::size_t index, const ComparisonOptions& options) {
  const ValidationRecord& b = validation_at(run, options.at);
  PairedComparison out{index, a.epoch, b.epoch, why_not_comparable(first, a, run, b), {}};
  if (!out.refused.empty()) return out;
  const ValidationOutcomes right = outcomes_of(run, b);
  for (const std::string_view metric : kMetricNames) {
    const std::string name(metric);
    if (!a.metric(name) || !b.metric(name)) continue;
    out.differences.push_back({name, difference(left, right, name, options.bootstrap)});
  }
  return out;
}

}  // namespace

ValidationOutcomes outcomes_of(const DataPlan& data, const std::string& fingerprint,
                               const std::string& folder) {
  const DataFolder root(data.root);
  PairReport report = read_pairs(root, pair_source(data, "val"));
  RunList list{report.list, {}, report.positive, report.ignored, report.empty};
  list.index = require_pairs(std::move(report), root);
  std::vector<metrics::Detections> found(static_cast<std::size_t>(list.index.size()));
  const std::string path = folder + "/detections.txt";
  if (!std::filesystem::is_regular_file(path))
    throw_fault("KT-CMP-003", "{}: no such file; a run writes it with every validation", path);
  metrics::parse_kaist_lines(metrics::read_text(path), path, 0, found.size(), {}, 0, found);
  const std::vector<metrics::ImageTruth> truth = truth_of(list.index);
  const std::string now = score_fingerprint(list);
  if (now != fingerprint)
    throw_fault("KT-CMP-003",
                "{}: the data is now {}, the validation was of {}; put back what was "
                "validated on",
                printable(data.root, 200), now, fingerprint);
  const metrics::KaistOptions frame = kaist_options(list.index);
  return {metrics::voc_outcomes(truth, found),
          metrics::kaist_outcomes(truth, found, metrics::kaist_setups()[0], frame)};
}

ValidationOutcomes outcomes_of(const RunHistory& run, const ValidationRecord& at) {
  return outcomes_of(run.resolved.plan.data, at.fingerprint,
                     fmt::format("{}/val/epoch_{:02}", run.folder, at.epoch));
}

metrics::Interval difference(const ValidationOutcomes& left, const ValidationOutcomes& right,
                             const std::string& metric, const metrics::BootstrapOptions& options) {
  return metrics::paired_difference(side(left, metric), side(right, metric), metric_of(metric),
                                    options);
}

std::vector<double> resampled(const ValidationOutcomes& left, const ValidationOutcomes& right,
                              const std::string& metric, const metrics::BootstrapOptions& options) {
  return metrics::resampled_differences(side(left, metric), side(right, metric), metric_of(metric),
                                        options);
}

std::string why_not_comparable(const RunHistory& left, const ValidationRecord& a,
                               const RunHistory& right, const ValidationRecord& b) {
  if (a.fingerprint != b.fingerprint)
    return fmt::format("the validations are of {} and of {}", a.fingerprint, b.fingerprint);
  if (left.val_hash != right.val_hash)
    return fmt::format("the validation lists differ (#{:.8}, #{:.8})", left.val_hash,
                       right.val_hash);
  for (const std::string_view key : kProtocolKeys) {
    const std::string l = text_of(left.resolved.plan, key), r = text_of(right.resolved.plan, key);
    if (l != r) return fmt::format("the protocol differs: {} is {} and {}", key, l, r);
  }
  return "";
}

std::vector<SettingRow> differing_settings(const std::vector<const Plan*>& plans,
                                           const std::vector<std::string>& factors) {
  std::vector<Plan> copies;
  for (const Plan* const plan : plans) copies.push_back(*plan);
  std::vector<std::vector<PlanKey>> keys;
  for (Plan& copy : copies) keys.push_back(plan_keys(copy));
  std::vector<SettingRow> rows;
  for (std::size_t k = 0; k < keys.at(0).size(); ++k) {
    SettingRow row{std::string(keys[0][k].name), {}, is_factor(keys[0][k].name, factors)};
    for (const auto& list : keys) row.values.push_back(value_text(list[k]));
    const bool same = std::all_of(row.values.begin(), row.values.end(),
                                  [&](const std::string& text) { return text == row.values[0]; });
    if (!same && !keys[0][k].may_change) rows.push_back(std::move(row));
  }
  return rows;
}

const ValidationRecord& validation_at(const RunHistory& run, const std::string& at) {
  const ValidationRecord* found = nullptr;
  if (at == "best") found = run.best();
  if (at == "last" && !run.validations.empty()) found = &run.validations.back();
  if (const std::int64_t epoch = epoch_to_take(at); epoch > 0) found = run.of_epoch(epoch);
  if (found == nullptr)
    throw_fault("KT-CMP-004",
                "{}: no validation '{}'; it has {} of them; wanted best, last or "
                "epoch_N",
                run.folder, printable(at), run.validations.size());
  return *found;
}

Comparison compare_runs(const std::vector<std::string>& folders, const ComparisonOptions& options) {
  if (folders.size() < 2)
    throw_fault("KT-CLI-001", "compare: {} run given, wanted at least two", folders.size());
  check_factors(options.factors);
  Comparison out;
  for (const std::string& folder : folders) out.runs.push_back(read_run_history(folder));
  std::vector<const Plan*> plans;
  for (const RunHistory& run : out.runs) plans.push_back(&run.resolved.plan);
  out.settings = differing_settings(plans, options.factors);
  const ValidationRecord& first = validation_at(out.runs[0], options.at);
  std::optional<ValidationOutcomes> left;
  for (std::size_t i = 1; i < out.runs.size(); ++i) {
    const ValidationRecord& at = validation_at(out.runs[i], options.at);
    if (!left && why_not_comparable(out.runs[0], first, out.runs[i], at).empty())
      left = outcomes_of(out.runs[0], first);
    out.pairs.push_back(compare_pair(out.runs[0], first, left.value_or(ValidationOutcomes{}),
                                     out.runs[i], i, options));
  }
  out.warnings = warnings_of(out, options);
  return out;
}

}  // namespace ktrain
