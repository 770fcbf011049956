#include "train/plan_read.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "runtime/fault.h"
#include "train/nearest.h"
#include "train/plan_load.h"

namespace ktrain {
namespace {

// A value and what errors about it need.
struct Reader {
  const PlanKey& key;
  const std::string& file;

  [[noreturn]] void wrong_type(const toml::node& node) const {
    throw_fault("KT-CFG-002", "{}: {} = {}; wanted {}", place_of(node.source(), file), key.name,
                describe_found(node), describe_type(key));
  }
  [[noreturn]] void out_of_range(const toml::node& node) const {
    throw_fault("KT-CFG-003", "{}: {} = {}; wanted {}", place_of(node.source(), file), key.name,
                describe_found(node), describe_type(key));
  }
  [[noreturn]] void bad_entry(const toml::node& node, std::string_view entry,
                              std::string_view wanted) const {
    throw_fault("KT-CFG-002", "{}: {}: {} is {}; wanted {}", place_of(node.source(), file),
                key.name, printable(entry), describe_found(node), wanted);
  }

  void in_range(const toml::node& node, double value) const {
    // Written so that NaN fails.
    if (!(value >= key.least && value <= key.most)) out_of_range(node);
  }

  void read(const toml::node& node, bool& out) const {
    const auto value = node.value_exact<bool>();
    if (!value) wrong_type(node);
    out = *value;
  }
  void read(const toml::node& node, std::int64_t& out) const {
    const auto value = node.value_exact<std::int64_t>();
    if (!value) wrong_type(node);
    in_range(node, static_cast<double>(*value));
    out = *value;
  }
  void read(const toml::node& node, double& out) const {
    if (!node.is_integer() && !node.is_floating_point()) wrong_type(node);
    const double value = node.value<double>().value_or(NAN);
    in_range(node, value);
    out = value;
  }
  void read(const toml::node& node, std::string& out) const {
    const auto value = node.value_exact<std::string>();
    if (!value) wrong_type(node);
    if (value->find('\0') != std::string::npos) wrong_type(node);
    if (!key.choices.empty()) check_choice(node, *value, key.choices);
    out = *value;
  }
  void check_choice(const toml::node& node, const std::string& value,
                    const std::vector<std::string_view>& choices) const {
    if (std::find(choices.begin(), choices.end(), value) != choices.end()) return;
    throw_fault("KT-CFG-004", "{}: {}: no such choice '{}'; wanted one of {}{}",
                place_of(node.source(), file), key.name, printable(value), fmt::join(choices, ", "),
                did_you_mean(value, choices));
  }
  void read(const toml::node& node, PlanSize& out) const {
    const toml::array* list = node.as_array();
    if (!list || list->size() != 2) wrong_type(node);
    read(*list->get(0), out.width);
    read(*list->get(1), out.height);
  }
  template <class T>
  void read(const toml::node& node, std::vector<T>& out) const {
    const toml::array* list = node.as_array();
    if (!list) wrong_type(node);
    std::vector<T> values;
    for (const toml::node& entry : *list) {
      values.emplace_back();
      read(entry, values.back());
    }
    if constexpr (std::is_same_v<T, std::int64_t>)
      if (std::adjacent_find(values.begin(), values.end(), std::greater_equal<>{}) != values.end())
        out_of_range(node);
    if (std::is_same_v<T, double> && values.empty()) out_of_range(node);
    out = std::move(values);
  }
  void read(const toml::node& node, Multiplier& out) const {
    const toml::table* table = node.as_table();
    if (!table) wrong_type(node);
    out = {};
    for (const auto& [name, entry] : *table) {
      if (name == "prefix") {
        const auto value = entry.value_exact<std::string>();
        if (!value) bad_entry(entry, "prefix", "text");
        out.prefix = *value;
      } else if (name == "lr") {
        read(entry, out.lr);
      } else if (name == "decay") {
        read(entry, out.decay);
      } else {
        unknown_entry(name, {"prefix", "lr", "decay"});
      }
    }
    if (out.prefix.empty()) bad_entry(node, "an entry without prefix", "text that is not empty");
  }
  [[noreturn]] void unknown_entry(const toml::key& name,
                                  const std::vector<std::string_view>& known) const {
    throw_fault("KT-CFG-001", "{}: unknown key '{}' in {}; wanted one of {}{}",
                place_of(name.source(), file), printable(name.str()), key.name,
                fmt::join(known, ", "), did_you_mean(name.str(), known));
  }
  void read(const toml::node& node, WeightSchedule& out) const {
    out = {};
    const toml::table* table = node.as_table();
    if (!table) {
      read(node, out.value[0]);
      return;
    }
    for (const auto& [name, entry] : *table) {
      if (name == "at")
        read_positions(entry, out.at);
      else if (name == "value")
        read(entry, out.value);
      else if (name == "unit")
        read_word(entry, out.unit, {"step", "epoch"});
      else if (name == "shape")
        read_word(entry, out.shape, {"linear", "cosine", "grl"});
      else
        unknown_entry(name, {"at", "value", "unit", "shape"});
    }
    if (out.at.empty() || out.at.size() != out.value.size())
      throw_fault("KT-CFG-003",
                  "{}: {}: {} positions in at, {} values; wanted as many of both, "
                  "at least one",
                  place_of(node.source(), file), key.name, out.at.size(),
                  table->contains("value") ? out.value.size() : 0);
  }
  // Positions have their own limits, not the weight's.
  void read_positions(const toml::node& node, std::vector<double>& out) const {
    PlanKey positions = key;
    positions.least = 0;
    positions.most = 1e12;
    Reader{positions, file}.read(node, out);
    if (std::adjacent_find(out.begin(), out.end(), std::greater_equal<>{}) != out.end())
      throw_fault("KT-CFG-003", "{}: {}: the positions in at do not increase",
                  place_of(node.source(), file), key.name);
  }
  void read_word(const toml::node& node, std::string& out,
                 const std::vector<std::string_view>& choices) const {
    const auto value = node.value_exact<std::string>();
    if (!value) bad_entry(node, "an entry", fmt::format("one of {}", fmt::join(choices, ", ")));
    check_choice(node, *value, choices);
    out = *value;
  }
};

}  // namespace

std::string place_of(const toml::source_region& where, const std::string& file) {
  if (file == kCommandLine) return file;
  return fmt::format("{}:{}:{}", printable(file, 200), where.begin.line, where.begin.column);
}

std::string describe_found(const toml::node& node) {
  if (const auto* value = node.as_string()) return fmt::format("'{}'", printable(value->get()));
  if (const auto* value = node.as_integer()) return fmt::format("{}", value->get());
  if (const auto* value = node.as_floating_point()) return fmt::format("{}", value->get());
  if (const auto* value = node.as_boolean()) return value->get() ? "true" : "false";
  if (const auto* value = node.as_array())
    return fmt::format("a list of {} entries", value->size());
  if (node.is_table()) return "a table";
  return "a date or time";
}

void read_value(const toml::node& node, const PlanKey& key, const std::string& file) {
  std::visit([&](auto* out) { Reader{key, file}.read(node, *out); }, key.value);
}

}  // namespace ktrain
