#include "train/report/conflict_maps.h"

#include <algorithm>
#include <cmath>

#include "train/monitor/sketch_blocks.h"
#include "train/report/heat_map.h"

namespace ktrain::report {
namespace {

using Windows = std::vector<const nlohmann::json*>;

// The estimates of one heat map: rows are layer groups, a cell is empty where nothing was measured.
struct Table {
  std::string title, pair, x_label;
  std::vector<std::string> columns;
  std::vector<std::vector<std::optional<Estimate>>> cells = {};  // by row, by column

  [[nodiscard]] std::size_t measured() const {
    std::size_t count = 0;
    for (const auto& row : cells)
      for (const auto& cell : row) count += cell.has_value();
    return count;
  }
};

// A window has blocks of 1, 2, 4, ... probes, at most kBlocks of them.
std::int64_t blocks_of(double probes) {
  double size = 1;
  while (std::ceil(probes / size) > SketchBlocks::kBlocks) size *= 2;
  return static_cast<std::int64_t>(std::ceil(probes / size));
}

// One "xcos" entry of a window record.
Estimate cross_batch(const nlohmann::json& entry, double probes) {
  Estimate e;
  e.n = static_cast<std::int64_t>(probes);
  if (!entry.is_object() ||
      entry.value("below_noise", nlohmann::json(false)) == nlohmann::json(true)) {
    e.silent = "below noise";
    return e;
  }
  e.value = number_at(entry, "value");
  e.lo = number_at(entry, "lo");
  e.hi = number_at(entry, "hi");
  e.degrees = static_cast<double>(blocks_of(probes) - 1);
  if (!e.value || !e.lo || !e.hi || e.degrees < 1) e.silent = "no interval";
  return e;
}

// Groups of the probes, and those that only windows know.
std::vector<std::string> all_groups(const Conflict& conflict, const Windows& windows) {
  std::vector<std::string> groups = conflict.groups;
  for (const auto* const window : windows)
    if (const auto at = window->find("groups"); at != window->end() && at->is_object())
      for (const auto& [name, group] : at->items())
        if (std::find(groups.begin(), groups.end(), name) == groups.end()) groups.push_back(name);
  sort_groups(groups);
  return groups;
}

// Pairs with detection first.
std::vector<std::string> all_pairs(const Windows& windows) {
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

std::vector<Table> window_tables(const Windows& windows, const std::vector<std::string>& groups) {
  std::vector<Table> out;
  for (const std::string& pair : all_pairs(windows)) {
    Table table{"Across batches: " + pair, pair, "step at the window\u2019s end", {}};
    table.cells.resize(groups.size());
    for (const auto* const window : windows) {
      table.columns.push_back(number(number_at(*window, "step"), 9));
      const double probes = number_at(*window, "probes").value_or(0);
      for (std::size_t r = 0; r < groups.size(); ++r) {
        const auto at = nlohmann::json::json_pointer("/groups") / groups[r] / "xcos" / pair;
        table.cells[r].push_back(window->contains(at)
                                     ? std::optional(cross_batch(window->at(at), probes))
                                     : std::nullopt);
      }
    }
    out.push_back(std::move(table));
  }
  return out;
}

std::vector<Table> epoch_tables(const Conflict& conflict, const std::vector<std::string>& groups) {
  std::vector<Table> out;
  std::vector<std::int64_t> epochs;
  for (const ProbeRecord& probe : conflict.probes)
    if (epochs.empty() || epochs.back() != probe.epoch) epochs.push_back(probe.epoch);
  for (std::size_t i = 0; i < conflict.losses.size(); ++i)
    for (std::size_t j = i + 1; j < conflict.losses.size(); ++j) {
      const std::string pair = conflict.losses[i] + "~" + conflict.losses[j];
      Table table{"Within a batch: " + pair, pair, "epoch", {}};
      for (const std::int64_t epoch : epochs) table.columns.push_back(std::to_string(epoch));
      for (const std::string& group : groups) {
        const auto found = cosine_by_epoch(conflict, group, i, j);
        auto& row = table.cells.emplace_back();
        for (const std::int64_t epoch : epochs) {
          const auto at = found.find(epoch);
          row.push_back(at == found.end() ? std::nullopt : std::optional(at->second));
        }
      }
      out.push_back(std::move(table));
    }
  return out;
}

Json cell_json(const std::string& row, const std::string& column, const Estimate& e) {
  const auto value = [](std::optional<double> v) { return v ? Json(*v) : Json(nullptr); };
  return {{"row", row},
          {"column", column},
          {"value", value(e.value)},
          {"lo", value(e.lo)},
          {"hi", value(e.hi)},
          {"family_lo", value(e.family_lo)},
          {"family_hi", value(e.family_hi)},
          {"n", e.n},
          {"silent", e.silent}};
}

HeatMap map_of(const Table& table, const std::vector<std::string>& groups, Json& data) {
  HeatMap map{.title = table.title, .x_label = table.x_label, .y_label = "layer group"};
  map.rows = groups;
  map.columns = table.columns;
  map.cells.resize(groups.size());
  map.data_ids = true;
  const std::size_t cells = table.measured();
  for (std::size_t r = 0; r < groups.size(); ++r)
    for (std::size_t c = 0; c < table.columns.size(); ++c) {
      if (!table.cells[r][c]) {
        map.cells[r].push_back({.missing = true});
        continue;
      }
      Estimate e = *table.cells[r][c];
      correct(e, cells);
      Cell cell;
      cell.tip = fmt::format("{}, {}, {} {}: {}{}", groups[r], table.pair,
                             table.x_label.substr(0, table.x_label.find(' ')), table.columns[c],
                             e.value ? interval_text(e, cells) : "",
                             e.silent.empty() ? "" : (e.value ? "; " : "") + e.silent);
      if (e.silent.empty() && e.value) {
        cell.value = e.value;
        cell.text = fixed(*e.value, 2);
      }
      data[table.pair].push_back(cell_json(groups[r], table.columns[c], e));
      map.cells[r].push_back(std::move(cell));
    }
  return map;
}

// All maps on one scale.
std::string draw_all(std::vector<HeatMap>& maps, double& most) {
  most = 0;
  for (const HeatMap& map : maps)
    for (const auto& row : map.cells)
      for (const Cell& cell : row)
        if (cell.value) most = std::max(most, std::abs(*cell.value));
  most = most > 0 ? std::min(1.0, rounded_limit(most)) : 1.0;
  std::string out;
  for (HeatMap& map : maps) {
    map.most = most;
    out += draw(map);
  }
  return out;
}

struct Counts {
  std::size_t conflict = 0, agreement = 0, grey = 0;
};

Counts count(const std::vector<HeatMap>& maps) {
  Counts out;
  for (const HeatMap& map : maps)
    for (const auto& row : map.cells)
      for (const Cell& cell : row)
        if (!cell.missing)
          ++(!cell.value ? out.grey : *cell.value < 0 ? out.conflict : out.agreement);
  return out;
}

std::string caption(const Conflict& conflict, const std::vector<Table>& tables,
                    const Counts& counts) {
  std::string cells;
  for (const Table& table : tables)
    cells += fmt::format("{}{}", cells.empty() ? "" : ", ", table.measured());
  return fmt::format(
      "Agreement of losses by layer group over time: {} cells show conflict, {} agreement, of {} "
      "nothing can be said. <i>Across batches</i>: debiased cosine of gradients of different "
      "batches, with jackknife interval; an estimate may lie outside \u00b11. <i>Within a batch"
      "</i>: {} cosine, mean over the probes of an epoch, with a confidence sequence, which holds "
      "at "
      "every n. A cell has a colour only where the 95\u00a0% interval that holds for all cells of "
      "its "
      "map together excludes 0 (Bonferroni; cells of the maps: {}). Of maps without any "
      "conflict at most one in twenty would then have a coloured cell, if each interval held its "
      "95\u00a0%. Hatched: that "
      "interval covers 0, the signal is below noise, there are fewer than 20 probes, or "
      "neighbouring probes are too much alike. Empty: one of the losses has no gradient there. The "
      "pointer shows value, both intervals and n.",
      counts.conflict, counts.agreement, counts.grey,
      conflict.preconditioned ? "preconditioned" : "plain", cells);
}

}  // namespace

std::string interval_text(const Estimate& e, std::size_t cells) {
  std::string out = number(e.value, 3);
  if (e.lo && e.hi) out += fmt::format(" [{}, {}]", number(*e.lo, 3), number(*e.hi, 3));
  if (e.family_lo && e.family_hi)
    out += fmt::format(", for all {} cells [{}, {}]", cells, number(*e.family_lo, 3),
                       number(*e.family_hi, 3));
  return out + (e.n > 0 ? fmt::format(", n = {}", e.n) : "");
}

std::string conflict_maps(const RunData& run, const Conflict& conflict, const std::string& id,
                          Figures& figures, Json& data) {
  const Windows windows = run.monitor_of("window");
  const std::vector<std::string> groups = all_groups(conflict, windows);
  std::vector<Table> tables = window_tables(windows, groups);
  std::vector<HeatMap> maps;
  for (const Table& table : tables) maps.push_back(map_of(table, groups, data["xcos"]));
  for (Table& table : epoch_tables(conflict, groups)) {
    maps.push_back(map_of(table, groups, data["pcos"]));
    tables.push_back(std::move(table));
  }
  double most = 0;
  const std::string html = draw_all(maps, most);
  if (html.empty()) return "";
  return figures.figure("f-heat-" + id,
                        "<div class=\"grid2\">" + html + "</div>" +
                            color_key({.most = most,
                                       .label = "cosine of two losses\u2019 gradients",
                                       .low = "against each other",
                                       .high = "the same way",
                                       .grey = "nothing can be said"}),
                        caption(conflict, tables, count(maps)));
}

}  // namespace ktrain::report
