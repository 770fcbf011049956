#include "train/metrics/text_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "runtime/fault.h"

namespace ktrain::metrics {

std::string read_text(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    throw_fault("KT-EVAL-005", "{}: this is a folder, a file was expected", path.string());
  std::ifstream file(path, std::ios::binary);
  if (!file) throw_fault("KT-EVAL-005", "{}: {}", path.string(), std::strerror(errno));
  std::ostringstream text;
  text << file.rdbuf();
  if (file.bad()) throw_fault("KT-EVAL-005", "{}: cannot be read to its end", path.string());
  return std::move(text).str();
}

void write_text(const std::filesystem::path& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  file.close();
  if (!file) throw_fault("KT-IO-001", "{}: {}", path.string(), std::strerror(errno));
}

nlohmann::json parse_json(std::string_view text, const std::string& path, std::string_view id) {
  try {
    return nlohmann::json::parse(text.begin(), text.end());
  } catch (const nlohmann::json::parse_error& error) {
    const std::string_view before = text.substr(0, std::min(error.byte, text.size()));
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const std::size_t start = before.rfind('\n');
    const std::size_t column = before.size() - (start == std::string_view::npos ? 0 : start + 1);
    throw_fault(id, "{}:{}:{}: not valid JSON here", path, line, column);
  } catch (const nlohmann::json::exception& error) {
    throw_fault(id, "{}: not valid JSON: {}", path, printable(error.what(), 200));
  }
}

}  // namespace ktrain::metrics
