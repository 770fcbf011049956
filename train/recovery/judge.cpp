#include "train/recovery/judge.h"

#include "runtime/fault.h"
#include "train/plan_check.h"

namespace ktrain {

const ValidationRecord& Subject::best_record() const {
  KT_CHECK(best >= 0, "{} has no validation", folder);
  return validations[static_cast<std::size_t>(best)];
}

OrderedJson Subject::evidence() const {
  OrderedJson json = {{"run", folder}, {"state", state}};
  if (!failure.empty()) json["failure"] = failure;
  json["validations"] = validations.size();
  if (best < 0 && !failure.empty()) {
    json["data_train"] = train_hash;
    json["data_val"] = val_hash;
    return json;
  }
  const ValidationRecord& v = best_record();
  json["epoch"] = v.epoch;
  json["step"] = v.step;
  for (const auto& [metric, value] : v.metrics) json["metrics"][metric] = value;
  json["gts"] = v.gts;
  json["dets"] = v.dets;
  json["log"] = v.log;
  json["protocol"] = v.fingerprint;
  json["checkpoint"] = checkpoint;
  json["hash"] = hash;
  if (!began.empty()) json["began"] = began;
  json["data_train"] = train_hash;
  json["data_val"] = val_hash;
  return json;
}

const char* trend_name(Trend::Kind kind) {
  switch (kind) {
    case Trend::Kind::kFalling:
      return "falling";
    case Trend::Kind::kStable:
      return "stable";
    case Trend::Kind::kRising:
      return "rising";
    default:
      return "unknown";
  }
}

Trend trend_of(const std::vector<ValidationRecord>& validations, const std::string& metric,
               double tolerance, std::int64_t least) {
  std::vector<std::pair<std::int64_t, double>> points;
  for (const ValidationRecord& v : validations)
    if (const auto value = v.metric(metric)) points.emplace_back(v.epoch, *value);
  Trend trend;
  if (static_cast<std::int64_t>(points.size()) < least) {
    trend.text = fmt::format("unknown: {} validations, {} wanted", points.size(), least);
    return trend;
  }
  const std::int64_t at = best_index(validations, metric);
  const ValidationRecord& best = validations[static_cast<std::size_t>(at)];
  const double sign = lower_is_better(metric) ? -1 : 1;
  const double first = points.front().second, last = points.back().second;
  if (sign * (*best.metric(metric) - last) > tolerance)
    trend.kind = Trend::Kind::kFalling;
  else if (sign * (last - first) > tolerance)
    trend.kind = Trend::Kind::kRising;
  else
    trend.kind = Trend::Kind::kStable;
  trend.text = fmt::format("{}: {:.4f} at epoch {}, {:.4f} at epoch {}, best {:.4f} at epoch {}",
                           trend_name(trend.kind), first, points.front().first, last,
                           points.back().first, *best.metric(metric), best.epoch);
  return trend;
}

OrderedJson Verdict::json() const {
  OrderedJson out = {{"of", of}, {"level", level}, {"holds", holds}};
  for (const Criterion& c : criteria)
    out["criteria"].push_back(
        {{"name", c.name}, {"found", c.found}, {"wanted", c.wanted}, {"holds", c.holds}});
  return out;
}

Verdict judge(const Recovery& recovery, const RecoveryLevel& level, const Subject& subject) {
  Verdict verdict{subject.name, level.name, true, {}};
  if (!subject.failure.empty()) {
    verdict.criteria.push_back({"finite", subject.failure, "a run to its end", false});
    verdict.holds = false;
    return verdict;
  }
  const ValidationRecord& best = subject.best_record();
  for (const auto& [metric, bound] : level.bounds) {
    const auto value = best.metric(metric);
    const bool lower = lower_is_better(metric);
    const bool holds = value && (lower ? *value <= bound : *value >= bound);
    verdict.criteria.push_back(
        {metric,
         value ? fmt::format("{:.4f} (epoch {})", *value, best.epoch) : std::string("not measured"),
         fmt::format("{} {:g}", lower ? "at most" : "at least", bound), holds});
  }
  if (level.trend) {
    const Trend trend = trend_of(subject.validations, recovery.metric, recovery.trend_tolerance,
                                 recovery.trend_least);
    const bool holds = trend.kind == Trend::Kind::kStable || trend.kind == Trend::Kind::kRising;
    verdict.criteria.push_back(
        {"trend", trend.text,
         fmt::format("stable or rising (last within {:g} of the best, {} validations or more)",
                     recovery.trend_tolerance, recovery.trend_least),
         holds});
  }
  if (level.early_stop) {
    const bool stopped = subject.state == "stopped early";
    verdict.criteria.push_back({"early_stop", stopped ? "stopped early" : "ran to its end",
                                *level.early_stop ? "stopped early" : "ran to its end",
                                stopped == *level.early_stop});
  }
  for (const Criterion& c : verdict.criteria) verdict.holds = verdict.holds && c.holds;
  return verdict;
}

const Subject& better_of(const Recovery& recovery, const std::vector<const Subject*>& subjects) {
  const bool lower = lower_is_better(recovery.metric);
  const Subject* best = nullptr;
  std::string failures;
  for (const Subject* const s : subjects) {
    if (!s->failure.empty()) {
      failures += fmt::format("; {}: {}", s->name, s->failure);
      continue;
    }
    if (best == nullptr) best = s;
    const double value = *s->best_record().metric(recovery.metric);
    const double before = *best->best_record().metric(recovery.metric);
    if (lower ? value < before : value > before) best = s;
  }
  if (best == nullptr)
    throw_fault("KT-REC-004", "{}: of {} runs to choose a checkpoint from, all have failed{}",
                recovery.file, subjects.size(), failures);
  return *best;
}

}  // namespace ktrain
