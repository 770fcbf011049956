// A file of one JSON object a line that another process may be writing.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>
#include <sys/types.h>

namespace ktrain {

class JsonLines {
 public:
  // Lines for which `wanted` says no are passed over unread.
  explicit JsonLines(
      std::string path,
      std::function<bool(std::string_view)> wanted = [](std::string_view) { return true; });

  struct Update {
    // The file was cut, replaced or taken away: what came before no longer holds.
    bool restarted = false;
    std::vector<nlohmann::json> records;  // complete lines since the last call, in order
  };
  // Never throws for what the file holds; a missing file is an empty one.
  Update poll();

  // Complete lines that are not JSON objects, since the last restart.
  [[nodiscard]] std::int64_t bad_lines() const { return bad_lines_; }
  [[nodiscard]] bool exists() const { return exists_; }
  // A last line without its end: one that is being written, or that a killed process left.
  [[nodiscard]] bool has_half_line() const { return !half_.empty(); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  void restart();

  std::string path_;
  std::function<bool(std::string_view)> wanted_;
  std::string half_;
  std::int64_t offset_ = 0, bad_lines_ = 0;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  bool exists_ = false;
};

}  // namespace ktrain
