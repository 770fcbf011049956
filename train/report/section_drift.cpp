// How far representations moved, and how embeddings spread; several runs on the same axes.
#include <algorithm>
#include <cmath>
#include <set>

#include "train/report/chart.h"
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

std::string panels(const Report& report, const Measure& measure, Page& page) {
  std::map<std::string, std::vector<Series>> by_name;
  for (std::size_t i = 0; i < report.runs.size(); ++i) {
    const RunData& run = report.runs[i];
    for (const auto* const record : run.monitor_of("drift")) {
      const auto step = static_cast<std::int64_t>(number_at(*record, "step").value_or(0));
      for (const auto& [group, value] : by_group(*record, measure.part, measure.name)) {
        auto& series = by_name[group];
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
  std::string out;
  for (auto& [group, series] : by_name) {
    Chart chart{.title = group, .series = series, .width = 260, .height = 190};
    chart.x.label = "epoch";
    chart.y.label = measure.label;
    out += draw(chart);
  }
  return out;
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
      body += page.figures.figure(std::string("f-drift-") + kMeasures[i].name,
                                  "<div class=\"grid4\">" + charts + "</div>", kCaptions[i]);
  if (!body.empty()) body = "<p>Reference: <code>" + references(report) + "</code></p>\n" + body;

  std::string embedding;
  for (const char* const name : {"align", "unif", "gap", "auc", "fnr", "qage"}) {
    Chart chart{.title = name, .width = 260, .height = 190};
    chart.x.label = "epoch";
    chart.y.label = name;
    for (std::size_t i = 0; i < report.runs.size(); ++i) {
      Series s{.name = report.runs[i].name, .color = static_cast<int>(i % 8), .points = {}};
      for (const auto* const record : report.runs[i].monitor_of("embedding"))
        if (const auto value = number_at(*record, name)) {
          const auto step = static_cast<std::int64_t>(number_at(*record, "step").value_or(0));
          s.points.push_back({.x = report.runs[i].epoch_at(step), .y = *value});
          page.data["embedding"][name][report.runs[i].name].push_back({step, *value});
        }
      chart.series.push_back(std::move(s));
    }
    embedding += draw(chart);
  }
  if (embedding.empty())
    silent += absent("Embeddings were not measured.");
  else
    body += page.figures.figure("f-embedding", "<div class=\"grid4\">" + embedding + "</div>",
                                "Embeddings: alignment of pairs, uniformity, gap between the "
                                "modalities, how well a line tells them "
                                "apart (AUC), false negatives and age of the queue.");
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
        "<table class=\"alarms\"><thead><tr><th>step</th><th>level</th><th>group</th><th>loss</th>"
        "<th>cosine</th><th>n</th><th>tax</th><th>\u03bb</th><th>what it "
        "says</th></tr></thead><tbody>" +
            rows + "</tbody></table>",
        fmt::format("{}: every change of an alarm's level, in order.", escaped(run.name)));
  }
  page.section("alarms", "Alarms", body);
}

}  // namespace ktrain::report
