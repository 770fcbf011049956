// The commands `recover` and `compare` on the command line.
#pragma once

#include <functional>
#include <ostream>

namespace CLI {
class App;
}

namespace ktrain {

// `action` is set when one of them is given.
void add_recovery_verbs(CLI::App& app, std::function<int(std::ostream&)>& action);

}  // namespace ktrain
