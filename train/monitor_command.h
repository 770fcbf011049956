// `ktrain monitor RUN`: what the conflict monitor of a run measured.
#pragma once

#include <iosfwd>
#include <string>

namespace ktrain {

struct MonitorCommand {
  std::string run;       // its folder
  std::string quantity;  // a log name or a pattern with '*'; "" for the summary
  bool csv = false, json = false;
};

// The summary who hurts whom, or a quantity over time. Returns 0. Throws Fault: KT-DATA-060, -061,
// -062 for the log, KT-CLI-006 for a quantity that it does not have.
int run_monitor(const MonitorCommand& command, std::ostream& out);

}  // namespace ktrain
