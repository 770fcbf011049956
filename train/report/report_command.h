// `ktrain report`: runs as one HTML file.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace ktrain {

struct ReportOptions {
  std::vector<std::string> runs;  // folders, in the order of their colours
  std::string out;                // "" for report.html in the first one
};

// Returns 0. Throws Fault.
int run_report(const ReportOptions& options, std::ostream& out);

}  // namespace ktrain
