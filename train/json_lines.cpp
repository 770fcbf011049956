#include "train/json_lines.h"

#include <fstream>
#include <utility>

#include <sys/stat.h>

namespace ktrain {

JsonLines::JsonLines(std::string path, std::function<bool(std::string_view)> wanted)
    : path_(std::move(path)), wanted_(std::move(wanted)) {}

void JsonLines::restart() {
  half_.clear();
  offset_ = bad_lines_ = 0;
}

JsonLines::Update JsonLines::poll() {
  Update update;
  struct stat info {};
  const bool there = ::stat(path_.c_str(), &info) == 0 && S_ISREG(info.st_mode);
  const bool same = there && exists_ && info.st_dev == device_ && info.st_ino == inode_ &&
                    info.st_size >= offset_;
  if (exists_ && !same) {
    update.restarted = true;
    restart();
  }
  exists_ = there;
  if (!there) return update;
  device_ = info.st_dev;
  inode_ = info.st_ino;
  if (info.st_size == offset_) return update;

  std::ifstream in(path_, std::ios::binary);
  in.seekg(offset_);
  std::string text(static_cast<std::size_t>(info.st_size - offset_), '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  offset_ += static_cast<std::int64_t>(text.size());
  text.insert(0, half_);
  std::size_t at = 0;
  for (std::size_t end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
    const std::string_view line(text.data() + at, end - at);
    if (!wanted_(line)) continue;
    auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (json.is_object())
      update.records.push_back(std::move(json));
    else
      ++bad_lines_;
  }
  half_ = text.substr(at);
  return update;
}

}  // namespace ktrain
