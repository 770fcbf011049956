#include <fmt/format.h>

#include "train/recovery/decisions.h"

namespace ktrain {
namespace {

std::string text_of(const OrderedJson& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string first(const std::string& hash) { return hash.substr(0, 12); }

std::string evidence_line(const std::string& name, const OrderedJson& e) {
  const std::string failure = text_of(e, "failure");
  if (!e.contains("epoch"))
    return fmt::format("{} ({}, {}): no validation; {}", name, text_of(e, "run"),
                       text_of(e, "state"), failure);
  std::string values;
  for (const auto& [metric, value] : e["metrics"].items())
    values += fmt::format("{}{} {:.4f}", values.empty() ? "" : ", ", metric, value.get<double>());
  return fmt::format("{} ({}, {}): {}epoch {}, {}, {} boxes for {} wanted", name, text_of(e, "run"),
                     text_of(e, "state"), failure.empty() ? "" : failure + "; before that, ",
                     e["epoch"].get<std::int64_t>(), values, e["dets"].get<std::int64_t>(),
                     e["gts"].get<std::int64_t>());
}

std::string proof_lines(const OrderedJson& e, const std::string& indent) {
  if (!e.contains("epoch"))
    return fmt::format("{}data #{} (training) #{} (validation)\n", indent,
                       first(text_of(e, "data_train")), first(text_of(e, "data_val")));
  const std::string began = text_of(e, "began");
  return (began.empty() ? "" : fmt::format("{}began as {}\n", indent, began)) +
         fmt::format(
             "{0}log line {1}, protocol {2}\n{0}checkpoint {3} #{4}, data #{5} (training) #{6} "
             "(validation)\n",
             indent, text_of(e, "log"), text_of(e, "protocol"), text_of(e, "checkpoint"),
             first(text_of(e, "hash")), first(text_of(e, "data_train")),
             first(text_of(e, "data_val")));
}

std::string criteria_line(const OrderedJson& c) {
  return fmt::format("{} {}: {}; wanted {}", c["holds"].get<bool>() ? "yes" : "no ",
                     text_of(c, "name"), text_of(c, "found"), text_of(c, "wanted"));
}

std::string verdict_line(const OrderedJson& check) {
  return fmt::format("{} {} {}", text_of(check, "of"),
                     check["holds"].get<bool>() ? "reaches" : "does not reach",
                     text_of(check, "level"));
}

// One difference of a comparison.
std::string difference_line(const OrderedJson& d) {
  if (d["lo"].is_null())
    return fmt::format("{} {:+.4f}", text_of(d, "metric"), d["value"].get<double>());
  return fmt::format("{} {:+.4f} [{:+.4f}, {:+.4f}]", text_of(d, "metric"),
                     d["value"].get<double>(), d["lo"].get<double>(), d["hi"].get<double>());
}

std::string decision_markdown(const OrderedJson& r) {
  std::string text =
      fmt::format("### {}. {}: {}\n\n", r["n"].get<int>(), text_of(r, "node"), text_of(r, "did"));
  if (!text_of(r, "say").empty()) text += fmt::format("{}\n\n", text_of(r, "say"));
  if (r.contains("evidence"))
    for (const auto& [name, e] : r["evidence"].items())
      text += fmt::format("- {}\n{}", evidence_line(name, e), proof_lines(e, "  "));
  if (r.contains("differences")) {
    text += fmt::format("- {} minus {}, paired bootstrap over images:", text_of(r, "of"),
                        text_of(r, "minus"));
    for (const auto& d : r["differences"]) text += fmt::format(" {};", difference_line(d));
    text.back() = '\n';
  }
  if (r.contains("refused") && r["refused"].is_string())
    text += fmt::format("- not compared: {}\n", text_of(r, "refused"));
  if (r.contains("settings")) {
    text += "- settings that differ:";
    for (const auto& key : r["settings"]) text += fmt::format(" {}", key.get<std::string>());
    text += "\n";
  }
  if (r.contains("mark"))
    text += fmt::format("- {} is now `{}`\n", text_of(r, "of"), text_of(r, "mark"));
  if (r.contains("checks"))
    for (const auto& check : r["checks"]) {
      text += fmt::format("- {}\n", verdict_line(check));
      for (const auto& c : check["criteria"]) text += fmt::format("  - {}\n", criteria_line(c));
    }
  if (!text_of(r, "rule").empty()) text += fmt::format("- rule: {}\n", text_of(r, "rule"));
  return fmt::format("{}\n", text);
}

std::string hypothesis_markdown(const OrderedJson& r) {
  std::string text = fmt::format("### {}: **{}**\n\n{}\n\n", text_of(r, "hypothesis"),
                                 text_of(r, "status"), text_of(r, "text"));
  text += fmt::format("- decided by: {}\n- {}\n", text_of(r, "measurement"), text_of(r, "why"));
  if (r.contains("details"))
    for (const auto& line : r["details"])
      if (line.get<std::string>() != text_of(r, "why"))
        text += fmt::format("- {}\n", line.get<std::string>());
  return fmt::format("{}\n", text);
}

}  // namespace

std::string decisions_markdown(const Recovery& recovery, const std::vector<OrderedJson>& records) {
  std::string path, decisions, hypotheses, end = "It has not come to its end.";
  for (const OrderedJson& r : records) {
    const std::string kind = text_of(r, "kind");
    if (kind == "hypothesis") {
      hypotheses += hypothesis_markdown(r);
      continue;
    }
    decisions += decision_markdown(r);
    if (kind == "collect") continue;
    path += fmt::format("{}{}", path.empty() ? "" : " -> ", text_of(r, "node"));
    if (kind == "end") end = text_of(r, "did");
  }
  std::string text = fmt::format("# {}\n\n{}\n\nWay taken: {}\n\n", recovery.title, end, path);
  text += fmt::format(
      "Levels are held against the validation of the best {}, all numbers of one epoch. Trend: the "
      "last of at least {} validations is no more than {:g} worse than the best. Metrics are "
      "fractions.\n\n## Decisions\n\n",
      recovery.metric, recovery.trend_least, recovery.trend_tolerance);
  text += decisions;
  if (!hypotheses.empty()) text += fmt::format("## Hypotheses\n\n{}", hypotheses);
  return text;
}

std::string decision_text(const OrderedJson& r) {
  if (text_of(r, "kind") == "hypothesis")
    return fmt::format("hypothesis {}: {}\n           {}", text_of(r, "hypothesis"),
                       text_of(r, "status"), text_of(r, "why"));
  std::string text = fmt::format("decision {:>2} {}: {}", r["n"].get<int>(), text_of(r, "node"),
                                 text_of(r, "did"));
  if (r.contains("evidence"))
    for (const auto& [name, e] : r["evidence"].items())
      text += fmt::format("\n            {}", evidence_line(name, e));
  if (r.contains("differences"))
    for (const auto& d : r["differences"])
      text += fmt::format("\n            {} minus {}: {}", text_of(r, "of"), text_of(r, "minus"),
                          difference_line(d));
  if (!text_of(r, "refused").empty())
    text += fmt::format("\n            not compared: {}", text_of(r, "refused"));
  if (r.contains("checks"))
    for (const auto& check : r["checks"]) {
      text += fmt::format("\n            {}", verdict_line(check));
      for (const auto& c : check["criteria"])
        text += fmt::format("\n              {}", criteria_line(c));
    }
  if (!text_of(r, "rule").empty())
    text += fmt::format("\n            rule: {}", text_of(r, "rule"));
  return text;
}

}  // namespace ktrain
