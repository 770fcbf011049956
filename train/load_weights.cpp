#include "train/load_weights.h"

#include <algorithm>
#include <optional>
#include <unordered_set>

#include "runtime/fault.h"
#include "train/tensor_arrays.h"
#include "train/weight_average.h"

namespace ktrain {
namespace {

bool has_prefix(const std::string& name, const std::vector<std::string>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const std::string& prefix) { return name.starts_with(prefix); });
}

// Where in the file each tensor of the model comes from.
class Matcher {
 public:
  Matcher(const LoadedCheckpoint& from, const LoadOptions& options) : options_(options) {
    for (const NamedArray& array : from.arrays()) {
      const std::string& name = array.spec.name;
      if (name.starts_with(kAveragePrefix))
        has_average_ = true;
      else if (!name.starts_with("optimizer.") && !name.starts_with("auxiliary.") &&
               !name.starts_with("monitor."))
        names_.push_back(name);
    }
    known_.insert(names_.begin(), names_.end());
  }

  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }

  // The file's plain name for a tensor of the model, and whether it is a stand-in.
  [[nodiscard]] std::optional<std::pair<std::string, bool>> find(const std::string& name) const {
    if (known_.contains(name)) return std::pair(name, false);
    for (const auto& [here, there] : options_.stand_ins) {
      if (!name.starts_with(here)) continue;
      const std::string other = there + name.substr(here.size());
      if (known_.contains(other)) return std::pair(other, true);
    }
    return std::nullopt;
  }

  [[nodiscard]] std::string source(const std::string& name) const {
    return has_average_ && options_.prefer_average ? kAveragePrefix + name : name;
  }

 private:
  const LoadOptions& options_;
  std::vector<std::string> names_;
  std::unordered_set<std::string> known_;
  bool has_average_ = false;
};

void append_first(std::string& text, const char* what, const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 3;
  if (names.empty()) return;
  text += fmt::format("; {}: ", what);
  for (std::size_t i = 0; i < std::min(kShown, names.size()); ++i)
    text += fmt::format("{}{}", i > 0 ? ", " : "", printable(names[i], 160));
  if (names.size() > kShown) text += fmt::format(" and {} more", names.size() - kShown);
}

std::vector<std::string> without(const std::vector<std::string>& names,
                                 const std::vector<std::string>& allowed) {
  std::vector<std::string> rest;
  std::copy_if(names.begin(), names.end(), std::back_inserter(rest),
               [&](const std::string& name) { return !has_prefix(name, allowed); });
  return rest;
}

}  // namespace

std::string LoadReport::summary() const {
  const std::string extra = copied.empty() ? "" : fmt::format("{} copied, ", copied.size());
  return fmt::format("{} matched, {}{} missing, {} unexpected, {} of another shape", matched.size(),
                     extra, missing.size(), unexpected.size(), mismatched.size());
}

LoadReport compare_weights(const LoadedCheckpoint& from, const ParameterSet& parameters,
                           const LoadOptions& options) {
  const Matcher matcher(from, options);
  LoadReport report;
  std::unordered_set<std::string> used;
  for (const Parameter& parameter : parameters.all()) {
    const std::string& name = parameter.name;
    const auto source = matcher.find(name);
    if (!source) {
      report.missing.push_back(name);
      continue;
    }
    used.insert(source->first);
    const ArraySpec wanted = array_spec(matcher.source(source->first), parameter.value);
    const auto found = from.find(wanted.name);
    if (!found || found->spec.type != wanted.type || found->spec.shape != wanted.shape)
      report.mismatched.push_back(fmt::format(
          "{}: {} there, {} here", name, found ? found->spec.text() : "no average", wanted.text()));
    else
      (source->second ? report.copied : report.matched).push_back(name);
  }
  for (const std::string& name : matcher.names())
    if (!used.contains(name)) report.unexpected.push_back(name);
  return report;
}

LoadReport load_weights(const LoadedCheckpoint& from, ParameterSet& parameters,
                        const LoadOptions& options) {
  LoadReport report = compare_weights(from, parameters, options);
  const auto missing = without(report.missing, options.allow_missing);
  const auto unexpected = without(report.unexpected, options.allow_unexpected);
  const bool nothing = report.matched.empty() && report.copied.empty();
  if (!missing.empty() || !unexpected.empty() || !report.mismatched.empty() || nothing) {
    std::string text = fmt::format("{}: {}", from.path(), report.summary());
    append_first(text, "another shape", report.mismatched);
    append_first(text, "missing", missing);
    append_first(text, "unexpected", unexpected);
    throw_fault("KT-CKPT-006", "{}; allow it by init.allow_missing or init.allow_unexpected", text);
  }
  const Matcher matcher(from, options);
  for (const Parameter& parameter : parameters.all())
    if (const auto source = matcher.find(parameter.name))
      load_tensor(from, matcher.source(source->first), parameter.value);
  return report;
}

}  // namespace ktrain
