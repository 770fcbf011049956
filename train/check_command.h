// `ktrain check`: everything that is wrong with a data set, before a run finds it.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "data/pair_index.h"

namespace ktrain {

struct CheckOptions {
  std::filesystem::path root;      // of the data set; or a plan, whose lists are then checked
  PairSource source;               // its `list` is not looked at
  std::vector<std::string> lists;  // none for a plan
  bool json = false;
  std::filesystem::path write_list;  // "": none; a new file with the pairs that are sound
};

// Reads and decodes every file of the lists and writes the report; two lists are compared with each
// other. Exit code 0 when nothing is wrong, 65 when something is. Throws Fault when the root or a
// list cannot be read, for a layout that does not exist, and when `write_list` is there already,
// cannot be written, or the layout has no list files.
int run_check(const CheckOptions& options, std::ostream& out);

}  // namespace ktrain
