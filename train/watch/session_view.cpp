#include "train/watch/session_view.h"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "runtime/fault.h"
#include "train/experiment/cells.h"
#include "train/folder_lock.h"
#include "train/read_text.h"
#include "train/watch/run_finder.h"

namespace ktrain {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// What is no object is as good as missing.
Json read_object(const fs::path& path) {
  Json json = Json::parse(read_text(path), nullptr, false);
  return json.is_object() ? json : Json::object();
}

std::string text_of(const Json& json, const char* key) {
  const auto at = json.find(key);
  return at != json.end() && at->is_string() ? at->get<std::string>() : "";
}

std::int64_t integer(const Json& json, const char* key) {
  const auto at = json.find(key);
  return at != json.end() && at->is_number_integer() ? at->get<std::int64_t>() : 0;
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// "recovery.1" of the recovery "recovery".
bool is_archived(const fs::path& folder, const std::string& recovery) {
  const std::string name = folder.filename().string();
  const std::size_t dot = name.rfind('.');
  if (dot == std::string::npos || dot + 1 == name.size()) return false;
  return name.find_first_not_of("0123456789", dot + 1) == std::string::npos &&
         name.substr(0, dot) == fs::path(recovery).filename().string();
}

void stop(SessionState& s, Health health, const std::string& state, const std::string& reason) {
  s.health = health;
  s.state = state;
  if (!reason.empty()) s.reasons.push_back(reason);
}

// Nothing when the folder holds no recovery.
std::optional<SessionState> look_at_recovery(const fs::path& folder) {
  if (text_of(read_object(folder / "state.json"), "recovery").empty()) return std::nullopt;
  SessionState s;
  s.kind = "recovery";
  // The order matters: a recovery writes its last state before it lets go of the lock.
  const auto holder = holder_of(folder.string());
  s.held = holder.has_value();
  const Json json = read_object(folder / "state.json");
  const bool of_holder =
      holder && holder->starts_with(fmt::format("process {},", integer(json, "process")));
  if (is_archived(folder, text_of(json, "recovery"))) return std::nullopt;
  s.state = text_of(json, "state");
  s.done = integer(json, "decisions");
  s.total = integer(json, "nodes");
  s.stage = text_of(json, "node");
  if (const std::string doing = text_of(json, "doing"); !doing.empty()) s.stage += ": " + doing;
  if (s.held) {
    if (!of_holder) s.state = "starting";
  } else if (s.state == "running" || s.state.empty()) {
    stop(s, Health::kCrashed, "crashed",
         "state.json says 'running', but no process holds the folder; the same command goes on");
  } else if (s.state != "done") {
    stop(s, Health::kStopped, s.state, "the same command goes on");
  }
  return s;
}

// Mean seconds of the runs so far, by kind; none before the first.
struct Pace {
  double seconds = 0;
  std::int64_t runs = 0;
};
void read_journal(const fs::path& folder, Pace (&paces)[2]) {
  std::istringstream lines(read_text(folder / "journal.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const Json json = Json::parse(line, nullptr, false);
    if (!json.is_object() || !json.contains("seconds") || !json["seconds"].is_number()) continue;
    Pace& pace = paces[json.value("warm", Json(false)) == true];
    pace.seconds += json["seconds"].get<double>();
    ++pace.runs;
  }
}

// The runs of the design that lies in the folder; none, with a note, when it cannot be read.
std::vector<experiment::Cell> cells_in(const fs::path& folder, SessionState& s) {
  try {
    const auto design = experiment::load_design((folder / "design.cfg").string());
    fs::path runs = folder;
    for (const auto& part : fs::path(design.name))
      if (!part.empty()) runs = runs.parent_path();
    auto cells = experiment::cells_of(design, runs.string());
    if (experiment::experiment_folder(design, runs.string()) != folder.string())
      s.notes.push_back(
          fmt::format("the folder is not the design's '{}': its runs cannot be told", design.name));
    else
      return cells;
  } catch (const Fault& fault) {
    s.notes.push_back(fmt::format("design.cfg is not of this version: {}", fault.what()));
  }
  return {};
}

// What the design's runs have come to.
struct Progress {
  std::string going, next;         // the run that is being made, the first that is missing
  bool asked = false;              // some run was stopped on request
  std::optional<double> left = 0;  // seconds; none before the first run of a kind
};

Progress count(const std::vector<experiment::Cell>& cells, const Pace (&paces)[2],
               SessionState& s) {
  Progress out;
  for (const experiment::Cell& cell : cells) {
    const std::string state = text_of(read_object(fs::path(cell.folder) / "STATUS"), "state");
    if (state == "done" || state == "stopped early") {
      ++s.done;
      continue;
    }
    if (state == "failed") {
      ++s.failed;
      continue;
    }
    if (state == "running" || state == "validating") out.going = cell.label();
    out.asked = out.asked || state == "interrupted" || state == "preempted";
    if (out.next.empty()) out.next = cell.label();
    const Pace& pace = paces[cell.warm()];
    if (out.left && pace.runs > 0)
      *out.left += pace.seconds / static_cast<double>(pace.runs);
    else
      out.left.reset();
  }
  return out;
}

// Nothing when the folder holds no experiment.
std::optional<SessionState> look_at_experiment(const fs::path& folder) {
  if (!is_there(folder / "DESIGN") || !is_there(folder / "design.cfg")) return std::nullopt;
  SessionState s;
  s.kind = "experiment";
  // In this order: its last run ends before it lets go of the lock.
  s.held = holder_of(folder.string()).has_value();
  Pace paces[2];
  read_journal(folder, paces);
  const std::vector<experiment::Cell> cells = cells_in(folder, s);
  s.total = static_cast<std::int64_t>(cells.size());
  const Progress progress = count(cells, paces, s);
  s.stage = !progress.going.empty() ? progress.going : progress.next;
  if (s.total > 0 && s.held) s.seconds_left = progress.left;
  if (s.held) {
    s.state = "running";
  } else if (s.total > 0 && s.done + s.failed == s.total) {
    s.state = "done";
  } else if (!progress.going.empty()) {
    stop(s, Health::kCrashed, "crashed",
         "a run's STATUS says that it goes on, but no process holds the experiment's folder; the "
         "same command goes on");
  } else if (s.total > 0) {
    stop(s, Health::kStopped, "stopped",
         fmt::format("{} of {} runs are missing, and no process holds the folder{}; the same "
                     "command goes on",
                     s.total - s.done - s.failed, s.total,
                     progress.asked ? ": it was stopped on request" : ""));
  } else {
    s.state = "unknown";
  }
  return s;
}

constexpr int kMostDepth = 16;

void walk(const fs::path& folder, const std::string& name, int depth,
          std::vector<SessionState>& out) {
  auto found = look_at_recovery(folder);
  if (!found) found = look_at_experiment(folder);
  if (found) {
    found->path = folder.string();
    found->name = name.empty() ? "." : name;
    out.push_back(std::move(*found));
  }
  if (depth == kMostDepth || is_run_folder(folder.string())) return;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    std::error_code gone;
    if (!fs::is_directory(at->symlink_status(gone)) || gone) continue;
    const std::string inner = at->path().filename().string();
    walk(at->path(), name.empty() ? inner : name + "/" + inner, depth + 1, out);
  }
}

}  // namespace

std::vector<SessionState> find_sessions(const std::string& root) {
  std::vector<SessionState> found;
  walk(root, "", 0, found);
  std::sort(found.begin(), found.end(),
            [](const SessionState& a, const SessionState& b) { return a.name < b.name; });
  return found;
}

}  // namespace ktrain
