// GradNorm's weights, which learn, and what a remedy remembers between steps.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/check.h"
#include "train/monitor/json_place.h"
#include "train/monitor/probe_json.h"
#include "train/monitor/remedy.h"

namespace ktrain {
namespace {

constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEpsilon = 1e-8;  // Adam's, as in its publication
constexpr double kLeastFactor = 1e-3;  // a factor at 0 could never come back

// n_k and the group they are taken from, or nothing.
const GroupGram* balanced_group(const ProbeRecord& record, const std::string& name) {
  for (auto group = record.groups.rbegin(); group != record.groups.rend(); ++group) {
    if (!name.empty() && group->group != name) continue;
    bool all = true;
    for (std::size_t k = 0; k < record.losses.size(); ++k)
      all = all && record.weights[k] > 0 && group->raw(k, k) > 0;
    if (all) return &*group;
  }
  return nullptr;
}

}  // namespace

// One step of Adam on sum |n_k - target_k| with n_k = factor_k w_k ||g_k||, target_k = mean(n)
// rho_k^alpha held constant, rho_k = (L_k / L_k(0)) / their mean; factors are then scaled to sum K.
void Remedy::gradnorm(const ProbeRecord& record, std::vector<GroupWeights>& answers) {
  const std::size_t losses = record.losses.size();
  const double count = static_cast<double>(losses);
  const GroupGram* const group = balanced_group(record, options_.gradnorm_group);
  const bool usable = group != nullptr && std::all_of(record.values.begin(), record.values.end(),
                                                      [](double value) { return value > 0; });
  if (usable) {
    if (factors_.size() != losses) {
      first_values_ = record.values;
      factors_.assign(losses, 1.0);
      moment1_.assign(losses, 0.0);
      moment2_.assign(losses, 0.0);
      updates_ = 0;
    }
    std::vector<double> norms(losses), rates(losses);
    double mean_norm = 0, mean_rate = 0;
    for (std::size_t k = 0; k < losses; ++k) {
      norms[k] = record.weights[k] * std::sqrt(group->raw(k, k));
      rates[k] = record.values[k] / first_values_[k];
      mean_norm += factors_[k] * norms[k] / count;
      mean_rate += rates[k] / count;
    }
    ++updates_;
    const double correct1 = 1 - std::pow(kBeta1, static_cast<double>(updates_));
    const double correct2 = 1 - std::pow(kBeta2, static_cast<double>(updates_));
    for (std::size_t k = 0; k < losses; ++k) {
      const double target = mean_norm * std::pow(rates[k] / mean_rate, options_.gradnorm_alpha);
      const double off = factors_[k] * norms[k] - target;
      const double slope = off > 0 ? norms[k] : off < 0 ? -norms[k] : 0.0;
      moment1_[k] = kBeta1 * moment1_[k] + (1 - kBeta1) * slope;
      moment2_[k] = kBeta2 * moment2_[k] + (1 - kBeta2) * slope * slope;
      factors_[k] -= options_.gradnorm_rate * (moment1_[k] / correct1) /
                     (std::sqrt(moment2_[k] / correct2) + kEpsilon);
      factors_[k] = std::max(factors_[k], kLeastFactor);
    }
    const double sum = std::accumulate(factors_.begin(), factors_.end(), 0.0);
    for (double& factor : factors_) factor *= count / sum;
  }
  for (GroupWeights& answer : answers) {
    if (!usable) answer.reason = group == nullptr ? "no gradient" : "a loss is not above 0";
    if (factors_.size() == losses)
      for (std::size_t k = 0; k < losses; ++k) answer.weights[k] *= factors_[k];
  }
}

std::string Remedy::state() const {
  MonitorJson json{{"averages", MonitorJson::object()},
                   {"first_values", first_values_},
                   {"factors", factors_},
                   {"moment1", moment1_},
                   {"moment2", moment2_},
                   {"updates", updates_}};
  for (const auto& [group, average] : averages_) json["averages"][group] = average;
  return json.dump();
}

void Remedy::restore(std::string_view state) {
  const LineName name{"the remedy's state", 1};
  const MonitorJson json = parse_monitor_line(state, name);
  const JsonPlace place(json, name);
  Remedy read(options_);
  for (const auto& [group, average] : place.at("averages").members())
    read.averages_[group] = average.numbers(average.entries().size());
  const std::size_t losses = place.at("first_values").entries().size();
  read.first_values_ = place.at("first_values").numbers(losses);
  read.factors_ = place.at("factors").numbers(losses);
  read.moment1_ = place.at("moment1").numbers(losses);
  read.moment2_ = place.at("moment2").numbers(losses);
  read.updates_ = place.at("updates").whole(0);
  *this = std::move(read);
}

}  // namespace ktrain
