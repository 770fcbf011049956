// How the list of a plan's keys is written down; for plan_keys.cpp and its parts alone.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "train/plan_keys.h"

namespace ktrain {

using Choices = std::vector<std::string_view>;
inline constexpr double kHuge = 9e15;  // integers up to here are exact in a double

// Collects the keys; `group` stands before every name.
class KeyList {
 public:
  PlanKey& flag(std::string_view name, bool& value, std::string_view help) {
    return add({name, &value, help, 0, 0, {}, false});
  }
  template <class T>
  PlanKey& number(std::string_view name, T& value, double least, double most,
                  std::string_view help) {
    return add({name, &value, help, least, most, {}, false});
  }
  PlanKey& choice(std::string_view name, std::string& value, Choices choices,
                  std::string_view help) {
    return add({name, &value, help, 0, 0, std::move(choices), false});
  }
  template <class T>
  PlanKey& text(std::string_view name, T& value, std::string_view help) {
    return add({name, &value, help, 0, 0, {}, false});
  }
  std::vector<PlanKey> take() { return std::move(keys_); }

 private:
  PlanKey& add(PlanKey key) {
    keys_.push_back(std::move(key));
    return keys_.back();
  }
  std::vector<PlanKey> keys_;
};

// The losses beside detection's own, and what watches and mends their conflicts.
void macl_keys(MaclPlan& macl, KeyList& keys);
void dhn_keys(DhnPlan& dhn, KeyList& keys);
void domain_keys(DomainPlan& domain, KeyList& keys);
void monitor_keys(MonitorPlan& monitor, KeyList& keys);
void drift_keys(DriftPlan& drift, KeyList& keys);
void remedy_keys(RemedyPlan& remedy, KeyList& keys);

}  // namespace ktrain
