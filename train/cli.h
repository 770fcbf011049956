// The command `ktrain`.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace ktrain {

// Runs the command line after the program's name and returns the exit code. Results go to `out`;
// an error is one line on `err`, `ktrain: error <id>: <text>`, then a last line with the exit code
// and its name.
int run(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err);

}  // namespace ktrain
