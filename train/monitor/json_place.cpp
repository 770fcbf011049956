#include "train/monitor/json_place.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "runtime/fault.h"
#include "train/monitor/probe_json.h"

namespace ktrain {
namespace {

std::string shown(const MonitorJson& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return fmt::format("a list of {}", value.size());
  return printable(value.dump(-1, ' ', false, MonitorJson::error_handler_t::replace), 40);
}

bool name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.';
}

// The library keeps one of two members of the same name and says nothing.
class RepeatedKeys {
 public:
  bool operator()(int depth, MonitorJson::parse_event_t event, const MonitorJson& parsed) {
    const auto level = static_cast<std::size_t>(depth);
    if (event == MonitorJson::parse_event_t::object_start) {
      if (keys_.size() <= level + 1) keys_.resize(level + 2);
      keys_[level + 1].clear();
    } else if (event == MonitorJson::parse_event_t::key) {
      const auto& name = parsed.get_ref<const std::string&>();
      if (!keys_.at(level).insert(name).second && repeated_.empty()) repeated_ = name;
    }
    return true;
  }
  [[nodiscard]] const std::string& repeated() const { return repeated_; }

 private:
  std::vector<std::set<std::string>> keys_;
  std::string repeated_;
};

constexpr int kMostLevels = 16;

}  // namespace

MonitorJson parse_monitor_line(std::string_view text, const LineName& line) {
  const auto refuse = [&](const std::string& found) {
    throw_fault("KT-DATA-060", "{}:{}: found {}, wanted a JSON object", line.file, line.number,
                found);
  };
  if (text.size() > kMostLineBytes)
    refuse(fmt::format("{} bytes, the limit is {}", text.size(), kMostLineBytes));
  // The library takes a NUL for the end of the text.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos)
    refuse(fmt::format("a NUL byte in column {}", nul + 1));
  RepeatedKeys keys;
  int deepest = 0;
  MonitorJson json;
  try {
    json = MonitorJson::parse(
        text.begin(), text.end(),
        [&](int depth, MonitorJson::parse_event_t event, const MonitorJson& parsed) {
          deepest = std::max(deepest, depth);
          return deepest <= kMostLevels && keys(depth, event, parsed);
        });
  } catch (const nlohmann::json::parse_error& error) {
    refuse(fmt::format("an error in column {}", error.byte));
  } catch (const nlohmann::json::exception&) {  // a number that no double can hold
    refuse("a number out of range");
  }
  if (deepest > kMostLevels) refuse(fmt::format("more than {} levels of nesting", kMostLevels));
  if (!keys.repeated().empty()) refuse(fmt::format("'{}' twice", printable(keys.repeated())));
  if (!json.is_object()) refuse(shown(json));
  return json;
}

void JsonPlace::refuse(std::string_view found, std::string_view wanted) const {
  throw_fault("KT-DATA-060", "{}:{}: {}{}found {}, wanted {}", line_.file, line_.number,
              printable(path_), path_.empty() ? "" : ": ", found, wanted);
}

JsonPlace JsonPlace::inside(const MonitorJson& value, const std::string& name) const {
  return {value, line_, path_.empty() ? name : path_ + "." + name};
}

bool JsonPlace::has(const char* key) const { return value_.is_object() && value_.contains(key); }

JsonPlace JsonPlace::at(const char* key) const {
  if (!value_.is_object()) refuse(shown(value_), "an object");
  if (!value_.contains(key)) refuse(fmt::format("no '{}'", key), "it");
  return inside(value_.at(key), key);
}

void JsonPlace::only(const std::vector<std::string_view>& keys) const {
  for (const auto& [name, place] : members())
    if (std::find(keys.begin(), keys.end(), name) == keys.end())
      refuse(fmt::format("'{}'", printable(name)), fmt::format("{}", fmt::join(keys, ", ")));
}

double JsonPlace::number() const {
  if (!value_.is_number()) refuse(shown(value_), "a number");
  const auto number = value_.get<double>();
  if (!std::isfinite(number)) refuse(shown(value_), "a finite number");
  return number;
}

std::int64_t JsonPlace::whole(std::int64_t least) const {
  const auto wanted = [&] { return fmt::format("a whole number from {}", least); };
  if (!value_.is_number_integer() ||
      (value_.is_number_unsigned() && value_.get<std::uint64_t>() > std::uint64_t{INT64_MAX}))
    refuse(shown(value_), wanted());
  const auto number = value_.get<std::int64_t>();
  if (number < least) refuse(shown(value_), wanted());
  return number;
}

std::string JsonPlace::text() const {
  if (!value_.is_string()) refuse(shown(value_), "text");
  return value_.get<std::string>();
}

std::vector<JsonPlace> JsonPlace::entries() const {
  if (!value_.is_array()) refuse(shown(value_), "a list");
  std::vector<JsonPlace> all;
  for (std::size_t i = 0; i < value_.size(); ++i)
    all.push_back({value_[i], line_, fmt::format("{}[{}]", path_, i)});
  return all;
}

std::vector<double> JsonPlace::numbers(std::size_t count) const {
  if (!value_.is_array() || value_.size() != count)
    refuse(shown(value_), fmt::format("a list of {}", count));
  std::vector<double> all;
  for (const JsonPlace& entry : entries()) all.push_back(entry.number());
  return all;
}

void JsonPlace::check_name(const std::string& name, const JsonPlace& where) {
  if (name.empty() || name.size() > 64 || !std::all_of(name.begin(), name.end(), name_byte))
    where.refuse(fmt::format("the name '{}'", printable(name)),
                 "letters, digits, '_', '-' and '.', at most 64");
}

Gram JsonPlace::gram(std::size_t size) const {
  Gram gram(size);
  gram.values() = numbers(gram.values().size());
  for (std::size_t i = 0; i < size; ++i)
    if (gram(i, i) < 0)
      refuse(fmt::format("{} on the diagonal", gram(i, i)), "squares of norms there");
  return gram;
}

std::vector<std::pair<std::string, JsonPlace>> JsonPlace::members() const {
  if (!value_.is_object()) refuse(shown(value_), "an object");
  std::vector<std::pair<std::string, JsonPlace>> all;
  for (auto at = value_.begin(); at != value_.end(); ++at)
    all.emplace_back(at.key(), inside(at.value(), at.key()));
  return all;
}

}  // namespace ktrain
