// What the conflict monitor measured: where losses pull against each other, who pays, who gains.
#include <algorithm>
#include <cmath>

#include "train/auxiliary_plan.h"
#include "train/monitor/statistics.h"
#include "train/report/chart.h"
#include "train/report/conflict_maps.h"
#include "train/report/heat_map.h"
#include "train/report/page.h"

namespace ktrain::report {
namespace {

std::string effect_matrix(const Conflict& conflict, Json& data) {
  HeatMap map{.x_label = "by the gradient of \u2026", .y_label = "change of \u2026"};
  map.rows = map.columns = conflict.losses;
  map.cells.resize(map.rows.size());
  map.cell_width = 92;
  map.row_height = 34;
  map.data_ids = true;
  const std::size_t cells = map.rows.size() * map.columns.size();
  for (std::size_t k = 0; k < map.rows.size(); ++k) {
    const Estimate own = mean_effect(conflict, k, k);
    for (std::size_t j = 0; j < map.columns.size(); ++j) {
      Estimate e = mean_effect(conflict, k, j);
      correct(e, cells);
      Cell cell{.tip = fmt::format("change of {} by {}, per step: {}{}", map.rows[k],
                                   map.columns[j], e.value ? interval_text(e, cells) : "",
                                   e.silent.empty() ? "" : "; " + e.silent)};
      data["effects"].push_back({{"row", map.rows[k]},
                                 {"column", map.columns[j]},
                                 {"value", e.value ? Json(*e.value) : Json(nullptr)},
                                 {"lo", e.lo ? Json(*e.lo) : Json(nullptr)},
                                 {"hi", e.hi ? Json(*e.hi) : Json(nullptr)},
                                 {"n", e.n},
                                 {"silent", e.silent}});
      cell.text = e.value ? number(*e.value, 2) : "n/a";
      // A loss that falls is help: blue.
      if (e.silent.empty() && e.value && own.value && *own.value != 0)
        cell.value = -*e.value / std::abs(*own.value);
      map.cells[k].push_back(std::move(cell));
    }
  }
  return draw(map);
}

// Means over runs of probes, so that at most `kBins` positions are drawn.
struct Bins {
  static constexpr std::size_t kBins = 60;
  std::size_t size = 1;
  std::vector<double> steps;

