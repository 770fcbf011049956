#include "train/monitor/leave_one_out.h"

#include <cmath>

#include <nlohmann/json.hpp>

namespace ktrain {
namespace {

bool comparable(double a, double b) {
  return std::abs(a) <= 2 * std::abs(b) && std::abs(b) <= 2 * std::abs(a);
}

}  // namespace

const std::vector<double>& LeaveOneOut::add(const std::string& loss, double change, double weight,
                                            double learning_rate) {
  Values& values = by_loss_[loss];
  if (!comparable(values.weight, weight) || !comparable(values.learning_rate, learning_rate))
    values = {{}, weight, learning_rate};
  values.changes.push_back(change);
  if (values.changes.size() > kKept) values.changes.erase(values.changes.begin());
  return values.changes;
}

nlohmann::json LeaveOneOut::state() const {
  nlohmann::json state = nlohmann::json::object();
  for (const auto& [loss, values] : by_loss_)
    state[loss] = {{"changes", values.changes},
                   {"weight", values.weight},
                   {"learning_rate", values.learning_rate}};
  return state;
}

void LeaveOneOut::restore(const nlohmann::json& state) {
  by_loss_.clear();
  for (const auto& [loss, values] : state.items())
    by_loss_[loss] = {values.at("changes").get<std::vector<double>>(),
                      values.at("weight").get<double>(), values.at("learning_rate").get<double>()};
}

}  // namespace ktrain
