#include "train/experiment/table_reader.h"

#include <algorithm>

#include "runtime/fault.h"
#include "train/nearest.h"
#include "train/plan_read.h"
#include "train/plan_scan.h"

namespace ktrain::experiment {

TableDocument::TableDocument(const std::string& text, std::string file) : file_(std::move(file)) {
  scan_plan(text, file_);
  try {
    table_ = toml::parse(text);
  } catch (const toml::parse_error& error) {
    throw_fault("KT-CFG-005", "{}: not TOML: {}", place_of(error.source(), file_),
                printable(error.description(), 300));
  }
}

std::string TableReader::place() const { return place_of(table_->source(), *file_); }

const toml::node* TableReader::find(const char* key) {
  asked_.emplace_back(key);
  return table_->get(key);
}

const toml::node& TableReader::get(const char* key, const char* wanted) {
  const toml::node* const node = find(key);
  if (!node)
    throw_fault("KT-CFG-002", "{}: no key '{}'{}; wanted {}", place(), key,
                name_.empty() ? "" : " in [" + name_ + "]", wanted);
  return *node;
}

void TableReader::wrong_type(const char* key, const toml::node& node, const char* wanted) const {
  throw_fault("KT-CFG-002", "{}: {} = {}; wanted {}", place_of(node.source(), *file_), key,
              describe_found(node), wanted);
}

std::string TableReader::text(const char* key) {
  const toml::node& node = get(key, "text");
  const auto value = node.value_exact<std::string>();
  if (!value) wrong_type(key, node, "text");
  return *value;
}

std::string TableReader::text_or(const char* key, const std::string& otherwise) {
  return table_->contains(key) ? text(key) : (asked_.emplace_back(key), otherwise);
}

std::vector<std::string> TableReader::texts(const char* key) {
  constexpr const char* kWanted = "a list of texts";
  const toml::node& node = get(key, kWanted);
  const toml::array* const list = node.as_array();
  if (!list) wrong_type(key, node, kWanted);
  std::vector<std::string> out;
  for (const toml::node& entry : *list) {
    const auto value = entry.value_exact<std::string>();
    if (!value) wrong_type(key, entry, kWanted);
    out.push_back(*value);
  }
  return out;
}

std::vector<std::string> TableReader::texts_or(const char* key,
                                               const std::vector<std::string>& otherwise) {
  return table_->contains(key) ? texts(key) : (asked_.emplace_back(key), otherwise);
}

std::vector<std::int64_t> TableReader::integers(const char* key) {
  constexpr const char* kWanted = "a list of integers";
  const toml::node& node = get(key, kWanted);
  const toml::array* const list = node.as_array();
  if (!list) wrong_type(key, node, kWanted);
  std::vector<std::int64_t> out;
  for (const toml::node& entry : *list) {
    const auto value = entry.value_exact<std::int64_t>();
    if (!value) wrong_type(key, entry, kWanted);
    out.push_back(*value);
  }
  return out;
}

void TableReader::number(const char* key, double& value, double least, double most) {
  const toml::node* const node = find(key);
  if (!node) return;
  const auto found = node->value<double>();
  if (!found || node->is_boolean() || node->is_string()) wrong_type(key, *node, "a number");
  if (!(*found >= least && *found <= most))
    throw_fault("KT-CFG-003", "{}: {} = {}; wanted a number in [{:g}, {:g}]",
                place_of(node->source(), *file_), key, describe_found(*node), least, most);
  value = *found;
}

void TableReader::integer(const char* key, std::int64_t& value, double least, double most) {
  const toml::node* const node = find(key);
  if (!node) return;
  const auto found = node->value_exact<std::int64_t>();
  if (!found) wrong_type(key, *node, "an integer");
  const auto size = static_cast<double>(*found);
  if (!(size >= least && size <= most))
    throw_fault("KT-CFG-003", "{}: {} = {}; wanted an integer in [{:g}, {:g}]",
                place_of(node->source(), *file_), key, describe_found(*node), least, most);
  value = *found;
}

TableReader TableReader::table(const char* key) {
  const toml::node& node = get(key, "a table");
  const toml::table* const inner = node.as_table();
  if (!inner) wrong_type(key, node, "a table");
  return {*inner, key, *file_};
}

std::vector<TableReader> TableReader::tables(const char* key) {
  const toml::node* const node = find(key);
  std::vector<TableReader> out;
  if (!node) return out;
  const toml::array* const list = node->as_array();
  if (!list) wrong_type(key, *node, "a list of tables");
  for (const toml::node& entry : *list) {
    const toml::table* const inner = entry.as_table();
    if (!inner) wrong_type(key, entry, "a table");
    out.emplace_back(*inner, key, *file_);
  }
  return out;
}

void TableReader::finish() const {
  const std::vector<std::string_view> names(asked_.begin(), asked_.end());
  for (const auto& [key, node] : *table_)
    if (std::find(asked_.begin(), asked_.end(), key.str()) == asked_.end())
      throw_fault("KT-CFG-001", "{}: unknown key '{}'{}{}", place_of(key.source(), *file_),
                  printable(key.str()), name_.empty() ? "" : " in [" + name_ + "]",
                  did_you_mean(key.str(), names));
}

}  // namespace ktrain::experiment
