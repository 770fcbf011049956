#include "train/plan_load.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "runtime/fault.h"
#include "train/nearest.h"
#include "train/plan_check.h"
#include "train/plan_hint.h"
#include "train/plan_read.h"
#include "train/plan_scan.h"

namespace ktrain {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kMostDepth = 8, kMostFiles = 64;

// Plans beside `path`, and in configs/, one of which may have been meant.
std::string other_plans(const fs::path& path) {
  std::error_code ignored;
  if (fs::exists("configs" / path, ignored))
    return fmt::format("; did you mean '{}'?", printable(("configs" / path).string(), 200));
  Strings files;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  for (fs::directory_iterator it(folder, ignored), end; !ignored && it != end;
       it.increment(ignored))
    if (it->path().extension() == ".cfg") files.push_back(it->path().filename().string());
  std::sort(files.begin(), files.end());
  const std::vector<std::string_view> names(files.begin(), files.end());
  return did_you_mean(path.filename().string(), names);
}

std::string read_file(const fs::path& path, const std::string& from) {
  std::error_code error;
  const auto status = fs::status(path, error);
  if (!fs::exists(status))
    throw_fault("KT-CFG-009", "{}: no such plan{}{}", printable(path.string(), 200), from,
                other_plans(path));
  if (!fs::is_regular_file(status))
    throw_fault("KT-CFG-009", "{}: not a regular file{}", printable(path.string(), 200), from);
  std::ifstream in(path, std::ios::binary);
  // One byte more than allowed is enough to refuse it.
  std::string text(kMostPlanBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad() || (in.fail() && !in.eof()))
    throw_fault("KT-CFG-009", "{}: cannot be read{}", printable(path.string(), 200), from);
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

// With links followed as far as the path exists; a path that the system refuses stays as it is.
fs::path real_path(const fs::path& path) {
  std::error_code error;
  const fs::path real = fs::weakly_canonical(path, error);
  return error ? fs::absolute(path, error).lexically_normal() : real;
}

toml::table parse_toml(std::string_view text, const std::string& file) {
  scan_plan(text, file);
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    throw_fault("KT-CFG-005", "{}: not TOML: {}", place_of(error.source(), file),
                printable(error.description(), 300));
  }
}

// Applies documents, one after the other, to one plan.
class Loader {
 public:
  explicit Loader(ResolvedPlan& out) : out_(out), keys_(plan_keys(out.plan)) {}

  void apply_file(const fs::path& path, const std::string& from) {
    const fs::path real = real_path(path);
    if (files_.empty()) root_ = real.parent_path().parent_path();
    if (std::find(open_.begin(), open_.end(), real) != open_.end())
      throw_fault("KT-CFG-006", "{}: included by itself{}", printable(path.string(), 200), from);
    if (open_.size() >= kMostDepth || files_.size() >= kMostFiles)
      throw_fault("KT-CFG-006", "{}: more than {} files deep or {} in all{}",
                  printable(path.string(), 200), kMostDepth, kMostFiles, from);
    open_.push_back(real);
    files_.push_back(real);
    apply_text(read_file(path, from), path.string(), &path);
    open_.pop_back();
  }

  void apply_text(std::string_view text, const std::string& file, const fs::path* path) {
    const toml::table table = parse_toml(text, file);
    if (const toml::node* include = table.get("include")) apply_includes(*include, file, path);
    walk(table, "", file);
  }

  void apply_override(const std::string& text) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      throw_fault("KT-CFG-010", "--set {}: wanted key=value, such as --set optimizer.lr=1e-4",
                  printable(text));
    const std::string name = text.substr(0, equals), value = text.substr(equals + 1);
    const std::string file(kCommandLine);
    const PlanKey* key = find(name);
    if (!key) unknown(name, "", fmt::format("--set {}", printable(text)));
    if (value.find_first_of("\r\n") != std::string::npos)
      throw_fault("KT-CFG-010", "--set {}: the value has more than one line", printable(text));
    const bool bare = std::holds_alternative<std::string*>(key->value) &&
                      (value.empty() || (value[0] != '"' && value[0] != '\''));
    toml::table table{{"value", value}};
    if (!bare) try {
        table = parse_toml(fmt::format("value = {}", value), file);
      } catch (const Fault&) {
        // Not TOML: the bare word is of the wrong type, and that error says what is wanted.
      }
    set(*key, *table.get("value"), file);
  }

