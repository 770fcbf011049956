// Which runs a report is of: those named, or those of the recovery or experiment that was named.
#include <algorithm>
#include <filesystem>

#include "runtime/fault.h"
#include "train/report/page.h"
#include "train/watch/run_finder.h"

namespace ktrain::report {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kWorst = 6;

bool is_experiment(const std::string& folder) {
  std::error_code missing;
  return fs::exists(folder + "/DESIGN", missing) && fs::exists(folder + "/design.cfg", missing);
}

// "runs/x/a, runs/x/b and 3 more".
std::string some_of(const std::vector<FoundRun>& runs) {
  std::string out;
  for (std::size_t i = 0; i < std::min<std::size_t>(runs.size(), 3); ++i)
    out += (i > 0 ? ", " : "") + printable(runs[i].path, 200);
  return out + (runs.size() > 3 ? fmt::format(" and {} more", runs.size() - 3) : "");
}

std::vector<FoundRun> runs_beneath(const std::string& folder) {
  std::vector<FoundRun> runs = find_runs(folder);
  std::erase_if(runs, [](const FoundRun& run) { return run.archived; });
  return runs;
}

[[noreturn]] void refuse(const std::string& folder) {
  const std::string name = printable(folder, 300);
  const std::vector<FoundRun> runs = runs_beneath(folder);
  if (is_experiment(folder) && !runs.empty())
    throw_fault(
        "KT-DATA-070",
        "{}: an experiment of {} runs, of which a report shows {} at most; name some of them "
        "({}), or have the experiment's own report of all: ktrain experiment {}/design.cfg "
        "--analyse-only",
        name, runs.size(), kMostRuns, some_of(runs), name);
  if (!runs.empty())
    throw_fault("KT-DATA-070",
                "{}: no run folder, but {} beneath it; name those that the report is to show: {}",
                name, runs.size() == 1 ? "one is" : fmt::format("{} are", runs.size()),
                some_of(runs));
  throw_fault("KT-DATA-070",
              "{}: no run folder: found neither STATUS nor run.cfg with scalars.jsonl; wanted the "
              "folder of a run, a recovery or an experiment, such as runs/plan_a",
              name);
}

// The run folders that `folder` stands for.
std::vector<std::string> runs_of(const std::string& folder, Report& report) {
  if (is_run_folder(folder)) return {folder};
  if (auto recovery = read_recovery(folder)) {
    if (recovery->runs.empty())
      throw_fault("KT-DATA-070",
                  "{}: the recovery has not decided on a run that is there ({}); name the run "
                  "that is going on, or wait for its first decision",
                  printable(folder, 300),
                  recovery->gaps.empty() ? "no decision yet" : recovery->gaps.front());
    recovery->whole = true;
    report.recoveries.push_back(std::move(*recovery));
    return report.recoveries.back().runs;
  }
  const std::vector<FoundRun> runs = runs_beneath(folder);
  if (!is_experiment(folder) || runs.empty() || runs.size() > kMostRuns) refuse(folder);
  report.notes.push_back(
      fmt::format("{}: an experiment, of which {} runs are there. This report shows them one "
                  "beside the other; the rule that was fixed before they began is applied by "
                  "ktrain experiment {}/design.cfg --analyse-only.",
                  folder, runs.size(), folder));
  std::vector<std::string> out;
  for (const FoundRun& run : runs) out.push_back(run.path);
  return out;
}

// A recovery is read once, by whatever way it was met.
void add_recoveries_of(const RunData& run, Report& report) {
  for (RecoveryData& recovery : recoveries_of(run.path)) {
    const bool known = std::any_of(
        report.recoveries.begin(), report.recoveries.end(),
        [&](const RecoveryData& r) { return canonical(r.path) == canonical(recovery.path); });
    if (!known) report.recoveries.push_back(std::move(recovery));
  }
}

}  // namespace

Report read_report(const std::vector<std::string>& folders) {
  Report report;
  for (const std::string& folder : folders)
    for (const std::string& path : runs_of(folder, report)) report.runs.push_back(read_run(path));
  name_runs(report.runs);
  for (const RunData& run : report.runs) {
    add_recoveries_of(run, report);
    report.rescored.push_back(rescore(run, kWorst));
  }
  return report;
}

}  // namespace ktrain::report
