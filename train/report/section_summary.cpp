// What the runs came to, and what early stop said of them.
#include "runtime/fault.h"
#include "train/early_stop.h"
#include "train/report/page.h"

namespace ktrain::report {
namespace {

std::string state_of(const RunData& run) {
  const std::string state = text_at(run.status, "state");
  const std::string message = text_at(run.status, "message");
  return escaped(state.empty() ? "unknown" : state) +
         (message.empty() ? "" : ": " + escaped(message));
}

std::string row(const RunData& run) {
  const nlohmann::json none, &best = run.best() != nullptr ? *run.best() : none;
  std::string out =
      fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td>", escaped(run.name), state_of(run));
  out += fmt::format("<td class=\"num\">{} of {}</td>", number(number_at(run.status, "epoch")),
                     number(number_at(run.status, "epochs")));
  out += fmt::format("<td class=\"num\">{}</td>",
                     run.best_epoch > 0 ? fmt::format("{}", run.best_epoch) : "n/a");
  for (const char* const name : {"map", "map_11point", "recall", "miss_rate"})
    out += fmt::format("<td class=\"num\" data-metric=\"{}\">{}</td>", name,
                       fixed(number_at(best, name)));
  out += fmt::format("<td class=\"num\">{}</td><td class=\"num\">{}</td>",
                     number(number_at(best, "dets"), 9), number(number_at(best, "gts"), 9));
  return out +
         fmt::format("<td><code>{}</code></td></tr>\n", escaped(text_at(best, "fingerprint")));
}

// What early stop said after each validation, by the run's own rule.
std::string stop_text(const RunData& run) {
  if (!run.plan) return "";
  const StopPlan& plan = run.plan->plan.stop;
  if (plan.patience == 0)
    return fmt::format("<p><b>{}.</b> Early stop was off.</p>\n", escaped(run.name));
  std::string out = fmt::format(
      "<p><b>{}.</b> Early stop watched <i>{}</i>: threshold {}, patience {}, from epoch {} on.</p>"
      "<ul class=\"plain\">",
      escaped(run.name), escaped(plan.metric), number(plan.threshold), plan.patience, plan.begin);
  EarlyStop stop(plan);
  for (const auto& v : run.validations) {
    const auto epoch = static_cast<std::int64_t>(number_at(v, "epoch").value_or(0));
    try {
      const StopVerdict verdict = stop.update(epoch, number_at(v, plan.metric));
      out += fmt::format("<li>Epoch {}: {}{}</li>", epoch, escaped(verdict.reason),
                         verdict.stop ? "; <b>stopped</b>" : "");
    } catch (const Fault& fault) {
      out += fmt::format("<li>Epoch {}: {}</li>", epoch, escaped(fault.what()));
    }
  }
  return out + "</ul>\n";
}

}  // namespace

void add_summary(const Report& report, Page& page) {
  std::string rows;
  for (const RunData& run : report.runs) {
    rows += row(run);
    Json best = run.best() != nullptr ? Json::parse(run.best()->dump()) : Json(nullptr);
    page.data["runs"].push_back({{"name", run.name},
                                 {"state", text_at(run.status, "state")},
                                 {"best_epoch", run.best_epoch},
                                 {"best", best}});
  }
  std::string body = page.figures.table(
      "t-summary",
      "<table><thead><tr><th>run</th><th>state</th><th class=\"num\">epochs</th><th "
      "class=\"num\">best "
      "epoch</th><th class=\"num\">mAP<br>(area)</th><th class=\"num\">mAP<br>(11-point)</th><th "
      "class=\"num\">recall</th><th class=\"num\">miss<br>rate</th><th class=\"num\">dets</th><th "
      "class=\"num\">targets</th><th>measured on</th></tr></thead><tbody>" +
          rows + "</tbody></table>",
      "The best validation of each run. mAP and recall at IoU 0.5; miss rate: KAIST's log-average, "
      "reasonable, day and night.");
  body += "<h3>Early stop</h3>\n";
  for (const RunData& run : report.runs) body += stop_text(run);
  page.section("summary", "Summary", body);
}

}  // namespace ktrain::report
