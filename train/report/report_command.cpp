#include "train/report/report_command.h"

#include "train/report/page.h"

namespace ktrain {

int run_report(const ReportOptions& options, std::ostream& out) {
  out << "report    " << report::write_report(options.runs, options.out) << '\n';
  return 0;
}

}  // namespace ktrain
