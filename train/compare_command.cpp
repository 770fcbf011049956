#include "train/compare_command.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <nlohmann/json.hpp>

#include "runtime/fault.h"
#include "train/validation.h"

namespace ktrain {
namespace {

using Json = nlohmann::ordered_json;

// Runs go by letters: A, B, ..., Z, then by number.
std::string letter(std::size_t run) {
  return run < 26 ? std::string(1, static_cast<char>('A' + run)) : fmt::format("#{}", run + 1);
}

std::string number(std::optional<double> value) {
  return value ? fmt::format("{:.4f}", *value) : std::string("-");
}

// Columns padded to their widest cell, two spaces between them.
std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> width;
  for (const auto& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) {
      if (width.size() <= c) width.push_back(0);
      width[c] = std::max(width[c], row[c].size());
    }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) line += fmt::format("{:<{}}  ", row[c], width[c]);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

std::string runs_text(const Comparison& c) {
  std::vector<std::vector<std::string>> rows = {
      {"", "run", "state", "validations", "best epoch", "metric", "value"}};
  for (std::size_t i = 0; i < c.runs.size(); ++i) {
    const RunHistory& run = c.runs[i];
    const ValidationRecord* const best = run.best();
    const std::string& metric = run.resolved.plan.stop.metric;
    rows.push_back({letter(i), run.folder, run.ended.empty() ? "not finished" : run.ended,
                    fmt::format("{}", run.validations.size()),
                    best ? fmt::format("{}", best->epoch) : "-", metric,
                    best ? number(best->metric(metric)) : "-"});
  }
  return table(rows);
}

std::string settings_text(const Comparison& c) {
  if (c.settings.empty()) return "no setting differs on which results depend\n";
  std::vector<std::vector<std::string>> rows = {{"settings that differ"}};
  for (std::size_t i = 0; i < c.runs.size(); ++i) rows[0].push_back(letter(i));
  for (const SettingRow& setting : c.settings) {
    rows.push_back({setting.key + (setting.declared ? " (factor)" : "")});
    rows.back().insert(rows.back().end(), setting.values.begin(), setting.values.end());
  }
  return table(rows);
}

std::set<std::int64_t> epochs_of(const Comparison& c) {
  std::set<std::int64_t> epochs;
  for (const RunHistory& run : c.runs)
    for (const ValidationRecord& v : run.validations) epochs.insert(v.epoch);
  return epochs;
}

std::string metrics_text(const Comparison& c) {
  std::vector<std::vector<std::string>> rows = {{"epoch"}};
  for (const std::string_view metric : kMetricNames)
    for (std::size_t i = 0; i < c.runs.size(); ++i)
      rows[0].push_back(fmt::format("{} {}", metric, letter(i)));
  for (const std::int64_t epoch : epochs_of(c)) {
    rows.push_back({fmt::format("{}", epoch)});
    for (const std::string_view metric : kMetricNames)
      for (const RunHistory& run : c.runs) {
        const ValidationRecord* const v = run.of_epoch(epoch);
        rows.back().push_back(v ? number(v->metric(std::string(metric))) : "-");
      }
  }
  return table(rows);
}

// One metric over epochs, a letter per run; '*' where runs meet.
std::string curve_text(const Comparison& c, const std::string& metric) {
  constexpr int kRows = 9;
  const std::set<std::int64_t> epochs = epochs_of(c);
  double least = INFINITY, most = -INFINITY;
  for (const RunHistory& run : c.runs)
    for (const ValidationRecord& v : run.validations)
      if (const auto value = v.metric(metric)) {
        least = std::min(least, *value);
        most = std::max(most, *value);
      }
  if (!(least <= most)) return "";
  if (most - least < 1e-3) least -= 5e-4, most += 5e-4;
  constexpr std::size_t kColumn = 4;
  std::vector<std::string> grid(kRows, std::string(epochs.size() * kColumn, ' '));
  std::size_t column = kColumn - 1;
  std::string axis;
  for (const std::int64_t epoch : epochs) {
    axis += fmt::format("{:>{}}", epoch, kColumn);
    for (std::size_t i = 0; i < c.runs.size(); ++i) {
      const ValidationRecord* const v = c.runs[i].of_epoch(epoch);
      const auto value = v ? v->metric(metric) : std::nullopt;
      if (!value) continue;
      const auto row =
          static_cast<std::size_t>(std::lround((most - *value) / (most - least) * (kRows - 1)));
      char& cell = grid[row][column];
      cell = cell == ' ' && i < 26 ? letter(i)[0] : '*';
    }
    column += kColumn;
  }
  std::string text = metric + " by epoch\n";
  for (int r = 0; r < kRows; ++r) {
    std::string line = grid[static_cast<std::size_t>(r)];
    line.erase(line.find_last_not_of(' ') + 1);
    text += fmt::format("{:8.4f} |{}\n", most - (most - least) * r / (kRows - 1), line);
  }
  return text + fmt::format("{:>8} +{}\n", "", axis);
}

std::string pair_text(const PairedComparison& pair, const ComparisonOptions& options) {
  const std::string what = fmt::format("{} (epoch {}) minus A (epoch {})", letter(pair.run),
                                       pair.epoch, pair.first_epoch);
  if (!pair.refused.empty()) return fmt::format("{}: not compared: {}\n", what, pair.refused);
  std::vector<std::vector<std::string>> rows = {
      {what, "difference", fmt::format("{:g} % interval", options.bootstrap.level * 100)}};
  for (const MetricDifference& d : pair.differences) {
    const metrics::Interval& i = d.interval;
    const bool known = !std::isnan(i.lo);
    rows.push_back({d.metric, fmt::format("{:+.4f}", i.value),
                    known ? fmt::format("[{:+.4f}, {:+.4f}]{}", i.lo, i.hi,
                                        i.lo > 0 || i.hi < 0 ? "" : "  holds 0")
                          : "none: a resample had no target"});
  }
  return table(rows);
}

Json run_json(const RunHistory& run) {
  Json json = {{"folder", run.folder},
               {"ended", run.ended},
               {"metric", run.resolved.plan.stop.metric},
               {"train_hash", run.train_hash},
               {"val_hash", run.val_hash}};
  json["best_epoch"] = run.best() ? Json(run.best()->epoch) : Json(nullptr);
  json["validations"] = Json::array();
  for (const ValidationRecord& v : run.validations) {
    Json line = {{"epoch", v.epoch}, {"step", v.step},
                 {"log", v.log},     {"fingerprint", v.fingerprint},
                 {"gts", v.gts},     {"dets", v.dets}};
    for (const auto& [name, value] : v.metrics) line[name] = value;
    json["validations"].push_back(std::move(line));
  }
  return json;
}

}  // namespace

