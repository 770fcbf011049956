#include "train/recovery/hypothesis.h"

#include <algorithm>
#include <filesystem>

#include "runtime/fault.h"
#include "train/comparison.h"
#include "train/plan_check.h"
#include "train/recovery/conflict_evidence.h"
#include "train/run_history.h"

namespace ktrain {
namespace {

using Subjects = std::map<std::string, Subject>;

struct Finding {
  std::string status, measurement, why;
  std::vector<std::string> details = {};
};

// "" when the loss has been active in the run; otherwise why it was not.
std::string why_inactive(const std::string& name, const Subject& run, const std::string& loss) {
  const std::string path = run.folder + "/scalars.jsonl", key = "weight_" + loss;
  std::int64_t lines = 0, named = 0;
  double most = 0;
  for (const NumberedJson& record : read_json_lines(path, "\"train\"")) {
    ++lines;
    const auto found = record.json.find(key);
    if (found == record.json.end() || !found->is_number()) continue;
    ++named;
    most = std::max(most, found->get<double>());
  }
  if (named == 0)
    return fmt::format("{} trained without {}: none of the {} records of {} has {}", name, loss,
                       lines, path, key);
  if (most == 0)
    return fmt::format("{} was never applied in {}: {} is 0 in all {} records of {}", loss, name,
                       key, named, path);
  return "";
}

std::string not_carried_out(const std::string& name) {
  return fmt::format("{} was not carried out on the way taken", name);
}

Finding test_conflict(const RecoveryHypothesis& h, const Subjects& subjects) {
  Finding out{"untested",
              fmt::format("cross-batch cosine det~{} per layer group in the monitor's windows of "
                          "{}; bound -{:g}, share {:g} of {} windows or more",
                          h.loss, fmt::join(h.runs, ", "), h.delta, h.share, h.windows),
              "",
              {}};
  std::vector<ConflictEvidence> measured;
  std::vector<std::string> reasons;
  for (const std::string& name : h.runs) {
    const auto run = subjects.find(name);
    std::string why =
        run == subjects.end() ? not_carried_out(name) : why_inactive(name, run->second, h.loss);
    if (why.empty()) {
      ConflictEvidence evidence = conflict_evidence(name, run->second.folder, h.loss, h.delta);
      if (evidence.groups.empty())
        why = fmt::format(
            "{}/monitor.jsonl has no window with det~{}: the monitor was off, or the "
            "run too short for one",
            run->second.folder, h.loss);
      else
        measured.push_back(std::move(evidence));
    }
    if (!why.empty()) reasons.push_back(why);
  }
  out.details = reasons;
  for (const ConflictEvidence& evidence : measured)
    for (const GroupWindows& group : evidence.groups)
      out.details.push_back(text_of(evidence, group));
  if (measured.empty()) {
    out.why = fmt::format("{}", fmt::join(reasons, "; "));
    return out;
  }
  const ConflictVerdict verdict = weigh(measured, h.windows, h.share);
  out.status = verdict.status;
  out.why = verdict.why;
  return out;
}

// "" when two arms differ in the factor alone and the loss was active in the first.
std::string why_no_arms(const std::vector<std::string>& arms, const RecoveryHypothesis& h,
                        const LoadedPlans& plans, const Subjects& subjects) {
  for (const std::string& name : arms)
    if (!subjects.contains(name)) return not_carried_out(name);
  const std::string inactive = why_inactive(arms[0], subjects.at(arms[0]), h.loss);
  if (!inactive.empty()) return inactive;
  const Plan& with = plans.at(arms[0]).resolved.plan;
  const Plan& without = plans.at(arms[1]).resolved.plan;
  std::string other;
  for (const SettingRow& row : differing_settings({&with, &without}, {h.factor}))
    if (!row.declared) other += (other.empty() ? "" : ", ") + row.key;
  if (!other.empty())
    return fmt::format("{} and {} differ in more than {}: {}", arms[0], arms[1], h.factor, other);
  return "";
}

struct Effect {
  double value = 0;
  std::vector<double> resampled;
  std::string text;
};

// With minus without, in the last validations.
Effect effect_of(const std::vector<std::string>& arms, const std::string& metric,
                 const Subjects& subjects, std::uint64_t seed) {
  const RunHistory with = read_run_history(subjects.at(arms[0]).folder);
  const RunHistory without = read_run_history(subjects.at(arms[1]).folder);
  const ValidationRecord& a = validation_at(with, "last");
  const ValidationRecord& b = validation_at(without, "last");
  const std::string refused = why_not_comparable(without, b, with, a);
  KT_CHECK(refused.empty(), "hypothesis: {} and {}: {}", arms[0], arms[1], refused);
  const ValidationOutcomes left = outcomes_of(without, b), right = outcomes_of(with, a);
  metrics::BootstrapOptions options;
  options.seed = seed;
  const metrics::Interval i = difference(left, right, metric, options);
  return {i.value, resampled(left, right, metric, options),
          fmt::format("{} minus {}: {} {:+.4f} [{:+.4f}, {:+.4f}] ({}, {})", arms[0], arms[1],
                      metric, i.value, i.lo, i.hi, a.log, b.log)};
}

Finding test_interaction(const Recovery& recovery, const RecoveryHypothesis& h,
                         const LoadedPlans& plans, const Subjects& subjects) {
  Finding out{"untested",
              fmt::format("({} - {}) - ({} - {}) in {}, last validations, 95 % bootstrap over "
                          "images; bound -{:g}",
                          h.poor[0], h.poor[1], h.good[0], h.good[1], recovery.metric, h.margin),
              "",
              {}};
  for (const auto* arms : {&h.poor, &h.good}) {
    out.why = why_no_arms(*arms, h, plans, subjects);
    if (!out.why.empty()) return out;
  }
  // Two kinds of data have no image in common: their resamples are independent.
  const Effect poor = effect_of(h.poor, recovery.metric, subjects, 1);
  const Effect good = effect_of(h.good, recovery.metric, subjects, 2);
  const double sign = lower_is_better(recovery.metric) ? -1 : 1;
  std::vector<double> differences;
  for (std::size_t i = 0; i < poor.resampled.size(); ++i)
    differences.push_back(sign * (poor.resampled[i] - good.resampled[i]));
  const metrics::Interval d =
      metrics::percentile_interval(sign * (poor.value - good.value), differences, 0.95);
  out.details = {poor.text, good.text, "one seed each: other seeds may differ by more"};
  out.status = d.hi < -h.margin ? "supported" : d.lo > -h.margin ? "refuted" : "inconclusive";
  out.why = fmt::format(
      "the loss changes {} by {:+.4f} [{:+.4f}, {:+.4f}] more on poor visible "
      "images than on good ones (negative: worse)",
      recovery.metric, d.value, d.lo, d.hi);
  return out;
}

Finding test_positives(const RecoveryHypothesis& h, const LoadedPlans& plans,
                       const Subjects& subjects) {
  Finding out{
      "untested",
      fmt::format("positive boxes in a training step of {}; scarce below {:g}, or with more "
                  "than {:g} of the steps without any",
                  fmt::join(h.runs, ", "), h.least, h.most_empty),
      "",
      {}};
  std::vector<std::string> scarce, plenty;
  for (const std::string& name : h.runs) {
    if (!subjects.contains(name)) {
      out.details.push_back(not_carried_out(name));
      continue;
    }
    const LoadedPlan& plan = plans.at(name);
    const std::int64_t batch = plan.resolved.plan.train.batch;
    const double mean =
        static_cast<double>(plan.train_positive * batch) / static_cast<double>(plan.train_pairs);
    const double empty = share_of_empty_batches(plan.train_pairs, plan.train_empty, batch);
    const std::string text = fmt::format(
        "{}: {} positive boxes in {} pairs, {} of them empty (list #{:.12}); batch {}: {:.2f} a "
        "step, {:.3g} of the steps without any",
        name, plan.train_positive, plan.train_pairs, plan.train_empty, plan.train_hash, batch, mean,
        empty);
    out.details.push_back(text);
    (mean < h.least || empty > h.most_empty ? scarce : plenty).push_back(text);
  }
  if (scarce.empty() && plenty.empty()) {
    out.why = fmt::format("{}", fmt::join(out.details, "; "));
    return out;
  }
  out.status = scarce.empty() ? "refuted" : "supported";
  out.why = scarce.empty() ? plenty[0] : scarce[0];
  return out;
}

}  // namespace

double share_of_empty_batches(std::int64_t pairs, std::int64_t empty, std::int64_t batch) {
  KT_CHECK(pairs > 0 && empty >= 0 && empty <= pairs && batch > 0,
           "empty batches: {} of {} pairs, batch {}", empty, pairs, batch);
  double share = 1;
  for (std::int64_t i = 0; i < std::min(batch, pairs); ++i)
    share *=
        static_cast<double>(std::max<std::int64_t>(empty - i, 0)) / static_cast<double>(pairs - i);
  return share;
}

OrderedJson test_hypothesis(const Recovery& recovery, const RecoveryHypothesis& h,
                            const LoadedPlans& plans, const Subjects& subjects) {
  const Finding found = h.measure == "conflict" ? test_conflict(h, subjects)
                        : h.measure == "interaction"
                            ? test_interaction(recovery, h, plans, subjects)
                            : test_positives(h, plans, subjects);
  OrderedJson json = {{"kind", "hypothesis"},   {"hypothesis", h.name},
                      {"status", found.status}, {"text", h.text},
                      {"measure", h.measure},   {"measurement", found.measurement},
                      {"why", found.why}};
  for (const std::string& line : found.details) json["details"].push_back(line);
  return json;
}

}  // namespace ktrain
