// What a run was made with: for env.txt.
#pragma once

#include <string>

namespace ktrain {

// "0.1.0"
[[nodiscard]] std::string version_text();

// Lines "key  value": program, compiler, processor, cores, threads, memory, kernel. No user name,
// host name, path or environment.
[[nodiscard]] std::string machine_text();

}  // namespace ktrain
