#include "train/experiment_command.h"

#include <filesystem>
#include <fstream>
#include <iostream>

#include <unistd.h>

#include "runtime/fault.h"
#include "train/experiment/dry_run.h"
#include "train/experiment/report.h"
#include "train/experiment/runner.h"

namespace ktrain {
namespace {

using experiment::Analysis;
using experiment::Design;

void write_report(const std::string& path, const std::string& text) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code refused;  // the open below then fails, too
  if (!folder.empty()) std::filesystem::create_directories(folder, refused);
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  if (!(out << text << std::flush))
    throw_fault("KT-IO-001", "{}: cannot be written; name another file with --out", path);
}

int analyse_runs(const Design& design, const std::vector<experiment::Cell>& cells,
                 const ExperimentOptions& options, Console& console) {
  const std::string folder = experiment::experiment_folder(design, options.runs);
  const auto measured = experiment::measure_cells(design, cells);
  const Analysis analysis = experiment::analyse(design, measured);
  if (analysis.runs.done == 0)
    throw_fault("KT-EXP-003", "{}: none of {} runs is done; run the experiment first", folder,
                analysis.runs.all);
  write_report(options.out, experiment::report_markdown(design, measured, analysis, folder));
  console.result(
      fmt::format("verdict   {}: {}", experiment::verdict_name(analysis.verdict), analysis.reason));
  for (const auto& h : analysis.hypotheses)
    console.result(fmt::format("{}        {} (p {:.2g}, adjusted {:.2g})", h.id,
                               h.supported ? "supported" : "not supported", h.p, h.adjusted));
  console.result(fmt::format("runs      {} of {} done, {} failed\nreport    {}", analysis.runs.done,
                             analysis.runs.all, analysis.runs.failed, options.out));
  console.record(experiment::analysis_json(design, analysis));
  return 0;
}

}  // namespace

int run_experiment(const ExperimentOptions& options, std::ostream& out) {
  if (options.dry_run && options.analyse_only)
    throw_fault("KT-CLI-001", "--dry-run and --analyse-only contradict each other");
  const Design design = experiment::load_design(options.design);
  const auto cells = experiment::cells_of(design, options.runs);
  Console console(out, options.json ? Console::Mode::kJson : Console::Mode::kText,
                  &out == &std::cout && ::isatty(STDOUT_FILENO) == 1);
  if (options.dry_run) {
    experiment::dry_run(design, cells, options.runs, console);
    return 0;
  }
  if (!options.analyse_only) {
    const StopSignals signals;
    const int code = experiment::run_cells(design, cells, options.runs, console, signals);
    if (code != 0) {
      console.result("stopped on request; the same command goes on from here");
      return code;
    }
  }
  return analyse_runs(design, cells, options, console);
}

}  // namespace ktrain
