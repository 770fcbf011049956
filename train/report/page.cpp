#include "train/report/page.h"

#include <cctype>
#include <ctime>

#include "runtime/fault.h"
#include "train/file_system.h"
#include "train/machine_text.h"

namespace ktrain::report {
namespace {

std::string time_text() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts)};
}

// One sentence on the runs for the head of the page.
std::string abstract_of(const Report& report) {
  std::string out;
  for (const std::string& note : report.notes) out += escaped(note) + " ";
  for (const RunData& run : report.runs) {
    const std::string state = text_at(run.status, "state");
    if (report.runs.size() > 1) out += fmt::format("<b>{}</b>: ", escaped(run.name));
    out += escaped(state.empty() ? "state unknown" : state);
    if (const auto* const best = run.best())
      out += fmt::format(", best epoch {} with mAP {}, recall {}, miss rate {}", run.best_epoch,
                         fixed(number_at(*best, "map")), fixed(number_at(*best, "recall")),
                         fixed(number_at(*best, "miss_rate")));
    std::size_t alarms = 0;
    for (const auto* const alarm : run.monitor_of("alarm"))
      alarms += text_at(*alarm, "level") == "alarm";
    out += run.monitor_of("probe").empty() ? "; conflicts were not measured. "
           : alarms == 0                   ? "; no alarm. "
           : alarms == 1                   ? "; one alarm. "
                                           : fmt::format("; {} alarms. ", alarms);
  }
  if (report.runs.size() == 1 && !out.empty() && report.notes.empty())
    out[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(out[0])));
  return out;
}

// What `fill="url(#hatch)"` means.
constexpr const char* kPatterns =
    "<svg width=\"0\" height=\"0\" class=\"defs\" aria-hidden=\"true\"><defs><pattern id=\"hatch\" "
    "width=\"5\" "
    "height=\"5\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect "
    "width=\"5\" "
    "height=\"5\" class=\"hatch-ground\"/><path d=\"M0 0V5\" "
    "class=\"hatch-line\"/></pattern></defs></svg>\n";

}  // namespace

void Page::section(const std::string& id, const std::string& heading, const std::string& body) {
  html += fmt::format("<section id=\"{}\">\n<h2>{}</h2>\n{}</section>\n", id, heading, body);
}

std::string page_of(const Report& report, const std::string& time) {
  Page page;
  page.data["program"] = version_text();
  page.data["time"] = time;
  add_summary(report, page);
  add_recovery(report, page);
  add_metrics(report, page);
  add_losses(report, page);
  add_curves(report, page);
  add_conflict(report, page);
  add_alarms(report, page);
  add_drift(report, page);
  add_worst(report, page);
  add_settings(report, page);
  add_provenance(report, page);
  std::string names;
  for (const RunData& run : report.runs) names += (names.empty() ? "" : ", ") + escaped(run.name);
  std::string out = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>{} \u2013 ktrain "
      "report</title>\n",
      names);
  out += "<style>\n" + style() + "</style>\n</head>\n<body>\n" + kPatterns;
  out += fmt::format(
      "<header>\n<p class=\"kind\">Training report</p>\n<h1>{}</h1>\n<p class=\"abstract\">{}</p>\n"
      "<p class=\"by\">ktrain {} \u00b7 {}</p>\n",
      names, abstract_of(report), escaped(version_text()), escaped(time));
  out +=
      "<nav><a href=\"#summary\">Summary</a> <a href=\"#recovery\">Recovery</a> <a "
      "href=\"#metrics\">Metrics</a> <a "
      "href=\"#losses\">Losses</a> <a href=\"#curves\">Curves</a> <a "
      "href=\"#conflict\">Conflict</a> "
      "<a href=\"#alarms\">Alarms</a> <a href=\"#drift\">Drift</a> <a href=\"#worst\">Errors</a> "
      "<a "
      "href=\"#settings\">Settings</a> <a "
      "href=\"#provenance\">Provenance</a></nav>\n</header>\n<main>\n";
  out += page.html + "</main>\n<div id=\"tip\" role=\"status\" hidden></div>\n";
  out += "<script type=\"application/json\" id=\"data\">" + script_json(page.data) + "</script>\n";
  return out + "<script>\n" + script() + "</script>\n</body>\n</html>\n";
}

std::string write_report(const std::vector<std::string>& paths, const std::string& given) {
  const Report report = read_report(paths);
  const std::string text = page_of(report, time_text());
  const std::string out = given.empty() ? paths.front() + "/report.html" : given;
  const std::string temporary = out + ".tmp";
  FileSystem& files = real_file_system();
  try {
    try_remove(files, temporary);
    OpenFile file(files, files.create(temporary));
    file.write(text.data(), text.size());
    file.close();
    files.rename_over(temporary, out);
  } catch (const IoError& error) {
    throw_fault("KT-IO-001", "{}: {}; name another file with --out", out, error.what());
  }
  return out;
}

}  // namespace ktrain::report
