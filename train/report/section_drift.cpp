// How far representations moved, and how embeddings spread; several runs on the same axes.
#include <algorithm>
#include <cmath>
#include <set>

#include "train/report/chart.h"
#include "train/report/conflict.h"
#include "train/report/page.h"

namespace ktrain::report {
namespace {

// The layer group of a normalisation: "visible.layer1.0.bn1" is in "visible.layer1".
std::string group_of(const std::string& layer) {
  const std::size_t dot = layer.find('.');
  if (dot == std::string::npos) return layer;
  const std::size_t second = layer.find('.', dot + 1);
  return layer.substr(0, second);
}

// The largest `measure` over the layers of each group, or the group's own.
std::map<std::string, double> by_group(const nlohmann::json& record, const std::string& part,
                                       const std::string& measure) {
  std::map<std::string, double> out;
  const auto at = record.find(part);
  if (at == record.end() || !at->is_object()) return out;
  for (const auto& [name, values] : at->items())
    if (const auto value = number_at(values, measure)) {
      const std::string group = part == "layers" ? group_of(name) : name;
      const auto [place, added] = out.emplace(group, *value);
      if (!added) place->second = std::max(place->second, *value);
    }
  return out;
}

struct Measure {
  const char *part, *name, *label;
};

// Panels of the visible stream in one row, of the thermal one in the next; then shared weights,
// then what has no stream.
std::vector<std::vector<Panel>> in_rows(std::map<std::string, std::vector<Series>>& by_group) {
  std::vector<std::string> groups;
  for (const auto& [group, series] : by_group) groups.push_back(group);
  sort_groups(groups);
  std::vector<std::vector<Panel>> rows;
  std::string before;
  constexpr std::size_t kMost = 7;  // charts beside each other
  for (const std::string& group : groups) {
    const std::size_t dot = group.find('.');
    std::string stream = dot == std::string::npos ? "" : group.substr(0, dot);
    if (stream != "visible" && stream != "thermal" && stream != "shared") stream.clear();
    if (rows.empty() || stream != before || rows.back().size() == kMost) rows.emplace_back();
    before = stream;
    rows.back().push_back({.title = group, .series = std::move(by_group[group])});
  }
  return rows;
}

std::string panels(const Report& report, const Measure& measure, Page& page) {
  std::map<std::string, std::vector<Series>> by_group_name;
  for (std::size_t i = 0; i < report.runs.size(); ++i) {
    const RunData& run = report.runs[i];
    for (const auto* const record : run.monitor_of("drift")) {
      const auto step = static_cast<std::int64_t>(number_at(*record, "step").value_or(0));
      for (const auto& [group, value] : by_group(*record, measure.part, measure.name)) {
        auto& series = by_group_name[group];
        series.resize(report.runs.size());
        series[i].name = run.name;
        series[i].color = static_cast<int>(i % 8);
        series[i].marks = true;
        series[i].points.push_back({.x = run.epoch_at(step),
                                    .y = value,
                                    .tip = fmt::format("{}, {}: {} {} at step {}", run.name, group,
                                                       measure.name, number(value), step)});
        page.data["drift"][measure.name][run.name][group].push_back({step, value});
      }
    }
  }
  std::vector<Series> all;
  for (const auto& [group, series] : by_group_name)
    all.insert(all.end(), series.begin(), series.end());
  Multiples out{.label = measure.label};
  out.x = {.label = "epoch"};
  out.x.whole = true;
  out.y.label = measure.label;
  out.rows = in_rows(by_group_name);
  const std::string svg = draw(out);
  return svg.empty() ? "" : legend(all) + svg;
}

struct EmbeddingMeasure {
  const char *name, *title, *unit;
};

std::string embedding_charts(const Report& report, Page& page) {
  static constexpr EmbeddingMeasure kMeasures[] = {
      {"align", "Alignment", "mean |u \u2212 v|\u00b2"},
      {"unif", "Uniformity", "ln mean exp(\u22122|x \u2212 y|\u00b2)"},
      {"gap", "Modality gap", "|mean u \u2212 mean v|"},
      {"auc", "Modality AUC", "AUC"},
      {"fnr", "False negatives in the queue", "share"},
      {"qage", "Age of the queue", "steps"}};
  std::string out;
  std::vector<Series> all;
  for (const EmbeddingMeasure& measure : kMeasures) {
    Chart chart{.title = measure.title, .width = 360, .height = 210, .legend = false};
    chart.x = {.label = "epoch"};
    chart.x.whole = true;
    chart.y.label = measure.unit;
    for (std::size_t i = 0; i < report.runs.size(); ++i) {
      Series s{.name = report.runs[i].name, .color = static_cast<int>(i % 8), .points = {}};
      s.marks = true;
      for (const auto* const record : report.runs[i].monitor_of("embedding"))
        if (const auto value = number_at(*record, measure.name)) {
          const auto step = static_cast<std::int64_t>(number_at(*record, "step").value_or(0));
          s.points.push_back({.x = report.runs[i].epoch_at(step), .y = *value});
          page.data["embedding"][measure.name][report.runs[i].name].push_back({step, *value});
        }
      chart.series.push_back(std::move(s));
    }
    out += draw(chart);
    all.insert(all.end(), chart.series.begin(), chart.series.end());
  }
  return out.empty() ? "" : legend(all) + "<div class=\"grid3\">" + out + "</div>";
}

std::string references(const Report& report) {
  std::set<std::string> seen;
  for (const RunData& run : report.runs)
    for (const auto* const record : run.monitor_of("drift"))
      seen.insert(text_at(*record, "reference"));
  return escaped(fmt::format("{}", fmt::join(seen, ", ")));
}

}  // namespace

void add_drift(const Report& report, Page& page) {
  static constexpr Measure kMeasures[] = {
      {"layers", "kl95", "KL 95th percentile, nat"}, {"groups", "cka", "CKA with the reference"},
      {"groups", "proc", "Procrustes distance"},     {"groups", "erank", "effective rank"},
      {"groups", "dw", "relative weight change"},
  };
  static constexpr const char* kCaptions[] = {
      "Channel drift of normalisation inputs: 95th percentile over channels of the divergence from "
      "the reference, "
      "the largest layer of each group.",
      "Similarity of representations to the reference's (unbiased linear CKA; 1 is equal).",
      "Distance of representations after the best rotation (Procrustes; 0 is equal).",
      "Effective rank of representations.", "Weights: |\u03b8 \u2212 \u03b8_ref| / |\u03b8_ref|."};
  std::string body, silent;
  for (const RunData& run : report.runs)
    if (run.monitor_of("drift").empty())
      silent += absent(escaped(run.name) + ": drift against a reference was not measured.");
  for (std::size_t i = 0; i < std::size(kMeasures); ++i)
    if (const std::string charts = panels(report, kMeasures[i], page); !charts.empty())
      body += page.figures.figure(std::string("f-drift-") + kMeasures[i].name, charts,
                                  std::string(kCaptions[i]) + " One scale for all panels.");
  if (!body.empty()) body = "<p>Reference: <code>" + references(report) + "</code></p>\n" + body;

  const std::string embedding = embedding_charts(report, page);
  if (embedding.empty())
    silent += absent("Embeddings were not measured.");
  else
    body += page.figures.figure(
        "f-embedding", embedding,
        "Embeddings u, v of the two modalities of one pedestrian. Alignment 0: they coincide, "
        "about "
        "2: they are strangers. Uniformity: lower is more spread out. Gap: distance of the two "
        "clouds\u2019 centres. AUC: how well a line tells the modalities apart, 0.5 not at all. "
        "False negatives and age of the queue of hard negatives, where there is one.");
  page.section("drift", "Drift", body + silent);
}

void add_alarms(const Report& report, Page& page) {
  std::string body;
  for (const RunData& run : report.runs) {
    const auto alarms = run.monitor_of("alarm");
    if (alarms.empty()) {
      body += absent(escaped(run.name) + (run.monitor_of("probe").empty()
                                              ? ": no probe was made, so no alarm could be raised."
                                              : ": the monitor raised no alarm."));
      continue;
    }
    std::string rows;
    for (const auto* const a : alarms) {
      const std::string level = text_at(*a, "level");
      rows += fmt::format(
          "<tr class=\"level-{}\"><td class=\"num\">{}</td><td>{}</td><td>{}</td><td>{}</td>"
          "<td class=\"num\">{} [{}, {}]</td><td class=\"num\">{}</td><td class=\"num\">{}</td>"
          "<td class=\"num\">{}</td><td>{}</td></tr>\n",
          level == "alarm"  ? "alarm"
          : level == "warn" ? "warn"
                            : "other",
          number(number_at(*a, "step"), 9), escaped(level), escaped(text_at(*a, "group")),
          escaped(text_at(*a, "loss")), number(number_at(*a, "mean"), 3),
          number(number_at(*a, "lo"), 3), number(number_at(*a, "hi"), 3),
          number(number_at(*a, "n"), 9), number(number_at(*a, "tax"), 3),
          number(number_at(*a, "lambda")), escaped(text_at(*a, "text")));
      page.data["alarms"][run.name].push_back(Json::parse(a->dump()));
    }
    body += page.figures.table(
        "t-alarms-" + std::to_string(page.data["alarms"].size()),
        "<table class=\"alarms\"><thead><tr><th class=\"num\">step</th><th>level</th><th>group</th>"
        "<th>loss</th><th class=\"num\">cosine</th><th class=\"num\">n</th><th "
        "class=\"num\">tax</th>"
        "<th class=\"num\">\u03bb</th><th>what it says</th></tr></thead><tbody>" +
            rows + "</tbody></table>",
        fmt::format("{}: every change of an alarm's level, in order.", escaped(run.name)));
  }
  page.section("alarms", "Alarms", body);
}

}  // namespace ktrain::report
