// Real data sets that lie beside the project and never in it.
#pragma once

#include <cstdlib>
#include <filesystem>

namespace ktrain::test {

// The folder `name` of the shared data: $KT_SHARED/data, or ../shared/data beside the project.
// Empty when it is absent; a test then skips and says so.
inline std::filesystem::path shared_data(const char* name) {
  const char* root = std::getenv("KT_SHARED");
  const std::filesystem::path path =
      (root != nullptr ? std::filesystem::path(root)
                       : std::filesystem::path(KT_SOURCE_DIR) / ".." / "shared") /
      "data" / name;
  return std::filesystem::exists(path) ? path : std::filesystem::path();
}

}  // namespace ktrain::test
