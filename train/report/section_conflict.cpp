// What the conflict monitor measured: where losses pull against each other, who pays, who gains.
#include <algorithm>
#include <cmath>

#include "train/monitor/statistics.h"
#include "train/report/chart.h"
#include "train/report/conflict.h"
#include "train/report/heat_map.h"
#include "train/report/page.h"

namespace ktrain::report {
namespace {

std::string interval_text(const Estimate& e) {
  std::string out = number(e.value, 3);
  if (e.lo && e.hi) out += fmt::format(" [{}, {}]", number(*e.lo, 3), number(*e.hi, 3));
  return out + (e.n > 0 ? fmt::format(", n = {}", e.n) : "");
}

Cell cell_of(const std::string& where, const Estimate& e) {
  Cell cell;
  cell.tip = fmt::format("{}: {}{}", where, e.value ? interval_text(e) : "",
                         e.silent.empty() ? "" : (e.value ? "; " : "") + e.silent);
  if (e.silent.empty() && e.value) {
    cell.value = e.value;
    cell.text = number(*e.value, 2);
  }
  return cell;
}

Json cell_json(const std::string& row, const std::string& column, const Estimate& e) {
  const auto value = [](std::optional<double> v) { return v ? Json(*v) : Json(nullptr); };
  return {{"row", row},        {"column", column}, {"value", value(e.value)}, {"lo", value(e.lo)},
          {"hi", value(e.hi)}, {"n", e.n},         {"silent", e.silent}};
}

// One "xcos" entry of a window record.
Estimate cross_batch(const nlohmann::json& entry) {
  Estimate e;
  if (!entry.is_object() ||
      entry.value("below_noise", nlohmann::json(false)) == nlohmann::json(true)) {
    e.silent = "below noise";
    return e;
  }
  e.value = number_at(entry, "value");
  e.lo = number_at(entry, "lo");
  e.hi = number_at(entry, "hi");
  if (!e.value || !e.lo || !e.hi)
    e.silent = "no interval";
  else if (*e.lo <= 0 && *e.hi >= 0)
    e.silent = "interval covers 0";
  return e;
}

// Groups of the probes, then those that only windows know.
std::vector<std::string> all_groups(const Conflict& conflict,
                                    const std::vector<const nlohmann::json*>& windows) {
  std::vector<std::string> groups = conflict.groups;
  for (const auto* const window : windows)
    if (const auto at = window->find("groups"); at != window->end() && at->is_object())
      for (const auto& [name, group] : at->items())
        if (std::find(groups.begin(), groups.end(), name) == groups.end()) groups.push_back(name);
  return groups;
}

// Pairs with detection first.
std::vector<std::string> all_pairs(const std::vector<const nlohmann::json*>& windows) {
  std::vector<std::string> pairs;
  for (const auto* const window : windows)
    if (const auto at = window->find("groups"); at != window->end() && at->is_object())
      for (const auto& [name, group] : at->items())
        if (group.is_object() && group.contains("xcos") && group["xcos"].is_object())
          for (const auto& [pair, entry] : group["xcos"].items())
            if (std::find(pairs.begin(), pairs.end(), pair) == pairs.end()) pairs.push_back(pair);
  std::stable_partition(pairs.begin(), pairs.end(),
                        [](const std::string& pair) { return pair.starts_with("det~"); });
  return pairs;
}

std::vector<HeatMap> window_maps(const RunData& run, const Conflict& conflict, Json& data) {
  const auto windows = run.monitor_of("window");
  std::vector<HeatMap> out;
  for (const std::string& pair : all_pairs(windows)) {
    HeatMap map{.title = "across batches: " + pair, .x_label = "step", .y_label = "layer group"};
    map.rows = all_groups(conflict, windows);
    map.cells.resize(map.rows.size());
    map.data_ids = true;
    for (const auto* const window : windows) {
      const std::string step = number(number_at(*window, "step"), 9);
      map.columns.push_back(step);
      for (std::size_t r = 0; r < map.rows.size(); ++r) {
        const auto at = nlohmann::json::json_pointer("/groups") / map.rows[r] / "xcos" / pair;
        if (!window->contains(at)) {
          map.cells[r].push_back({.missing = true});
          continue;
        }
        const Estimate e = cross_batch(window->at(at));
        map.cells[r].push_back(cell_of(fmt::format("{}, {}, step {}", map.rows[r], pair, step), e));
        data["xcos"][pair].push_back(cell_json(map.rows[r], step, e));
      }
    }
    out.push_back(std::move(map));
  }
  return out;
}

std::vector<HeatMap> epoch_maps(const Conflict& conflict, Json& data) {
  std::vector<HeatMap> out;
  for (std::size_t i = 0; i < conflict.losses.size(); ++i)
    for (std::size_t j = i + 1; j < conflict.losses.size(); ++j) {
      const std::string pair = conflict.losses[i] + "~" + conflict.losses[j];
      HeatMap map{.title = "within a batch: " + pair, .x_label = "epoch", .y_label = "layer group"};
      map.rows = conflict.groups;
      map.data_ids = true;
      std::vector<std::map<std::int64_t, Estimate>> rows;
      std::vector<std::int64_t> epochs;
      for (const std::string& group : map.rows) {
        rows.push_back(cosine_by_epoch(conflict, group, i, j));
        for (const auto& [epoch, e] : rows.back()) epochs.push_back(epoch);
      }
      std::sort(epochs.begin(), epochs.end());
      epochs.erase(std::unique(epochs.begin(), epochs.end()), epochs.end());
      for (const std::int64_t epoch : epochs) map.columns.push_back(std::to_string(epoch));
      map.cells.resize(map.rows.size());
      for (std::size_t r = 0; r < map.rows.size(); ++r)
        for (const std::int64_t epoch : epochs) {
          const auto at = rows[r].find(epoch);
          if (at == rows[r].end()) {
            map.cells[r].push_back({.missing = true});
            continue;
          }
          map.cells[r].push_back(
              cell_of(fmt::format("{}, {}, epoch {}", map.rows[r], pair, epoch), at->second));
          data["pcos"][pair].push_back(cell_json(map.rows[r], std::to_string(epoch), at->second));
        }
      out.push_back(std::move(map));
    }
  return out;
}

// All maps of one report on one scale.
struct Maps {
  std::string html;
  double most = 0;
};

Maps draw_all(std::vector<HeatMap> maps) {
  Maps out;
  for (const HeatMap& map : maps)
    for (const auto& row : map.cells)
      for (const Cell& cell : row)
        if (cell.value) out.most = std::max(out.most, std::abs(*cell.value));
  out.most = out.most > 0 ? std::min(1.0, rounded_limit(out.most)) : 1.0;
  for (HeatMap& map : maps) {
    map.most = out.most;
    out.html += draw(map);
  }
  return out;
}

std::string effect_matrix(const Conflict& conflict, Json& data) {
  HeatMap map{.x_label = "by the gradient of \u2026", .y_label = "change of \u2026"};
  map.rows = map.columns = conflict.losses;
  map.cells.resize(map.rows.size());
  map.cell_width = 92;
  map.row_height = 34;
  map.data_ids = true;
  for (std::size_t k = 0; k < map.rows.size(); ++k) {
    const Estimate own = mean_effect(conflict, k, k);
    for (std::size_t j = 0; j < map.columns.size(); ++j) {
      const Estimate e = mean_effect(conflict, k, j);
      Cell cell =
          cell_of(fmt::format("change of {} by {}, per step", map.rows[k], map.columns[j]), e);
      data["effects"].push_back(cell_json(map.rows[k], map.columns[j], e));
      // A loss that falls is help: blue.
      cell.text = e.value ? number(*e.value, 2) : "n/a";
      if (cell.value && own.value && *own.value != 0) cell.value = -*e.value / std::abs(*own.value);
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
  Stack stack;
  stack.x.label = "step";
  stack.y.label = "share of |total gradient|\u00b2";
  stack.positions = bins.steps;
  stack.names = conflict.losses;
  stack.title = "Contribution shares, " + bins.text();
  stack.values.assign(stack.names.size(), std::vector<double>(bins.steps.size(), 0.0));
  for (std::size_t b = 0; b < bins.steps.size(); ++b) {
    std::vector<std::vector<double>> values(stack.names.size());
    for (std::size_t i = b * bins.size; i < std::min((b + 1) * bins.size, conflict.probes.size());
         ++i) {
      const auto share = shares(conflict.probes[i]);
      for (std::size_t k = 0; k < share.size(); ++k)
        if (std::isfinite(share[k])) values[k].push_back(share[k]);
    }
    for (std::size_t k = 0; k < values.size(); ++k) {
      double sum = 0;
      for (const double v : values[k]) sum += v;
      stack.values[k][b] =
          values[k].empty() ? std::nan("") : sum / static_cast<double>(values[k].size());
    }
  }
  for (std::size_t k = 0; k < stack.names.size(); ++k)
    data["shares"][stack.names[k]] = stack.values[k];
  return draw(stack);
}

std::string tax_chart(const Conflict& conflict, Json& data) {
  constexpr std::size_t kRecent = 20;
  Chart chart;
  chart.title = fmt::format("Detection tax: median of the last {} probes", kRecent);
  chart.x.label = "step";
  chart.y.label = "tax, share of detection's progress";
  chart.height = 260;
  chart.rules.push_back({0, ""});
  std::vector<double> all;
  for (std::size_t j = 1; j < conflict.losses.size(); ++j) {
    Series median{.name = conflict.losses[j], .color = static_cast<int>(j % 8), .points = {}};
    std::vector<double> values;
    for (const ProbeRecord& probe : conflict.probes) {
      const auto t = tax(probe, j);
      if (!t) continue;
      values.push_back(*t);
      const std::size_t n = std::min(kRecent, values.size());
      const auto m = median_of(std::span(values).last(n));
      median.points.push_back(
          {.x = static_cast<double>(probe.step),
           .y = m.value_or(std::nan("")),
           .tip = fmt::format("{}: median tax {} of {} probes to step {}; this probe {}",
                              conflict.losses[j], number(m), n, probe.step, number(*t))});
      data["tax"][conflict.losses[j]].push_back({probe.step, *t});
    }
    chart.series.push_back(std::move(median));
  }
  return draw(chart);
}

// Leave-one-out: what detection's loss on held-out pairs would be without the auxiliary loss.
std::string loo_chart(const RunData& run, Json& data) {
  Chart chart;
  chart.title = "Held-out effect of one step";
  chart.x.label = "step";
  chart.y.label = "change of held-out detection loss";
  chart.height = 260;
  std::vector<std::string> losses;
  const auto records = run.monitor_of("loo");
  for (const auto* const record : records) {
    const std::string loss = text_at(*record, "loss");
    if (std::find(losses.begin(), losses.end(), loss) == losses.end()) losses.push_back(loss);
  }
  for (std::size_t j = 0; j < losses.size(); ++j) {
    Series s{.name = losses[j], .color = static_cast<int>((j + 1) % 8), .points = {}};
    s.band = s.marks = true;
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
                          .hi = hi.value_or(std::nan(""))});
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
      "<table><thead><tr><th>loss</th><th>configured</th><th>applied</th></tr></thead><tbody>" +
          rows + "</tbody></table>",
      fmt::format("Weight audit at step {}, the last of {}: the weight of each loss as configured, "
                  "and as the "
                  "change of the total shows it.",
                  number(number_at(last, "step"), 9), audits.size()));
}

std::string run_body(const RunData& run, Page& page) {
  const Conflict conflict = read_conflict(run);
  Json& data = page.data["conflict"][run.name] = Json::object();
  std::string body;
  for (const std::string& gap : conflict.gaps) body += absent(escaped(gap));
  const std::string id = std::to_string(page.data["conflict"].size());
  if (conflict.probes.empty() && run.monitor_of("window").empty())
    return body +
           absent(
               run.monitor.empty()
                   ? "The conflict monitor was off: there is no monitor.jsonl, so nothing is known "
                     "about conflicts between losses."
                   : "The conflict monitor wrote no probe, so nothing is known about conflicts "
                     "between losses.");
  data["losses"] = conflict.losses;
  if (!conflict.probes.empty()) {
    double seconds = 0;
    for (const ProbeRecord& probe : conflict.probes) seconds += probe.seconds;
    body += fmt::format(
        "<p>{} probes between steps {} and {}, {} s of extra work together; losses {}.{}</p>",
        conflict.probes.size(), conflict.probes.front().step, conflict.probes.back().step,
        number(seconds, 3), escaped(fmt::format("{}", fmt::join(conflict.losses, ", "))),
        conflict.preconditioned ? "" : " Products are not preconditioned (SGD).");
    if (conflict.losses.size() < 2)
      body += absent("There was one loss only, so that there are no pairs.");
  }
  std::vector<HeatMap> all = window_maps(run, conflict, data);
  for (HeatMap& map : epoch_maps(conflict, data)) all.push_back(std::move(map));
  const Maps maps = draw_all(std::move(all));
  if (!maps.html.empty())
    body += page.figures.figure(
        "f-heat-" + id,
        "<div class=\"grid2\">" + maps.html + "</div>" +
            color_key(maps.most, "cosine of two losses' gradients", "nothing can be said"),
        "Agreement of losses by layer group over time. <i>Across batches</i>: debiased cosine of "
        "gradients of different batches, with jackknife interval. <i>Within a batch</i>: "
        "preconditioned cosine, mean over the probes of an epoch with a 95 % band that holds at "
        "every n. "
        "Grey: the interval covers 0, the signal is below noise, fewer than 20 probes, or too much "
        "serial correlation. The pointer shows value, interval and n.");
  if (conflict.losses.size() > 1) {
    body += page.figures.figure(
        "f-effects-" + id,
        effect_matrix(conflict, data) +
            color_key(1, "help (+), harm (\u2212) / a loss's own progress", "interval covers 0"),
        "Who hurts whom: first-order change of the loss of each row, per step, by the part that "
        "the "
        "gradient of each column has in the update, summed over layer groups; mean over probes. "
        "Negative numbers are progress.");
    body += page.figures.figure(
        "f-tax-" + id,
        "<div class=\"grid2\">" + share_chart(conflict, data) + tax_chart(conflict, data) +
            loo_chart(run, data) + "</div>",
        std::string(
            "Left: share of each weighted loss in the total gradient; shares sum to 1 and may be "
            "negative. Right: detection tax, the part of detection's first-order progress that a "
            "loss cancels; "
            "negative is help.") +
            (run.monitor_of("loo").empty() ? " No leave-one-out measurement was recorded."
                                           : " Below: leave-one-out, detection loss on held-out "
                                             "pairs after a virtual step with the "
                                             "loss minus without it; above 0 the loss hurts."));
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
