// The results of a run as a Markdown table.
#pragma once

#include <string>
#include <vector>

#include "bench/measure.h"

namespace ktrain::bench {

// What stands above the table.
struct Setting {
  std::string date, machine, command;
  std::vector<std::string> lines;  // ceilings, rivals, what is absent
};

// Results of one device; an absent rival's reason stands once, below the table, and so does an
// error.
[[nodiscard]] std::string markdown(const Setting& setting, const std::vector<Result>& results);

}  // namespace ktrain::bench
