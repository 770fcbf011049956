// The verbs of the command line that read a run's monitor.jsonl.
#pragma once

#include <functional>
#include <iosfwd>

namespace CLI {
class App;
}

namespace ktrain {

// `monitor` and `replay`; `action` is set to what the one given does.
void add_monitor_verbs(CLI::App& app, std::function<int(std::ostream&)>& action);

}  // namespace ktrain
