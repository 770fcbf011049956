#include "kernels/check.h"

#include <string_view>

namespace ktrain {

void fail_at(const char* file, int line, const std::string& message) {
  std::string_view place = file;
  const std::string_view root = KT_SOURCE_DIR "/";
  if (place.starts_with(root)) place.remove_prefix(root.size());
  // A compiler cache may have named the file from the build folder.
  while (place.starts_with("../")) place.remove_prefix(3);
  throw Error(fmt::format("{} ({}:{})", message, place, line));
}

}  // namespace ktrain
