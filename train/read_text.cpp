#include "train/read_text.h"

#include <fstream>
#include <sstream>

namespace ktrain {

std::string read_text(const std::string& path) {
  std::ostringstream text;
  const std::ifstream in(path, std::ios::binary);
  if (in) text << in.rdbuf();
  return text.str();
}

}  // namespace ktrain
