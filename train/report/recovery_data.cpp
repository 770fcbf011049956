#include "train/report/recovery_data.h"

#include <algorithm>
#include <filesystem>

#include "runtime/fault.h"
#include "train/json_lines.h"
#include "train/read_text.h"
#include "train/report/html.h"
#include "train/watch/run_finder.h"

namespace ktrain::report {
namespace {

namespace fs = std::filesystem;

nlohmann::json read_state(const fs::path& folder) {
  auto json = nlohmann::json::parse(read_text(folder / "state.json"), nullptr, false);
  return json.is_object() ? json : nlohmann::json::object();
}

// "runs/recovery" of the recovery "recovery" lies in "runs".
std::string runs_root(const std::string& folder, const std::string& name) {
  fs::path root(folder);
  for (const auto& part : fs::path(name))
    if (!part.empty()) root = root.parent_path();
  return root.string();
}

// The folders that evidence names, each once.
std::vector<std::string> written_runs(const std::vector<nlohmann::json>& decisions) {
  std::vector<std::string> out;
  for (const auto& record : decisions) {
    const auto evidence = record.find("evidence");
    if (evidence == record.end() || !evidence->is_object()) continue;
    for (const auto& [name, of] : evidence->items())
      if (const std::string run = text_at(of, "run");
          !run.empty() && text_at(of, "state") != "swept" &&
          std::find(out.begin(), out.end(), run) == out.end())
        out.push_back(run);
  }
  return out;
}

// `written` without its first `count` parts, beneath `root`.
std::string beneath(const std::string& root, const std::string& written, std::size_t count) {
  const fs::path path = fs::path(written).lexically_normal();
  fs::path out(root);
  std::size_t i = 0;
  for (const auto& part : path)
    if (i++ >= count) out /= part;
  return i > count ? out.string() : "";
}

// How many parts the --runs folder had when the recovery wrote: the fewest with which most of its
// runs are found where it lies now.
std::size_t dropped_parts(const std::string& root, const std::vector<std::string>& written) {
  std::size_t best = 0, most = 0;
  for (std::size_t count = 0; count < 32; ++count) {
    const auto found = static_cast<std::size_t>(
        std::count_if(written.begin(), written.end(), [&](const std::string& path) {
          const std::string place = beneath(root, path, count);
          return !place.empty() && is_run_folder(place);
        }));
    if (found > most) {
      most = found;
      best = count;
    }
  }
  return best;
}

}  // namespace

std::string canonical(const std::string& path) {
  std::error_code error;
  const fs::path out = fs::canonical(path, error);
  return error ? "" : out.string();
}

std::string RecoveryData::place_of(const std::string& written) const {
  const std::string here = beneath(runs_root_, written, dropped_);
  if (!here.empty() && is_run_folder(here)) return canonical(here);
  return is_run_folder(written) ? canonical(written) : "";
}

bool RecoveryData::speaks_of(const nlohmann::json& record, const std::string& run) const {
  const std::vector<std::string> written = written_runs({record});
  return std::any_of(written.begin(), written.end(),
                     [&](const std::string& place) { return place_of(place) == run; });
}

std::optional<RecoveryData> read_recovery(const std::string& path) {
  RecoveryData out;
  out.path = path;
  out.state = read_state(path);
  JsonLines lines((fs::path(path) / "decisions.jsonl").string());
  for (auto& record : lines.poll().records) {
    const bool claim = text_at(record, "kind") == "hypothesis";
    (claim ? out.hypotheses : out.decisions).push_back(std::move(record));
  }
  out.name = text_at(out.state, "recovery");
  if (out.name.empty() && !lines.exists()) return std::nullopt;
  if (out.name.empty()) out.name = fs::path(path).lexically_normal().filename().string();
  if (!lines.exists()) out.gaps.emplace_back("decisions.jsonl is not there: nothing is decided");
  if (lines.bad_lines() > 0)
    out.gaps.push_back(fmt::format(
        "decisions.jsonl: {} lines are not JSON objects and were passed over", lines.bad_lines()));
  out.runs_root_ = runs_root(canonical(path), out.name);
  const std::vector<std::string> written = written_runs(out.decisions);
  out.dropped_ = dropped_parts(out.runs_root_, written);
  for (const std::string& run : written)
    if (const std::string place = out.place_of(run); place.empty())
      out.gaps.push_back(fmt::format("{}: the run that a decision speaks of is not there", run));
    else if (std::find(out.runs.begin(), out.runs.end(), place) == out.runs.end())
      out.runs.push_back(place);
  return out;
}

std::vector<RecoveryData> recoveries_of(const std::string& run) {
  const std::string own = canonical(run);
  const fs::path above = fs::path(own).parent_path();
  std::vector<fs::path> places = {own, above};
  std::error_code error;
  for (fs::directory_iterator at(above, error), end; !error && at != end; at.increment(error))
    if (at->path() != own) places.push_back(at->path());
  std::sort(places.begin() + 2, places.end());
  std::vector<RecoveryData> out;
  for (const fs::path& place : places)
    if (auto recovery = read_recovery(place.string());
        recovery &&
        std::find(recovery->runs.begin(), recovery->runs.end(), own) != recovery->runs.end())
      out.push_back(std::move(*recovery));
  return out;
}

}  // namespace ktrain::report
