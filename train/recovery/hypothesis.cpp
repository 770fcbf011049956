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
  if (lines == 0) return fmt::format("{} has no training record in {}", name, path);
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
  Finding out{
      "untested",
      fmt::format("cross-batch cosine det~{} per layer group in those of the monitor's "
                  "windows of {} that share no probe; bound -{:g}, share {:g} of {} windows "
                  "or more",
                  h.loss, fmt::join(h.runs, ", "), h.delta, h.share, h.windows),
      "",
      {}};
  std::vector<ConflictEvidence> measured;
  std::vector<std::string> reasons;
  for (const std::string& name : h.runs) {
    const auto run = subjects.find(name);
    std::string why =
        run == subjects.end() ? not_carried_out(name) : why_inactive(name, run->second, h.loss);
    if (why.empty() && !run->second.failure.empty())
      why = fmt::format("{} failed: {}", name, run->second.failure);
    if (why.empty()) {
      ConflictEvidence evidence = conflict_evidence(name, run->second.folder, h.loss, h.delta);
      if (evidence.groups.empty())
        why = why_nothing(evidence, h.loss);
      else
        measured.push_back(std::move(evidence));
    }
    if (!why.empty()) reasons.push_back(why);
  }
  out.details = reasons;
  for (const ConflictEvidence& evidence : measured) {
    for (const GroupWindows& group : evidence.groups)
      out.details.push_back(text_of(evidence, group));
    for (const auto& [at, text] : evidence.left_out)
      out.details.push_back(fmt::format("{} epoch {}: {}", evidence.run, at, text));
  }
  if (measured.empty()) {
    out.why = fmt::format("{}", fmt::join(reasons, "; "));
    return out;
  }
  const ConflictVerdict verdict = weigh(measured, h.windows, h.share);
  out.status = verdict.status;
  out.why = verdict.why;
  // That no run shows a conflict cannot be said while one of them says nothing.
  if (verdict.status == "refuted" && !reasons.empty()) {
    out.status = "inconclusive";
    out.why =
        fmt::format("what was measured excludes a conflict, but {}", fmt::join(reasons, "; "));
  }
  return out;
}