  explicit Bins(const Conflict& conflict) : size((conflict.probes.size() + kBins - 1) / kBins) {
    for (std::size_t i = 0; i < conflict.probes.size(); i += size)
      steps.push_back(static_cast<double>(
          conflict.probes[std::min(i + size, conflict.probes.size()) - 1].step));
  }
  [[nodiscard]] std::string text() const {
    return size == 1 ? "each probe" : fmt::format("means over {} probes", size);
  }
};

std::string share_chart(const Conflict& conflict, Json& data) {
  const Bins bins(conflict);
  Chart chart;
  chart.title = "Contribution shares, " + bins.text();
  chart.x = {.label = "step", .least = 0};
  chart.legend = false;
  chart.y.label = "share of |total gradient|\u00b2";
  chart.height = 260;
  chart.rules.push_back({0, ""});
  std::vector<std::vector<double>> values(conflict.losses.size());  // by loss, by bin
  for (std::size_t b = 0; b < bins.steps.size(); ++b) {
    std::vector<double> sums(values.size(), 0.0), counts(values.size(), 0.0);
    for (std::size_t i = b * bins.size; i < std::min((b + 1) * bins.size, conflict.probes.size());
         ++i) {
      const auto share = shares(conflict.probes[i]);
      for (std::size_t k = 0; k < share.size(); ++k)
        if (std::isfinite(share[k])) {
          sums[k] += share[k];
          ++counts[k];
        }
    }
    for (std::size_t k = 0; k < values.size(); ++k)
      values[k].push_back(counts[k] > 0 ? sums[k] / counts[k] : std::nan(""));
  }
  for (std::size_t k = 0; k < values.size(); ++k) {
    const std::string& loss = conflict.losses[k];
    Series line{.name = loss, .color = static_cast<int>(k % 8), .points = {}};
    for (std::size_t b = 0; b < bins.steps.size(); ++b)
      if (std::isfinite(values[k][b]))
        line.points.push_back(
            {.x = bins.steps[b],
             .y = values[k][b],
             .tip = fmt::format("{}: {} to step {}", loss, number(values[k][b], 3),
                                number(bins.steps[b], 9))});
    chart.series.push_back(std::move(line));
    data["shares"][loss] = values[k];
  }
  return draw(chart);
}

constexpr std::size_t kRecent = 20;

// The median of the last probes with their quartiles, from the first time that there are enough.
std::string tax_chart(const Conflict& conflict, Json& data) {
  Chart chart;
  chart.title = fmt::format("Detection tax, median and quartiles of {} probes", kRecent);
  chart.x = {.label = "step", .least = 0};
  chart.legend = false;
  chart.y.label = "share of detection\u2019s progress";
  chart.height = 260;
  chart.rules.push_back({0, ""});
  for (std::size_t j = 1; j < conflict.losses.size(); ++j) {
    Series median{.name = conflict.losses[j], .color = static_cast<int>(j % 8), .points = {}};
    median.band = true;
    std::vector<double> values;
    for (const ProbeRecord& probe : conflict.probes) {
      const auto t = total_tax(probe, j);
      if (!t) continue;
      values.push_back(*t);
      data["tax"][conflict.losses[j]].push_back({probe.step, *t});
      if (values.size() < kRecent) continue;
      std::vector<double> last(values.end() - kRecent, values.end());
      std::sort(last.begin(), last.end());
      const double middle = median_of(last).value_or(std::nan(""));
      median.points.push_back(
          {.x = static_cast<double>(probe.step),
           .y = middle,
           .tip = fmt::format("{}: median tax {} [{}, {}] of {} probes to step {}; this probe {}",
                              conflict.losses[j], number(middle, 3), number(last[kRecent / 4], 3),
                              number(last[3 * kRecent / 4 - 1], 3), kRecent, probe.step,
                              number(*t, 3)),
           .lo = last[kRecent / 4],
           .hi = last[3 * kRecent / 4 - 1]});
    }
    chart.series.push_back(std::move(median));
  }
  return draw(chart);
}

// Leave-one-out: what detection's loss on held-out pairs would be without the auxiliary loss.
std::string loo_chart(const RunData& run, Json& data) {
  Chart chart;
  chart.title = "Leave-one-out on held-out pairs, per step";
  chart.x = {.label = "step", .least = 0};
  chart.legend = false;
  chart.y.label = "change of detection loss";
  chart.height = 260;
  std::vector<std::string> losses;
  const auto records = run.monitor_of("loo");
  for (const auto* const record : records) {
    const std::string loss = text_at(*record, "loss");
    if (std::find(losses.begin(), losses.end(), loss) == losses.end()) losses.push_back(loss);
  }
  for (std::size_t j = 0; j < losses.size(); ++j) {
    Series s{.name = losses[j], .color = static_cast<int>((j + 1) % 8), .points = {}};
    s.bars = s.marks = s.no_line = true;
    for (const auto* const record : records) {
      const auto mean = number_at(*record, "mean"), lo = number_at(*record, "lo"),
                 hi = number_at(*record, "hi");
      if (text_at(*record, "loss") != losses[j] || !mean) continue;
      const double step = number_at(*record, "step").value_or(0);
      s.points.push_back({.x = step,
                          .y = *mean,
                          .tip = fmt::format("{}: {} [{}, {}] at step {}", losses[j], number(*mean),
                                             number(lo), number(hi), number(step, 9)),
                          .lo = lo.value_or(std::nan("")),
                          .hi = hi.value_or(std::nan("")),
                          .silent = !lo || !hi || (*lo <= 0 && *hi >= 0)});
      data["loo"][losses[j]].push_back({step, *mean});
    }
    chart.series.push_back(std::move(s));
  }
  chart.rules.push_back({0, ""});
  return draw(chart);
}

std::string audit_table(const RunData& run, Page& page) {
  const auto audits = run.monitor_of("audit");
  if (audits.empty()) return absent("No weight audit was recorded.");
  std::string rows;
  const nlohmann::json& last = *audits.back();
  const auto configured = last.find("configured");
  if (configured == last.end() || !configured->is_object())
    return absent("The last weight audit cannot be read.");
  for (const auto& [loss, weight] : configured->items()) {
    const auto applied = number_at(last.value("applied", nlohmann::json::object()), loss);
    const auto wanted = number_at(*configured, loss);
    const bool off = !applied || !wanted || std::abs(*applied - *wanted) > 0.01 * std::abs(*wanted);
    rows += fmt::format(
        "<tr{}><th scope=\"row\">{}</th><td class=\"num\">{}</td><td class=\"num\">{}</td></tr>",
        off ? " class=\"differs\"" : "", escaped(loss), number(wanted), number(applied));
  }
  return page.figures.table(
      fmt::format("t-audit-{}", page.data["conflict"].size()),
      "<table><thead><tr><th>loss</th><th class=\"num\">configured</th><th "
      "class=\"num\">applied</th></tr></thead><tbody>" +
          rows + "</tbody></table>",
      fmt::format("Weight audit at step {}, the last of {}: the weight of each loss as configured, "
                  "and as the "
                  "change of the total shows it.",
                  number(number_at(last, "step"), 9), audits.size()));
}

// Why there is no probe, and which key would make some.
std::string why_no_probe(const RunData& run) {
  const std::string nothing = "so nothing is known about conflicts between losses.";
  if (!run.plan)
    return "No probe was recorded, " + nothing + " The plan cannot be read, which might say why.";
  const Plan& plan = run.plan->plan;
  if (plan.monitor.profile == "off")
    return "The conflict monitor was off, " + nothing +
           " Set <code>monitor.profile = \"watch\"</code> (or deep, surgery).";
  if (enabled_auxiliary(plan.loss).empty() && plan.monitor.profile != "deep")
    return fmt::format(
        "No auxiliary loss was on, so there was nothing to compare with detection "
        "(<code>monitor.profile = \"{}\"</code>). Set a weight, such as "
        "<code>loss.macl.weight = 0.05</code>; <code>loss.macl.measure = true</code>"
        " measures the loss without training on it; <code>monitor.profile = "
        "\"deep\"</code> compares detection\u2019s own losses.",
        escaped(plan.monitor.profile));
  return fmt::format(
      "No probe was recorded, {} Probes were to come every {} steps "
      "(<code>monitor.interval</code>) "
      "within {:g} % of the time (<code>monitor.budget_pct</code>), {} of them early "
      "(<code>monitor.burst</code>); a shorter interval or a larger budget gives some.",
      nothing, plan.monitor.interval, plan.monitor.budget_pct, plan.monitor.burst);
}

std::string probes_text(const Conflict& conflict) {
  double seconds = 0;
  for (const ProbeRecord& probe : conflict.probes) seconds += probe.seconds;
  // Where every step is probed there is no plain one to compare with.
  const std::string cost = seconds > 0 ? number(seconds, 3) + " s of extra work together"
                                       : "at a cost that was not measured (no step without one)";
  return fmt::format("<p>{} probes between steps {} and {}, {}; losses {}.{}</p>",
                     conflict.probes.size(), conflict.probes.front().step,
                     conflict.probes.back().step, cost,
                     escaped(fmt::format("{}", fmt::join(conflict.losses, ", "))),
                     conflict.preconditioned ? "" : " Products are not preconditioned (SGD).") +
         (conflict.losses.size() < 2
              ? absent("There was one loss only, so that there are no pairs.")
              : "");
}

std::string effects_figure(const Conflict& conflict, const std::string& id, Page& page,
                           Json& data) {
  const std::size_t cells = conflict.losses.size() * conflict.losses.size();
  return page.figures.figure(
      "f-effects-" + id,
      effect_matrix(conflict, data) + color_key({.most = 1,
                                                 .label = "change / the row\u2019s own progress",
                                                 .low = "raises the loss",
                                                 .high = "lowers the loss",
                                                 .grey = "nothing can be said"}),
      fmt::format("Who hurts whom: first-order change of the loss of each row, in units of that "
                  "loss per step, by the part that the gradient of each column has in the update, "
                  "summed over layer groups; mean over {} probes. Negative numbers are progress. "
                  "Hatched: the 95\u00a0% interval that holds for all {} cells together covers 0.",
                  conflict.probes.size(), cells));
}

std::string time_figure(const RunData& run, const Conflict& conflict, const std::string& id,
                        Page& page, Json& data) {
  std::vector<Series> keys;
  for (std::size_t j = 0; j < conflict.losses.size(); ++j)
    keys.push_back({.name = conflict.losses[j], .color = static_cast<int>(j % 8), .points = {{}}});
  const std::string taxes = tax_chart(conflict, data), left_out = loo_chart(run, data);
  std::string text =
      "<i>Contribution shares</i>: the part of each weighted loss in the total gradient; shares "
      "sum to 1 and may be negative. ";
  text += taxes.empty()
              ? fmt::format("No tax is shown: there are fewer than {} probes. ", kRecent)
              : "<i>Detection tax</i>: the part of detection\u2019s first-order progress that a "
                "loss cancels; negative is help. ";
  text += left_out.empty()
              ? "No leave-one-out measurement was recorded."
              : "<i>Leave-one-out</i>: detection loss on held-out pairs after a virtual step with "
                "the loss minus without it, mean of the last ten with its 95\u00a0% interval, each "
                "for itself; above 0 the loss hurts. Grey: the interval covers 0.";
  return page.figures.figure("f-tax-" + id,
                             legend(keys) + "<div class=\"grid2\">" + share_chart(conflict, data) +
                                 taxes + left_out + "</div>",
                             text);
}

std::string run_body(const RunData& run, Page& page) {
  const Conflict conflict = read_conflict(run);
  Json& data = page.data["conflict"][run.name] = Json::object();
  const std::string id = std::to_string(page.data["conflict"].size());
  std::string body;
  for (const std::string& gap : conflict.gaps) body += absent(escaped(gap));
  if (conflict.probes.empty() && run.monitor_of("window").empty())
    return body + absent(why_no_probe(run));
  data["losses"] = conflict.losses;
  if (!conflict.probes.empty()) body += probes_text(conflict);
  body += conflict_maps(run, conflict, id, page.figures, data);
  if (conflict.losses.size() > 1) {
    body += effects_figure(conflict, id, page, data);
    body += time_figure(run, conflict, id, page, data);
  }
  return body + audit_table(run, page);
}

}  // namespace

void add_conflict(const Report& report, Page& page) {
  std::string body;
  page.data["conflict"] = Json::object();
  for (const RunData& run : report.runs) {
    if (report.runs.size() > 1) body += fmt::format("<h3>{}</h3>\n", escaped(run.name));
    body += run_body(run, page);
  }
  page.section("conflict", "Conflict between losses", body);
}

}  // namespace ktrain::report
