// The report as one HTML file: sections in order, the numbers of its figures beside them as JSON.
#pragma once

#include <string>
#include <vector>

#include "train/report/html.h"
#include "train/report/recovery_data.h"
#include "train/report/rescore.h"
#include "train/report/run_data.h"

namespace ktrain::report {

struct Report {
  std::vector<RunData> runs;
  std::vector<Rescored> rescored;  // parallel to runs
  std::vector<RecoveryData> recoveries;
  std::vector<std::string> notes;  // on the folders that were named, for the head of the page
};

// What sections write into: HTML, and the data of their figures.
struct Page {
  std::string html;
  Json data = Json::object();
  Figures figures;

  // <section id> with a heading and the body.
  void section(const std::string& id, const std::string& heading, const std::string& body);
};

// In the order of the page.
void add_summary(const Report& report, Page& page);
void add_recovery(const Report& report, Page& page);
void add_metrics(const Report& report, Page& page);
void add_losses(const Report& report, Page& page);
void add_curves(const Report& report, Page& page);
void add_conflict(const Report& report, Page& page);
void add_drift(const Report& report, Page& page);
void add_alarms(const Report& report, Page& page);
void add_worst(const Report& report, Page& page);
void add_settings(const Report& report, Page& page);
void add_provenance(const Report& report, Page& page);

// The whole file.
[[nodiscard]] std::string page_of(const Report& report, const std::string& time);

[[nodiscard]] std::string style();   // CSS
[[nodiscard]] std::string script();  // tooltips; the page says everything without it

// Reads what the folders hold: a run, a recovery with all runs it decided on, or an experiment of
// at most `kMostRuns` runs. Throws Fault KT-DATA-070 for any other.
inline constexpr std::size_t kMostRuns = 8;
[[nodiscard]] Report read_report(const std::vector<std::string>& folders);

// Reads and writes the report in one step; the path of what was written. `out` "" stands for
// report.html in the first folder. Throws Fault.
std::string write_report(const std::vector<std::string>& folders, const std::string& out);

}  // namespace ktrain::report