std::string comparison_text(const Comparison& c, const ComparisonOptions& options) {
  std::string text = runs_text(c) + '\n' + settings_text(c) + '\n' + metrics_text(c);
  for (const char* const metric : {"map", "miss_rate"})
    if (const std::string curve = curve_text(c, metric); !curve.empty()) text += '\n' + curve;
  text += '\n';
  for (const PairedComparison& pair : c.pairs) text += pair_text(pair, options);
  const bool compared = std::any_of(c.pairs.begin(), c.pairs.end(),
                                    [](const PairedComparison& p) { return p.refused.empty(); });
  if (compared)
    text += fmt::format(
        "paired bootstrap over images, {} resamples, seed {}: what other images of the same kind\n"
        "would have given; it says nothing about other seeds\n",
        options.bootstrap.resamples, options.bootstrap.seed);
  for (const std::string& warning : c.warnings) text += "warning   " + warning + '\n';
  return text;
}

std::string comparison_json(const Comparison& c, const ComparisonOptions& options) {
  Json json = {{"at", options.at},
               {"resamples", options.bootstrap.resamples},
               {"seed", options.bootstrap.seed},
               {"level", options.bootstrap.level},
               {"runs", Json::array()},
               {"settings", Json::array()},
               {"pairs", Json::array()},
               {"warnings", c.warnings}};
  for (const RunHistory& run : c.runs) json["runs"].push_back(run_json(run));
  for (const SettingRow& row : c.settings)
    json["settings"].push_back(
        {{"key", row.key}, {"values", row.values}, {"factor", row.declared}});
  for (const PairedComparison& pair : c.pairs) {
    Json line = {{"run", c.runs[pair.run].folder},
                 {"minus", c.runs[0].folder},
                 {"epoch", pair.epoch},
                 {"minus_epoch", pair.first_epoch}};
    line["refused"] = pair.refused.empty() ? Json(nullptr) : Json(pair.refused);
    line["differences"] = Json::array();
    for (const MetricDifference& d : pair.differences) line["differences"].push_back(to_json(d));
    json["pairs"].push_back(std::move(line));
  }
  return json.dump();
}

nlohmann::ordered_json to_json(const MetricDifference& d) {
  const auto bound = [](double x) { return std::isnan(x) ? Json(nullptr) : Json(x); };
  return {{"metric", d.metric},
          {"value", d.interval.value},
          {"lo", bound(d.interval.lo)},
          {"hi", bound(d.interval.hi)}};
}

int run_compare(const CompareOptions& options, std::ostream& out) {
  const Comparison c = compare_runs(options.runs, options.comparison);
  if (options.json)
    out << comparison_json(c, options.comparison) << '\n';
  else
    out << comparison_text(c, options.comparison);
  return 0;
}

}  // namespace ktrain
