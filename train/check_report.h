// The words of `ktrain check`. Names from files are escaped.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "data/check.h"

namespace ktrain {

struct CheckReport {
  std::filesystem::path root;
  std::vector<ListCheck> lists;
  ListOverlap overlap;  // of all pairs of lists

  [[nodiscard]] std::size_t num_problems() const;
  [[nodiscard]] std::size_t num_warnings() const;
};

void write_check_text(const CheckReport& report, std::ostream& out);
void write_check_json(const CheckReport& report, std::ostream& out);

}  // namespace ktrain
