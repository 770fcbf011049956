// A TOML table that is read strictly: every key is asked for, and what nobody asked for is a Fault.
// Internal to train/recovery/recovery_file.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <toml++/toml.h>

#include "runtime/fault.h"
#include "train/nearest.h"
#include "train/plan_read.h"

namespace ktrain {

class StrictTable {
 public:
  // `path` is what messages call the table: "nodes.a".
  StrictTable(const toml::table& table, std::string path, const std::string& file)
      : table_(table), path_(std::move(path)), file_(file) {}

  [[nodiscard]] std::string place() const { return place_of(table_.source(), file_); }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::string& file() const { return file_; }

  const toml::node* find(std::string_view key) {
    known_.push_back(key);
    return table_.get(key);
  }
  [[nodiscard]] std::string place_of_key(std::string_view key) const {
    const toml::node* const node = table_.get(key);
    return node ? place_of(node->source(), file_) : place();
  }

  std::string text(std::string_view key, std::string fallback = "") {
    const toml::node* const node = find(key);
    if (!node) return fallback;
    const auto value = node->value_exact<std::string>();
    if (!value || value->find('\0') != std::string::npos) wrong(key, *node, "text");
    return *value;
  }
  std::string required(std::string_view key) {
    std::string value = text(key);
    if (value.empty()) throw_fault("KT-CFG-008", "{}: [{}] has no '{}'", place(), path_, key);
    return value;
  }
  double number(std::string_view key, double fallback, double least, double most) {
    const toml::node* const node = find(key);
    if (!node) return fallback;
    if (!node->is_number()) wrong(key, *node, fmt::format("number in [{}, {}]", least, most));
    const double value = *node->value<double>();
    if (!(value >= least && value <= most))  // NaN fails
      throw_fault("KT-CFG-003", "{}: {}.{} = {}; wanted a number in [{}, {}]",
                  place_of(node->source(), file_), path_, key, describe_found(*node), least, most);
    return value;
  }
  std::int64_t integer(std::string_view key, std::int64_t fallback, std::int64_t least,
                       std::int64_t most) {
    const toml::node* const node = find(key);
    if (!node) return fallback;
    const auto value = node->value_exact<std::int64_t>();
    if (!value) wrong(key, *node, "integer");
    if (*value < least || *value > most)
      throw_fault("KT-CFG-003", "{}: {}.{} = {}; wanted an integer in [{}, {}]",
                  place_of(node->source(), file_), path_, key, *value, least, most);
    return *value;
  }
  std::optional<bool> flag(std::string_view key) {
    const toml::node* const node = find(key);
    if (!node) return std::nullopt;
    const auto value = node->value_exact<bool>();
    if (!value) wrong(key, *node, "true or false");
    return value;
  }
  // A list of texts. `size` 0: any.
  std::vector<std::string> texts(std::string_view key, std::size_t size = 0) {
    const toml::node* const node = find(key);
    if (!node) return {};
    const std::string wanted = size == 0 ? "list of texts" : fmt::format("list of {} texts", size);
    const toml::array* const list = node->as_array();
    if (!list || list->empty() || (size > 0 && list->size() != size)) wrong(key, *node, wanted);
    std::vector<std::string> out;
    for (const toml::node& entry : *list) {
      const auto value = entry.value_exact<std::string>();
      if (!value) wrong(key, entry, wanted);
      out.push_back(*value);
    }
    return out;
  }
  // The table under `key`, as a strict one; none when the key is not there.
  std::optional<StrictTable> table(std::string_view key) {
    const toml::node* const node = find(key);
    if (!node) return std::nullopt;
    const toml::table* const inner = node->as_table();
    if (!inner) wrong(key, *node, "table");
    return StrictTable(*inner, path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key),
                       file_);
  }
  // Every entry of the table under `key`, each a table with a name of its own.
  std::vector<std::pair<std::string, StrictTable>> tables(std::string_view key) {
    std::vector<std::pair<std::string, StrictTable>> out;
    const auto group = table(key);
    if (!group) return out;
    for (const auto& [name, node] : group->table_) {
      const toml::table* const inner = node.as_table();
      if (!inner) group->wrong(name.str(), node, "table");
      out.emplace_back(std::string(name.str()),
                       StrictTable(*inner, fmt::format("{}.{}", group->path_, name.str()), file_));
    }
    return out;
  }
  // Every table of the array under `key`.
  std::vector<StrictTable> list(std::string_view key) {
    std::vector<StrictTable> out;
    const toml::node* const node = find(key);
    if (!node) return out;
    const toml::array* const array = node->as_array();
    if (!array) wrong(key, *node, "list of tables");
    for (const toml::node& entry : *array) {
      const toml::table* const inner = entry.as_table();
      if (!inner) wrong(key, entry, "table");
      out.emplace_back(*inner, fmt::format("{}.{}", path_, key), file_);
    }
    return out;
  }

  // Call when everything has been asked for: Fault KT-CFG-001 for what was not.
  void done() const {
    for (const auto& [key, node] : table_) {
      if (std::find(known_.begin(), known_.end(), key.str()) != known_.end()) continue;
      throw_fault("KT-CFG-001", "{}: unknown key '{}'{}{}", place_of(key.source(), file_),
                  printable(key.str()), path_.empty() ? "" : fmt::format(" in [{}]", path_),
                  did_you_mean(key.str(), known_));
    }
  }

 private:
  [[noreturn]] void wrong(std::string_view key, const toml::node& node,
                          std::string_view wanted) const {
    throw_fault("KT-CFG-002", "{}: {}{}{} = {}; wanted {}", place_of(node.source(), file_), path_,
                path_.empty() ? "" : ".", key, describe_found(node), wanted);
  }

  const toml::table& table_;
  std::string path_;
  const std::string& file_;
  std::vector<std::string_view> known_;
};

}  // namespace ktrain
