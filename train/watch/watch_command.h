// `ktrain watch`: all runs beneath a folder, live.
#pragma once

#include <ostream>
#include <string>

namespace ktrain {

struct WatchOptions {
  std::string folder = "runs";
  bool once = false, json = false;
  double interval = 2;  // seconds between looks
  double stall = 0;     // seconds without a sign of life; 0: by each run's own pace
};

// Shows until Ctrl-C or SIGTERM (130); with `once` one look, whose exit code is returned: 0
// healthy, 1 no run found, 2 degraded, 3 stopped, 4 crashed, the worst of all runs. Writes nothing.
int run_watch(const WatchOptions& options, std::ostream& out);

}  // namespace ktrain
