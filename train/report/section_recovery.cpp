// What recoveries decided on the runs, and what became of their hypotheses.
#include <algorithm>
#include <filesystem>

#include "train/report/page.h"

namespace ktrain::report {
namespace {

bool shown(const RecoveryData& recovery, const nlohmann::json& record, const Report& report) {
  return recovery.whole ||
         std::any_of(report.runs.begin(), report.runs.end(), [&](const RunData& run) {
           return recovery.speaks_of(record, canonical(run.path));
         });
}

// "stage1 → a → mark_a".
std::string way_of(const RecoveryData& recovery) {
  std::string out;
  for (const auto& record : recovery.decisions)
    if (text_at(record, "kind") != "collect")  // evidence beside the way
      out += (out.empty() ? "" : " \u2192 ") + escaped(text_at(record, "node"));
  return out;
}

// The numbers that a decision was made on, one line a run.
std::string evidence_of(const nlohmann::json& record) {
  std::string out;
  const auto evidence = record.find("evidence");
  if (evidence == record.end() || !evidence->is_object()) return out;
  for (const auto& [name, of] : evidence->items()) {
    const std::string failure = text_at(of, "failure");
    if (!failure.empty())
      out += fmt::format("<div>{}: failed, {}</div>", escaped(name), escaped(failure));
    const auto epoch = number_at(of, "epoch");
    if (!epoch) continue;
    const nlohmann::json metrics = of.value("metrics", nlohmann::json());
    out += fmt::format("<div>{}: epoch {}, mAP {}, recall {}</div>", escaped(name), number(*epoch),
                       fixed(number_at(metrics, "map")), fixed(number_at(metrics, "recall")));
  }
  return out;
}

// "mAP 0.7871, wanted at least 0.8: no".
std::string checks_of(const nlohmann::json& record) {
  std::string out;
  const auto checks = record.find("checks");
  if (checks == record.end() || !checks->is_array()) return out;
  for (const auto& check : *checks) {
    if (!check.is_object()) continue;
    out +=
        fmt::format("<div>{} <b>{}</b> {}</div>", escaped(text_at(check, "of")),
                    check.value("holds", nlohmann::json()) == true ? "reaches" : "does not reach",
                    escaped(text_at(check, "level")));
    const auto criteria = check.find("criteria");
    if (criteria == check.end() || !criteria->is_array()) continue;
    for (const auto& c : *criteria)
      out += fmt::format("<div class=\"criterion\">{} {}; wanted {}</div>",
                         escaped(text_at(c, "name")), escaped(text_at(c, "found")),
                         escaped(text_at(c, "wanted")));
  }
  return out;
}

std::string differences_of(const nlohmann::json& record) {
  std::string out;
  if (const std::string refused = text_at(record, "refused"); !refused.empty())
    out += "<div>not compared: " + escaped(refused) + "</div>";
  const auto differences = record.find("differences");
  if (differences == record.end() || !differences->is_array()) return out;
  for (const auto& d : *differences) {
    const auto lo = number_at(d, "lo"), hi = number_at(d, "hi");
    out += fmt::format("<div>{} minus {}: {} {}{}</div>", escaped(text_at(record, "of")),
                       escaped(text_at(record, "minus")), escaped(text_at(d, "metric")),
                       fixed(number_at(d, "value")),
                       lo && hi ? fmt::format(" [{}, {}]", fixed(lo), fixed(hi)) : "");
  }
  return out;
}

std::string decisions_table(const RecoveryData& recovery, const Report& report, Page& page) {
  std::string rows;
  std::size_t count = 0;
  for (const auto& record : recovery.decisions) {
    if (!shown(recovery, record, report)) continue;
    ++count;
    rows += fmt::format(
        "<tr><td class=\"num\">{}</td><th scope=\"row\">{}</th><td>{}</td><td "
        "class=\"num\">{}</td><td>{}{}</td><td>{}</td></tr>\n",
        number(number_at(record, "n"), 9), escaped(text_at(record, "node")),
        escaped(text_at(record, "did")), evidence_of(record), checks_of(record),
        differences_of(record), escaped(text_at(record, "rule")));
  }
  if (count == 0) return "";
  return page.figures.table(
      "t-decisions-" + std::to_string(page.data["recovery"].size()),
      "<table class=\"decisions\"><thead><tr><th class=\"num\">n</th><th>node</th><th>what was "
      "done</th><th>measured</th><th>judged</th><th>rule, and where it "
      "led</th></tr></thead><tbody>" +
          rows + "</tbody></table>",
      fmt::format(
          "{} of the {} decisions of the recovery <i>{}</i>{}. Measured: the best validation of "
          "each run by the recovery's metric, all numbers of one epoch.",
          count == recovery.decisions.size() ? "All" : fmt::format("{}", count),
          recovery.decisions.size(), escaped(recovery.name),
          recovery.whole ? "" : ", those that speak of the runs of this report"));
}

std::string hypotheses_table(const RecoveryData& recovery, Page& page) {
  if (recovery.hypotheses.empty())
    return absent("No hypothesis has been looked at yet: that is done at the recovery's end.");
  std::string rows;
  for (const auto& h : recovery.hypotheses) {
    const std::string status = text_at(h, "status");
    std::string details;
    if (const auto at = h.find("details"); at != h.end() && at->is_array())
      for (const auto& line : *at)
        if (line.is_string() && line.get<std::string>() != text_at(h, "why"))
          details += "<li>" + escaped(line.get<std::string>()) + "</li>";
    if (!details.empty())
      details = fmt::format(
          "<details><summary>everything measured</summary><ul class=\"plain\">{}"
          "</ul></details>",
          details);
    rows += fmt::format(
        "<tr><th scope=\"row\">{}</th><td class=\"status-{}\">{}</td><td>{}</td><td>{}{}</td>"
        "</tr>\n",
        escaped(text_at(h, "text")),
        status == "supported" ? "supported"
        : status == "refuted" ? "refuted"
                              : "open",
        escaped(status), escaped(text_at(h, "measurement")), escaped(text_at(h, "why")), details);
    page.data["recovery"][recovery.name]["hypotheses"].push_back(Json::parse(h.dump()));
  }
  return page.figures.table(
      "t-hypotheses-" + std::to_string(page.data["recovery"].size()),
      "<table class=\"hypotheses\"><thead><tr><th>hypothesis</th><th>status</th><th>decided by"
      "</th><th>found</th></tr></thead><tbody>" +
          rows + "</tbody></table>",
      fmt::format("The hypotheses of the recovery <i>{}</i>. <i>Supported</i> and <i>refuted</i> "
                  "are what the measurement came to by a rule that stood in the recovery's file; "
                  "<i>inconclusive</i>: neither bound was passed; <i>untested</i>: it was not "
                  "measured.",
                  escaped(recovery.name)));
}

// A path below the working folder as one beneath it: reports are shown to others.
std::string seen_from_here(const std::string& path) {
  std::error_code unknown;
  const std::filesystem::path here = std::filesystem::current_path(unknown);
  const std::string beneath = std::filesystem::path(path).lexically_relative(here).string();
  return unknown || beneath.empty() || beneath.starts_with("..") ? path : beneath;
}

std::string body_of(const RecoveryData& recovery, const Report& report, Page& page) {
  const std::string state = text_at(recovery.state, "state");
  page.data["recovery"][recovery.name] = {
      {"state", state}, {"decisions", recovery.decisions.size()}, {"hypotheses", Json::array()}};
  std::string end;
  for (const auto& record : recovery.decisions)
    if (text_at(record, "kind") == "end") end = text_at(record, "did");
  std::string body = fmt::format(
      "<p><b>{}</b>, <code>{}</code>: {}{}. Way taken: {}.</p>\n", escaped(recovery.name),
      escaped(seen_from_here(recovery.path)), state.empty() ? "state unknown" : escaped(state),
      end.empty() ? "" : "; it came to: " + escaped(end), way_of(recovery));
  for (const std::string& gap : recovery.gaps) body += absent(escaped(gap) + ".");
  body += decisions_table(recovery, report, page);  // tables are numbered as they are made
  body += hypotheses_table(recovery, page);
  return body;
}

}  // namespace

void add_recovery(const Report& report, Page& page) {
  std::string body;
  page.data["recovery"] = Json::object();
  for (const RecoveryData& recovery : report.recoveries) body += body_of(recovery, report, page);
  if (body.empty())
    body = absent("No recovery has decided on " +
                  std::string(report.runs.size() == 1 ? "this run." : "these runs."));
  page.section("recovery", "Recovery", body);
}

}  // namespace ktrain::report