 private:
  void apply_includes(const toml::node& node, const std::string& file, const fs::path* path) {
    const auto place = place_of(node.source(), file);
    const toml::array* list = node.as_array();
    if (!list)
      throw_fault("KT-CFG-002", "{}: include = {}; wanted a list of files", place,
                  describe_found(node));
    for (const toml::node& entry : *list) {
      const auto name = entry.value_exact<std::string>();
      if (!name)
        throw_fault("KT-CFG-002", "{}: include has {}; wanted a file", place,
                    describe_found(entry));
      if (!path)
        throw_fault("KT-CFG-006", "{}: include '{}' in a plan that is not a file", place,
                    printable(*name));
      apply_file(included(*name, place, *path), fmt::format(" (included at {})", place));
    }
  }

  fs::path included(const std::string& name, const std::string& place, const fs::path& from) const {
    const bool plain = name.find('\0') == std::string::npos && name.size() < 1024;
    const fs::path target = plain ? fs::path(name).lexically_normal() : fs::path();
    const fs::path real = real_path(from.parent_path() / target);
    const auto [end, rest] = std::mismatch(root_.begin(), root_.end(), real.begin(), real.end());
    if (target.is_absolute() || target.extension() != ".cfg" || end != root_.end())
      throw_fault("KT-CFG-006",
                  "{}: include '{}'; wanted a relative path to a .cfg file in the plan's folder or "
                  "beside it",
                  place, printable(name));
    return (from.parent_path() / target).lexically_normal();
  }

  void walk(const toml::table& table, const std::string& group, const std::string& file) {
    for (const auto& [key, node] : table) {
      if (group.empty() && key == "include") continue;
      const std::string name =
          group.empty() ? std::string(key.str()) : fmt::format("{}.{}", group, key.str());
      if (const PlanKey* found = find(name))
        set(*found, node, file);
      else if (!is_group(name))
        unknown(key.str(), group, place_of(key.source(), file));
      else if (const toml::table* inner = node.as_table())
        walk(*inner, name, file);
      else
        throw_fault("KT-CFG-002", "{}: {} = {}; wanted a group of keys, [{}]",
                    place_of(key.source(), file), name, describe_found(node), name);
    }
  }

  void set(const PlanKey& key, const toml::node& node, const std::string& file) {
    read_value(node, key, file);
    out_.origin[std::string(key.name)] = place_of(node.source(), file);
  }

  const PlanKey* find(std::string_view name) const {
    const auto found =
        std::find_if(keys_.begin(), keys_.end(), [&](auto& key) { return key.name == name; });
    return found == keys_.end() ? nullptr : &*found;
  }

  bool is_group(std::string_view name) const {
    return std::any_of(keys_.begin(), keys_.end(), [&](auto& key) {
      return key.name.size() > name.size() && key.name.starts_with(name) &&
             key.name[name.size()] == '.';
    });
  }

  [[noreturn]] void unknown(std::string_view name, const std::string& group,
                            const std::string& place) const {
    throw_fault("KT-CFG-001", "{}: unknown key '{}'{}{}", place, printable(name),
                group.empty() ? "" : fmt::format(" in [{}]", printable(group)),
                key_hint(keys_, name, group));
  }

  ResolvedPlan& out_;
  std::vector<PlanKey> keys_;
  fs::path root_;
  std::vector<fs::path> open_, files_;
};

template <class Apply>
ResolvedPlan resolve(const std::string& file, const std::vector<std::string>& overrides,
                     Apply&& apply) {
  ResolvedPlan out;
  out.file = file;
  out.name = fs::path(file).stem().string();
  Loader loader(out);
  apply(loader);
  for (const std::string& text : overrides) loader.apply_override(text);
  check_plan(out);
  return out;
}

}  // namespace

std::string ResolvedPlan::origin_of(std::string_view key) const {
  const auto found = origin.find(key);
  return found == origin.end() ? "default" : found->second;
}

ResolvedPlan load_plan(const std::string& file, const std::vector<std::string>& overrides) {
  return resolve(file, overrides, [&](Loader& loader) { loader.apply_file(file, ""); });
}

ResolvedPlan parse_plan(std::string_view text, const std::string& file,
                        const std::vector<std::string>& overrides) {
  return resolve(file, overrides, [&](Loader& loader) { loader.apply_text(text, file, nullptr); });
}

std::string prerequisite_file(const ResolvedPlan& plan) {
  if (plan.plan.init.plan.empty()) return "";
  return (fs::path(plan.file).parent_path() / plan.plan.init.plan).lexically_normal().string();
}

}  // namespace ktrain
