// `ktrain check`: everything that is wrong with a data set, before a run finds it.
#pragma once

#include <filesystem>
#include <iosfwd>

#include "data/pair_index.h"

namespace ktrain {

struct CheckOptions {
  std::filesystem::path root;
  PairSource source;
  bool json = false;
};

// Reads every file of the list whole and writes the report. Exit code 0 when nothing is wrong, 65
// when something is. Throws Fault when the root or the list cannot be read.
int run_check(const CheckOptions& options, std::ostream& out);

}  // namespace ktrain
