// With what the runs were made: plans, with their differences in front; data, weights, machine.
#include "train/plan_keys.h"
#include "train/report/page.h"

namespace ktrain::report {
namespace {

struct Setting {
  std::string key;
  std::vector<std::string> values, origins;  // by run; "" where the plan cannot be read
  bool differs = false, set = false, may_change = false;
};

std::vector<Setting> settings_of(const Report& report) {
  std::vector<Setting> out;
  Plan names;
  for (const PlanKey& key : plan_keys(names))
    out.push_back({.key = std::string(key.name),
                   .values = std::vector<std::string>(report.runs.size()),
                   .origins = std::vector<std::string>(report.runs.size()),
                   .differs = false,
                   .set = false,
                   .may_change = key.may_change});
  for (std::size_t r = 0; r < report.runs.size(); ++r) {
    if (!report.runs[r].plan) continue;
    ResolvedPlan resolved = *report.runs[r].plan;
    const auto keys = plan_keys(resolved.plan);
    for (std::size_t k = 0; k < keys.size(); ++k) out[k].values[r] = value_text(keys[k]);
  }
  Plan defaults;
  const auto keys = plan_keys(defaults);
  for (std::size_t k = 0; k < keys.size(); ++k)
    for (const std::string& value : out[k].values) {
      out[k].differs = out[k].differs || value != out[k].values.front();
      out[k].set = out[k].set || (!value.empty() && value != value_text(keys[k]));
    }
  return out;
}

std::string row(const Setting& setting) {
  std::string out = fmt::format("<tr{}><th scope=\"row\"><code>{}</code></th>",
                                setting.differs ? " class=\"differs\"" : "", escaped(setting.key));
  for (const std::string& value : setting.values)
    out += fmt::format("<td><code>{}</code></td>", value.empty() ? "n/a" : escaped(value));
  return out + "</tr>\n";
}

std::string table_of(const Report& report, const std::string& rows) {
  std::string head = "<table class=\"settings\"><thead><tr><th>key</th>";
  for (const RunData& run : report.runs) head += fmt::format("<th>{}</th>", escaped(run.name));
  return head + "</tr></thead><tbody>" + rows + "</tbody></table>";
}

std::string fact(const std::string& name, const std::string& escaped_value) {
  return fmt::format("<dt>{}</dt><dd>{}</dd>", name, escaped_value.empty() ? "n/a" : escaped_value);
}

std::string metadata(const RunData& run, const std::string& key) {
  const auto at = run.checkpoint.find(key);
  return at == run.checkpoint.end() ? "" : escaped(at->second);
}

}  // namespace

void add_settings(const Report& report, Page& page) {
  std::string differing, set, all;
  std::size_t differences = 0;
  for (const Setting& setting : settings_of(report)) {
    if (setting.differs) {
      differing += row(setting);
      ++differences;
      for (std::size_t r = 0; r < report.runs.size(); ++r)
        page.data["settings"][setting.key][report.runs[r].name] = setting.values[r];
    }
    if (setting.set && !setting.differs) set += row(setting);
    all += row(setting);
  }
  std::string body;
  for (const RunData& run : report.runs)
    if (!run.plan) body += absent(escaped(run.name) + ": its plan cannot be read.");
  if (report.runs.size() > 1)
    body += differing.empty()
                ? absent("The plans do not differ in any key.")
                : page.figures.table(
                      "t-differences", table_of(report, differing),
                      fmt::format(
                          "The {} settings in which the runs differ. A difference of results has "
                          "one cause only where one of these changes results.",
                          differences));
  if (!set.empty())
    body +=
        page.figures.table("t-set", table_of(report, set), "Settings that are not the default.");
  body += "<details><summary>Every setting</summary><div class=\"scroll\">" +
          table_of(report, all) + "</div></details>\n";
  page.section("settings", "Settings", body);
}

void add_provenance(const Report& report, Page& page) {
  std::string body;
  for (const RunData& run : report.runs) {
    const std::string fingerprint =
        run.best() != nullptr ? escaped(text_at(*run.best(), "fingerprint")) : "";
    body += fmt::format("<h3>{}</h3>\n<dl>", escaped(run.name));
    body += fact("run folder", "<code>" + escaped(run.path) + "</code>");
    body +=
        fact("plan", run.plan ? escaped(run.plan->name == "run" ? "run.cfg" : run.plan->name) : "");
    body += fact(
        "best weights, SHA-256 of the arrays, verified now",
        run.checkpoint_hash.empty() ? "" : "<code>" + escaped(run.checkpoint_hash) + "</code>");
    body += fact("of step", metadata(run, "step"));
    body += fact("weights began as", metadata(run, "init"));
    body += fact("training data", "<code>" + metadata(run, "data.train") + "</code>");
    body += fact("validation data", "<code>" + metadata(run, "data.val") + "</code>");
    body +=
        fact("protocol fingerprint", fingerprint.empty() ? "" : "<code>" + fingerprint + "</code>");
    body += "</dl>\n";
    body += run.env.empty() ? absent("env.txt is not there: program and machine are not known.")
                            : "<pre>" + escaped(run.env) + "</pre>\n";
    for (const std::string& gap : run.gaps) body += absent(escaped(gap) + ".");
    page.data["provenance"][run.name] = {
        {"checkpoint", run.checkpoint_hash}, {"folder", run.path}, {"gaps", run.gaps}};
  }
  page.section("provenance", "Provenance", body);
}

}  // namespace ktrain::report
