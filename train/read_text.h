// A small file as a whole.
#pragma once

#include <string>

namespace ktrain {

// "" when there is none, or it cannot be read: for files whose absence says something, such as the
// status of a run that has not begun.
[[nodiscard]] std::string read_text(const std::string& path);

}  // namespace ktrain
