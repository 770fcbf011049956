// Real data sets that lie beside the project and never in it.
#pragma once

#include <cstdlib>
#include <filesystem>

namespace ktrain::test {

// The folder of real data beside the project, "" when it is not there: a test then skips, in sight.
inline std::filesystem::path shared_data() {
  const char* shared = std::getenv("KT_SHARED");
  const std::filesystem::path folder =
      (shared ? std::filesystem::path(shared) : KT_SOURCE_DIR "/../shared") / "data";
  return std::filesystem::is_directory(folder) ? folder : std::filesystem::path();
}

}  // namespace ktrain::test