// "" when two arms differ in the factor alone and the loss was active in the first.
std::string why_no_arms(const std::vector<std::string>& arms, const RecoveryHypothesis& h,
                        const LoadedPlans& plans, const Subjects& subjects) {
  for (const std::string& name : arms) {
    const auto run = subjects.find(name);
    if (run == subjects.end()) return not_carried_out(name);
    if (!run->second.failure.empty())
      return fmt::format("{} failed: {}", name, run->second.failure);
  }
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

// The last epoch that all arms have validated, 0 without any: a run that was stopped early is not
// held against a longer one.
std::int64_t common_epoch(const std::vector<const RunHistory*>& runs) {
  for (auto v = runs.at(0)->validations.rbegin(); v != runs.at(0)->validations.rend(); ++v)
    if (std::all_of(runs.begin(), runs.end(),
                    [&](const RunHistory* run) { return run->of_epoch(v->epoch) != nullptr; }))
      return v->epoch;
  return 0;
}

// One kind of data: the run with the loss and the one without it.
struct Arms {
  std::vector<std::string> names;
  RunHistory with, without;
  ValidationOutcomes outcomes_with = {}, outcomes_without = {};

  Arms(const std::vector<std::string>& arms, const Subjects& subjects)
      : names(arms),
        with(read_run_history(subjects.at(arms[0]).folder)),
        without(read_run_history(subjects.at(arms[1]).folder)) {}
};

struct Effect {
  double value = 0;
  std::vector<double> resampled;
  std::string text;
};

// With minus without.
Effect effect_of(const Arms& arms, std::int64_t epoch, const std::string& metric,
                 std::uint64_t seed) {
  metrics::BootstrapOptions options;
  options.seed = seed;
  const metrics::Interval i =
      difference(arms.outcomes_without, arms.outcomes_with, metric, options);
  return {i.value, resampled(arms.outcomes_without, arms.outcomes_with, metric, options),
          fmt::format("{} minus {}: {} {:+.4f} [{:+.4f}, {:+.4f}] ({}, {})", arms.names[0],
                      arms.names[1], metric, i.value, i.lo, i.hi, arms.with.of_epoch(epoch)->log,
                      arms.without.of_epoch(epoch)->log)};
}

// Whether both kinds of data are the same scenes: as many images, with the same targets in each.
bool same_scenes(const ValidationOutcomes& a, const ValidationOutcomes& b) {
  return a.voc.targets == b.voc.targets && a.reasonable.targets == b.reasonable.targets;
}

// The effect on poor data minus that on good data, and the interval of it. Draws depend on the seed
// and the number of images alone. Of scenes that are the same in both kinds of data (the built-in
// ones, of one seed) the scene is what is drawn, the same ones for both, so that what both effects
// have in common is taken out. Other images have nothing to do with each other, and get draws of
// their own: with equal ones an accident of the order would count as a correlation.
void measure_interaction(Arms& poor, Arms& good, std::int64_t epoch, const Recovery& recovery,
                         const RecoveryHypothesis& h, Finding& out) {
  for (Arms* const arms : {&poor, &good}) {
    arms->outcomes_with = outcomes_of(arms->with, *arms->with.of_epoch(epoch));
    arms->outcomes_without = outcomes_of(arms->without, *arms->without.of_epoch(epoch));
  }
  const bool same = same_scenes(poor.outcomes_with, good.outcomes_with);
  const Effect on_poor = effect_of(poor, epoch, recovery.metric, 1);
  const Effect on_good = effect_of(good, epoch, recovery.metric, same ? 1 : 2);
  const double sign = lower_is_better(recovery.metric) ? -1 : 1;
  std::vector<double> differences;
  for (std::size_t i = 0; i < on_poor.resampled.size(); ++i)
    differences.push_back(sign * (on_poor.resampled[i] - on_good.resampled[i]));
  const metrics::Interval d = metrics::percentile_interval(
      sign * (on_poor.value - on_good.value), differences, metrics::BootstrapOptions{}.level);
  out.details = {on_poor.text, on_good.text,
                 same ? "the scenes are the same in both kinds of data, and are drawn together"
                      : "the images of both kinds of data are others, and are drawn apart",
                 "one seed each: other seeds may differ by more"};
  // NaN, a resample without a target, is neither.
  out.status = d.hi < -h.margin ? "supported" : d.lo > -h.margin ? "refuted" : "inconclusive";
  out.why = fmt::format(
      "the loss changes {} by {:+.4f} [{:+.4f}, {:+.4f}] more on poor visible "
      "images than on good ones (negative: worse), epoch {} of all four",
      recovery.metric, d.value, d.lo, d.hi, epoch);
}

Finding test_interaction(const Recovery& recovery, const RecoveryHypothesis& h,
                         const LoadedPlans& plans, const Subjects& subjects) {
  Finding out{
      "untested",
      fmt::format("({} - {}) - ({} - {}) in {}, last validations of one epoch, 95 % "
                  "bootstrap over images; bound {:g}",
                  h.poor[0], h.poor[1], h.good[0], h.good[1], recovery.metric, 0.0 - h.margin),
      "",
      {}};
  for (const auto* arms : {&h.poor, &h.good}) {
    out.why = why_no_arms(*arms, h, plans, subjects);
    if (!out.why.empty()) return out;
  }
  Arms poor(h.poor, subjects), good(h.good, subjects);
  const std::int64_t epoch = common_epoch({&poor.with, &poor.without, &good.with, &good.without});
  if (epoch == 0) {
    out.why = "there is no epoch that all four runs have validated";
    return out;
  }
  for (const Arms* const arms : {&poor, &good}) {
    const std::string refused = why_not_comparable(arms->without, *arms->without.of_epoch(epoch),
                                                   arms->with, *arms->with.of_epoch(epoch));
    if (!refused.empty())
      out.why = fmt::format("{} and {}: {}", arms->names[0], arms->names[1], refused);
  }
  if (out.why.empty()) measure_interaction(poor, good, epoch, recovery, h, out);
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
