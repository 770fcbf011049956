#include "train/watch/run_finder.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>

namespace ktrain {
namespace {

namespace fs = std::filesystem;

constexpr int kMostDepth = 16;

// Folders of a run that hold no runs.
constexpr std::array<std::string_view, 3> kParts = {"weights", "val", "detect"};

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// run.cfg begins with "# The plan as it was run, from configs/plan_a.cfg; behind ...".
std::string plan_name(const fs::path& run) {
  std::string line;
  std::getline(std::ifstream(run / "run.cfg"), line);
  const std::size_t from = line.find(" from "), end = line.find(".cfg;");
  if (from == std::string::npos || end == std::string::npos || end < from + 6) return "";
  return fs::path(line.substr(from + 6, end - from - 6)).filename().string();
}

bool is_archived(const fs::path& run) {
  const std::string name = run.filename().string();
  const std::size_t dot = name.rfind('.');
  if (dot == std::string::npos || dot + 1 == name.size()) return false;
  const std::string number = name.substr(dot + 1), before = name.substr(0, dot);
  return std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
         plan_name(run) == before;
}

void walk(const fs::path& folder, const std::string& name, int depth, std::vector<FoundRun>& out) {
  const bool run = is_run_folder(folder.string());
  if (run) out.push_back({folder.string(), name.empty() ? "." : name, is_archived(folder)});
  if (depth == kMostDepth) return;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    std::error_code gone;
    const std::string inner = at->path().filename().string();
    if (!fs::is_directory(at->symlink_status(gone)) || gone) continue;
    if (run && std::find(kParts.begin(), kParts.end(), inner) != kParts.end()) continue;
    walk(at->path(), name.empty() ? inner : name + "/" + inner, depth + 1, out);
  }
}

}  // namespace

bool is_run_folder(const std::string& path) {
  const fs::path run(path);
  return is_there(run / "STATUS") ||
         (is_there(run / "run.cfg") &&
          (is_there(run / "scalars.jsonl") || is_there(run / "weights")));
}

std::vector<FoundRun> find_runs(const std::string& root) {
  std::vector<FoundRun> found;
  walk(root, "", 0, found);
  std::sort(found.begin(), found.end(),
            [](const FoundRun& a, const FoundRun& b) { return a.name < b.name; });
  return found;
}

}  // namespace ktrain
