#include "train/early_stop.h"

#include <cmath>

#include <nlohmann/json.hpp>

#include "runtime/fault.h"
#include "train/plan_check.h"

namespace ktrain {

StopVerdict EarlyStop::update(std::int64_t epoch, std::optional<double> value) {
  if (!value || !std::isfinite(*value))
    throw_fault("KT-NUM-010",
                "validation of epoch {}: {} is {}; best checkpoint and early stop need a number",
                epoch, plan_.metric, value ? fmt::format("{}", *value) : "missing");
  const bool lower = lower_is_better(plan_.metric);
  StopVerdict verdict;
  if (best_epoch_ == 0 || (lower ? *value < best_value_ : *value > best_value_)) {
    best_epoch_ = epoch;
    best_value_ = *value;
    verdict.best = true;
  }
  if (plan_.patience == 0) return verdict;

  const bool good = lower ? *value <= plan_.threshold : *value >= plan_.threshold;
  const std::string compared = fmt::format(
      "{} {:.4f} is {} {:g}", plan_.metric, *value,
      good ? (lower ? "not above" : "not below") : (lower ? "above" : "below"), plan_.threshold);
  if (epoch < plan_.begin) {
    verdict.reason = fmt::format("{}; counted from epoch {} on", compared, plan_.begin);
    return verdict;
  }
  bad_ = good ? 0 : bad_ + 1;
  stopped_ = bad_ >= plan_.patience;
  verdict.stop = stopped_;
  verdict.reason = fmt::format("{} ({} of {})", compared, bad_, plan_.patience);
  return verdict;
}

std::string EarlyStop::state() const {
  return nlohmann::json{{"best_epoch", best_epoch_},
                        {"best_value", best_value_},
                        {"bad", bad_},
                        {"stopped", stopped_}}
      .dump();
}

void EarlyStop::restore(const std::string& state) {
  const auto json = nlohmann::json::parse(state, nullptr, false);
  const auto is = [&](const char* key, bool (nlohmann::json::*test)() const noexcept) {
    return json.is_object() && json.contains(key) && (json[key].*test)();
  };
  KT_CHECK(is("best_epoch", &nlohmann::json::is_number_integer) &&
               is("bad", &nlohmann::json::is_number_integer) &&
               is("best_value", &nlohmann::json::is_number) &&
               is("stopped", &nlohmann::json::is_boolean),
           "EarlyStop::restore: not a state of early stop: {}", state.substr(0, 80));
  best_epoch_ = json["best_epoch"];
  best_value_ = json["best_value"];
  bad_ = json["bad"];
  stopped_ = json["stopped"];
}

}  // namespace ktrain
