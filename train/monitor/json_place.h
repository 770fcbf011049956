// A value within one line of monitor.jsonl: reads what should stand there, or says where the line
// is damaged, what was found and what was wanted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "train/monitor/probe_record.h"

namespace ktrain {

using MonitorJson = nlohmann::ordered_json;

struct LineName {
  std::string file;
  std::int64_t number = 0;  // from 1
};

// An object without repeated keys. Throws Fault KT-DATA-060, like everything here.
[[nodiscard]] MonitorJson parse_monitor_line(std::string_view text, const LineName& line);

class JsonPlace {
 public:
  JsonPlace(const MonitorJson& value, const LineName& line) : value_(value), line_(line) {}

  [[noreturn]] void refuse(std::string_view found, std::string_view wanted) const;

  [[nodiscard]] bool has(const char* key) const;
  [[nodiscard]] JsonPlace at(const char* key) const;  // refuses an object without it
  // Refuses keys that are not listed.
  void only(const std::vector<std::string_view>& keys) const;

  [[nodiscard]] double number() const;
  [[nodiscard]] std::int64_t whole(std::int64_t least) const;
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::vector<double> numbers(std::size_t count) const;
  // A name of a loss, group or feature: letters, digits, '_', '-' and '.', since log names have '/'
  // and '~' between names.
  static void check_name(const std::string& name, const JsonPlace& where);
  [[nodiscard]] Gram gram(std::size_t size) const;  // with a diagonal that is not negative
  [[nodiscard]] const MonitorJson& value() const { return value_; }
  // The members of an object, in the order of the text.
  [[nodiscard]] std::vector<std::pair<std::string, JsonPlace>> members() const;
  [[nodiscard]] std::vector<JsonPlace> entries() const;  // of a list

 private:
  JsonPlace(const MonitorJson& value, const LineName& line, std::string path)
      : value_(value), line_(line), path_(std::move(path)) {}
  [[nodiscard]] JsonPlace inside(const MonitorJson& value, const std::string& name) const;

  const MonitorJson& value_;
  const LineName& line_;
  std::string path_;
};

}  // namespace ktrain
