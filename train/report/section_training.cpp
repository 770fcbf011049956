// Metrics and losses over the epochs, with the weights of the losses.
#include <algorithm>
#include <set>

#include "train/report/chart.h"
#include "train/report/page.h"

namespace ktrain::report {
namespace {

const char* x_label(const Report& report) {
  const bool known = std::all_of(report.runs.begin(), report.runs.end(),
                                 [](const RunData& run) { return run.steps_per_epoch > 0; });
  return known ? "epoch" : "epoch, or step where its length is unknown";
}

// `key` of every record that has it.
Series curve(const RunData& run, std::size_t i, const std::vector<nlohmann::json>& records,
             const std::string& key) {
  Series s{.name = run.name, .color = static_cast<int>(i % 8), .points = {}};
  for (const auto& record : records)
    if (const auto value = number_at(record, key)) {
      const auto step = static_cast<std::int64_t>(*number_at(record, "step"));
      s.points.push_back({.x = run.epoch_at(step),
                          .y = *value,
                          .tip = fmt::format("{}: {} {} at step {} (epoch {})", run.name, key,
                                             number(*value, 6), step, number(run.epoch_at(step)))});
    }
  return s;
}

bool moves(const Series& s) {
  return std::any_of(s.points.begin(), s.points.end(),
                     [&](const Point& p) { return p.y != s.points.front().y; });
}

// Terms of the total in the order of the first run, then what others add.
std::vector<std::string> terms_of(const Report& report) {
  std::vector<std::string> terms;
  static const std::vector<std::string> kFirst = {"rpn_cls", "rpn_bbox", "roi_cls", "roi_bbox"};
  std::set<std::string> seen;
  for (const RunData& run : report.runs)
    for (const auto& record : run.train)
      for (const auto& [key, value] : record.items())
        if (key.starts_with("weight_")) seen.insert(key.substr(7));
  for (const std::string& term : kFirst)
    if (seen.erase(term) > 0) terms.push_back(term);
  terms.insert(terms.end(), seen.begin(), seen.end());
  return terms;
}

bool is_detection(const std::string& term) {
  return term.starts_with("rpn_") || term.starts_with("roi_");
}

// Weights that are worth a curve: those that move. What stands still is said in the caption.
std::vector<Series> lambdas(const Report& report, const std::string& only = "") {
  std::vector<Series> out;
  for (std::size_t i = 0; i < report.runs.size(); ++i)
    for (const std::string& term : terms_of(report)) {
      if (!only.empty() && term != only) continue;
      Series s = curve(report.runs[i], i, report.runs[i].train, "weight_" + term);
      if (s.points.empty() || !moves(s)) continue;
      s.name = fmt::format("\u03bb {}{}", term,
                           report.runs.size() > 1 ? " (" + report.runs[i].name + ")" : "");
      s.right = s.dashed = true;
      if (report.runs.size() == 1) s.color = 1;
      out.push_back(std::move(s));
    }
  return out;
}

// "λ macl 0.05 (plan_b)": weights of auxiliary losses that stand still.
std::string constant_weights(const Report& report) {
  std::string out;
  for (std::size_t i = 0; i < report.runs.size(); ++i)
    for (const std::string& term : terms_of(report)) {
      const Series s = curve(report.runs[i], i, report.runs[i].train, "weight_" + term);
      if (s.points.empty() || is_detection(term) || moves(s)) continue;
      out += fmt::format("{}\u03bb {} {}{}", out.empty() ? "" : ", ", escaped(term),
                         number(s.points.front().y),
                         report.runs.size() > 1 ? " (" + escaped(report.runs[i].name) + ")" : "");
    }
  return out.empty() ? "" : " Weights that stand still: " + out + ".";
}

// One legend for all charts of a figure: each name once.
std::string figure_of(const std::string& grid, const std::vector<Chart>& charts) {
  std::string panels;
  std::vector<Series> all;
  for (const Chart& chart : charts) {
    panels += draw(chart);
    all.insert(all.end(), chart.series.begin(), chart.series.end());
  }
  return panels.empty() ? ""
                        : fmt::format("{}<div class=\"{}\">{}</div>", legend(all), grid, panels);
}

Axis epochs(const Report& report) {
  Axis axis{.label = x_label(report)};
  axis.least = 0;
  axis.whole = true;
  return axis;
}

Json points_json(const std::vector<Series>& series) {
  Json out = Json::array();
  for (const Series& s : series) {
    Json points = Json::array();
    for (const Point& p : s.points) points.push_back({p.x, p.y});
    out.push_back({{"name", s.name}, {"points", points}});
  }
  return out;
}

}  // namespace

void add_metrics(const Report& report, Page& page) {
  struct Curve {
    const char *key, *title, *unit;
  };
  static constexpr Curve kPanels[] = {{"map", "mAP, area under the curve, IoU 0.5", "mAP"},
                                      {"recall", "Recall, IoU 0.5", "recall"},
                                      {"miss_rate", "KAIST miss rate, reasonable", "miss rate"},
                                      {"dets", "Detections in the validation list", "detections"}};
  std::vector<Chart> charts;
  for (const Curve& panel : kPanels) {
    Chart chart;
    chart.title = panel.title;
    chart.x = epochs(report);
    chart.y.label = panel.unit;
    chart.right = {.label = "weight \u03bb", .least = 0};
    chart.legend = false;
    for (std::size_t i = 0; i < report.runs.size(); ++i) {
      Series s = curve(report.runs[i], i, report.runs[i].validations, panel.key);
      s.marks = true;
      chart.series.push_back(std::move(s));
      const auto& plan = report.runs[i].plan;
      if (plan && plan->plan.stop.patience > 0 && plan->plan.stop.metric == panel.key)
        chart.rules.push_back(
            {plan->plan.stop.threshold,
             fmt::format("stop threshold {}", number(plan->plan.stop.threshold))});
    }
    page.data["metrics"][panel.key] = points_json(chart.series);
    for (Series& s : lambdas(report)) chart.series.push_back(std::move(s));
    // Two runs of one threshold need one line.
    std::sort(chart.rules.begin(), chart.rules.end(),
              [](const Rule& a, const Rule& b) { return a.y < b.y; });
    chart.rules.erase(std::unique(chart.rules.begin(), chart.rules.end(),
                                  [](const Rule& a, const Rule& b) { return a.y == b.y; }),
                      chart.rules.end());
    charts.push_back(std::move(chart));
  }
  const std::string panels = figure_of("grid2", charts);
  page.section("metrics", "Validation metrics",
               panels.empty()
                   ? absent("There is no validation yet.")
                   : page.figures.figure("f-metrics", panels,
                                         "Metrics of every validation. Dashed: weights \u03bb that "
                                         "move, as applied (right axis, from 0)." +
                                             constant_weights(report)));
}

void add_losses(const Report& report, Page& page) {
  std::vector<Chart> charts;
  std::vector<std::string> keys = terms_of(report);
  keys.insert(keys.begin(), "loss");
  keys.insert(keys.end(), {"gradient_norm", "lr"});
  for (const std::string& key : keys) {
    Chart chart;
    chart.title = key == "loss"            ? "total loss"
                  : key == "lr"            ? "learning rate"
                  : key == "gradient_norm" ? "gradient norm"
                                           : key;
    chart.x = epochs(report);
    chart.legend = false;
    chart.y.label = key == "lr"              ? "\u03b7"
                    : key == "gradient_norm" ? "|g| before clipping"
                                             : "loss, unweighted";
    if (key == "loss") chart.y.label = "loss, weighted sum";
    chart.right = {.label = "weight \u03bb", .least = 0};
    chart.width = 360;
    chart.height = 230;
    for (std::size_t i = 0; i < report.runs.size(); ++i)
      chart.series.push_back(curve(report.runs[i], i, report.runs[i].train, key));
    page.data["losses"][key] = points_json(chart.series);
    if (key != "loss")
      for (Series& s : lambdas(report, key)) chart.series.push_back(std::move(s));
    charts.push_back(std::move(chart));
  }
  const std::string panels = figure_of("grid3", charts);
  std::vector<Series> weights = lambdas(report);
  if (!weights.empty()) page.data["lambda"] = points_json(weights);
  page.section(
      "losses", "Losses",
      panels.empty()
          ? absent("No line of training has been logged yet.")
          : page.figures.figure(
                "f-losses", panels,
                "Loss terms as logged: means over the steps since the line before, without their "
                "weights. Dashed: weights \u03bb that move, as applied (right axis, from 0)." +
                    constant_weights(report)));
}

}  // namespace ktrain::report
