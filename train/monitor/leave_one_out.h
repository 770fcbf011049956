// What leaving a loss out of a step does to detection on held-out images, over the last times that
// it was measured.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace ktrain {

class LeaveOneOut {
 public:
  static constexpr std::size_t kKept = 10;

  // `change`: held-out detection loss after the step with the loss minus after the step without
  // it. Values from under another dose, a weight or learning rate of less than half or more than
  // twice this one, are dropped first. Returns the values that count, oldest first.
  const std::vector<double>& add(const std::string& loss, double change, double weight,
                                 double learning_rate);

  [[nodiscard]] nlohmann::json state() const;
  void restore(const nlohmann::json& state);

 private:
  struct Values {
    std::vector<double> changes;
    double weight = 0, learning_rate = 0;
  };
  std::map<std::string, Values> by_loss_;
};

}  // namespace ktrain
