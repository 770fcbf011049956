#include "train/experiment/analysis.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "train/divergence.h"
#include "train/experiment/hypotheses.h"
#include "train/experiment/run_table.h"

namespace ktrain::experiment {
namespace {

ArmSummary summarise(const Design& design, const std::vector<MeasuredRun>& runs,
                     const RunTable& table, const CellName& cell) {
  const double tail = design.rule.alpha / 2;
  const CellName baseline{cell.quality, design.roles.baseline};
  ArmSummary out;
  out.quality = cell.quality;
  out.arm = cell.arm;
  for (const MeasuredRun& run : runs) {
    if (run.cell.quality != cell.quality || run.cell.arm != cell.arm) continue;
    ++out.planned;
    out.done += run.state == CellState::kDone;
    out.failed += run.state == CellState::kFailed;
    out.warned += run.state == CellState::kDone && run.measure.warnings > 0;
    out.alarmed += run.state == CellState::kDone && run.measure.alarms > 0;
  }
  const auto interval = [&](const RunTable::Value& value) {
    return t_interval(table.values(cell, value), tail);
  };
  out.map = interval(map_of);
  if (cell.arm != baseline.arm)
    out.change = t_interval(table.differences(cell, baseline, map_of), tail);
  out.tax = interval([](const RunMeasure& run) { return run.tax; });
  out.held_out = interval([](const RunMeasure& run) { return run.held_out; });
  out.clip = interval([](const RunMeasure& run) { return run.clip; });
  out.xcos = interval(visible_xcos(design));
  if (!design.roles.zero_line.empty() && cell.arm != design.roles.zero_line)
    out.drift = t_interval(table.differences(cell, {cell.quality, design.roles.zero_line},
                                             [](const RunMeasure& run) { return run.drift; }),
                           tail);
  const double shared = tail / static_cast<double>(design.groups.size());
  for (const std::string& group : design.groups)
    if (const auto x = t_interval(table.values(cell, xcos_of(group)), shared)) {
      ++out.groups;
      out.groups_off_zero += x->lo > 0 || x->hi < 0;
    }
  return out;
}

// The slope of y on x, least squares with a constant; nothing when x does not vary.
std::optional<double> slope(const std::vector<std::pair<double, double>>& points) {
  double mx = 0, my = 0, xx = 0, xy = 0;
  const auto n = static_cast<double>(points.size());
  for (const auto& [x, y] : points) {
    mx += x / n;
    my += y / n;
  }
  for (const auto& [x, y] : points) {
    xx += (x - mx) * (x - mx);
    xy += (x - mx) * (y - my);
  }
  return points.size() >= 2 && xx > 0 ? std::optional(xy / xx) : std::nullopt;
}

// One slope per seed over its arms under `quality`; y is the change of map against the baseline.
std::optional<MeanInterval> slopes(
    const Design& design, const RunTable& table, const std::string& quality,
    const std::function<std::optional<double>(const Arm&, const RunMeasure&)>& x) {
  std::vector<double> out;
  for (const std::int64_t seed : design.seeds) {
    const RunMeasure* const base = table.find({quality, design.roles.baseline}, seed);
    if (!base || !base->map) continue;
    std::vector<std::pair<double, double>> points;
    for (const Arm& arm : design.arms)
      if (const RunMeasure* const run = table.find({quality, arm.name}, seed); run && run->map)
        if (const auto at = x(arm, *run)) points.emplace_back(*at, *run->map - *base->map);
    if (const auto one = slope(points)) out.push_back(*one);
  }
  return t_interval(out, design.rule.alpha / 2);
}

DoseResponse dose_response(const Design& design, const RunTable& table,
                           const std::string& quality) {
  DoseResponse out;
  out.quality = quality;
  out.on_dose =
      slopes(design, table, quality, [](const Arm& arm, const RunMeasure&) { return arm.dose; });
  out.on_tax = slopes(design, table, quality, [&](const Arm& arm, const RunMeasure& run) {
    return arm.name == design.roles.baseline ? std::optional(0.0) : run.tax;
  });
  return out;
}

Power power_of(const Design& design, const RunTable& table) {
  const Rule& rule = design.rule;
  const CellName treated{design.roles.poor, design.roles.treatment},
      base{design.roles.poor, design.roles.baseline};
  Power out;
  const auto change = table.differences(treated, base, map_of);
  out.seeds = static_cast<std::int64_t>(change.size());
  if (const auto ap = t_interval(change, rule.alpha)) {
    out.ap_sd = ap->sd;
    out.ap_detectable = detectable(ap->sd, ap->n, rule.alpha, rule.power);
    out.seeds_ap = seeds_needed(ap->sd, rule.ap, rule.alpha, rule.power, kMostSeeds);
  }
  // Both qualities' differences of the first seeds, labels unknown.
  std::vector<double> blind;
  for (std::size_t i = 0; i < design.seeds.size() && static_cast<std::int64_t>(i) < rule.look; ++i)
    for (const std::string& quality : {design.roles.poor, design.roles.good}) {
      const auto *const a = table.find({quality, treated.arm}, design.seeds[i]),
                        *const b = table.find({quality, base.arm}, design.seeds[i]);
      if (a && b && a->map && b->map) blind.push_back(*a->map - *b->map);
    }
  if (blind.size() >= 2) {
    out.blind_sd = blind_sd(blind);
    out.seeds_blind = seeds_needed(*out.blind_sd, rule.ap, rule.alpha, rule.power, kMostSeeds);
  }
  const double tail = rule.alpha / 2 / static_cast<double>(design.groups.size());
  for (const std::string& group : design.groups)
    if (const auto x = t_interval(table.values(treated, xcos_of(group)), tail))
      if (!out.cosine_sd || x->sd > *out.cosine_sd) {
        out.cosine_sd = x->sd;
        out.cosine_detectable = detectable(x->sd, x->n, tail, rule.power);
        out.seeds_cosine = seeds_needed(x->sd, rule.delta, tail, rule.power, kMostSeeds);
      }
  return out;
}

// Where no cosine came out: as good as every window's mean gradient drowned in noise, and more
// seeds of the same length would not help.
std::string unmeasured_text(const Analysis& analysis) {
  std::int64_t below = 0;
  for (const GroupSummary& group : analysis.groups) below += group.below_noise;
  return below == 0
             ? "need more runs before the spread of the cosines between seeds, and with it n, "
               "can be estimated"
             : fmt::format(
                   "no group's cross-batch cosine could be measured in two seeds: in {} "
                   "windows (of all groups) a mean gradient was below the noise, so that H1 "
                   "and H2 had nothing to go by; more seeds of this length would not help, "
                   "windows of more probes or larger batches would",
                   below);
}

std::string needed_text(const Design& design, const Analysis& analysis) {
  const Power& power = analysis.power;
  const Rule& rule = design.rule;
  const auto text = [](const std::optional<std::int64_t>& n) {
    return n ? fmt::format("{}", *n) : fmt::format("more than {}", kMostSeeds);
  };
  if (!power.ap_sd)
    return "need more runs before the spread between seeds, and with it n, can be estimated";
  std::string out = fmt::format("need n = {} seeds to find a change of AP of {:.1f} points",
                                text(power.seeds_ap), rule.ap * 100);
  if (power.cosine_sd)
    out += fmt::format(", and n = {} to place every group's cosine to within {:g}",
                       text(power.seeds_cosine), rule.delta);
  out += fmt::format(" (power {:.0f} %)", rule.power * 100);
  const auto beyond = [&](const std::optional<std::int64_t>& n) {
    return !n || *n > rule.most_seeds;
  };
  if (beyond(power.seeds_ap) || (power.cosine_sd && beyond(power.seeds_cosine)))
    out += fmt::format(
        "; that is beyond the cap of {}: longer runs, more probes or more validation "
        "pairs have to narrow the spread first",
        rule.most_seeds);
  return power.cosine_sd ? out : out + ". Beside that, " + unmeasured_text(analysis);
}

// Of the cells that the hypotheses compare. What diverged is not missing at random: means over the
// others would flatter the arm that it belongs to.
std::int64_t failed_where_it_counts(const Design& design, const Analysis& analysis) {
  const Roles& roles = design.roles;
  std::int64_t failed = 0;
  for (const ArmSummary& arm : analysis.arms) {
    const bool quality = arm.quality == roles.poor || arm.quality == roles.good;
    if (quality &&
        (arm.arm == roles.baseline || arm.arm == roles.treatment || arm.arm == roles.remedy))
      failed += arm.failed;
  }
  return failed;
}

void judge(const Design& design, Analysis& out) {
  const auto& h = out.hypotheses;
  const bool all = std::all_of(h.begin(), h.end(), [](auto& x) { return x.supported; });
  const bool others = std::any_of(h.begin() + 1, h.end(), [](auto& x) { return x.supported; });
  const bool equivalent = out.ap_equivalence_p && *out.ap_equivalence_p <= design.rule.alpha;
  const std::int64_t missing = out.runs.all - out.runs.done - out.runs.failed,
                     failed = failed_where_it_counts(design, out);
  if (missing > 0) {
    out.verdict = Verdict::kIncomplete;
    out.reason = fmt::format("{} of {} runs are missing: the rule is applied once, to all of them",
                             missing, out.runs.all);
  } else if (failed > 0) {
    out.verdict = Verdict::kInconclusive;
    out.reason = fmt::format(
        "{} runs of the arms that are compared failed by their own numbers, and what is left of "
        "those arms is no fair sample; the list of failed runs says why",
        failed);
  } else if (all) {
    out.verdict = Verdict::kConfirmed;
    out.reason = "H1, H2, H3 and H4 are supported";
  } else if (h[0].supported && !others) {
    out.verdict = Verdict::kImmaterial;
    out.reason = "H1 is supported and none of H2, H3, H4";
  } else if (out.cosines_inside && equivalent) {
    out.verdict = Verdict::kRefuted;
    out.reason = fmt::format(
        "every group's interval lies within +-{:g}, and AP is equivalent within {:.1f} points",
        design.rule.delta, design.rule.ap * 100);
  } else {
    out.verdict = Verdict::kInconclusive;
    out.reason = needed_text(design, out);
  }
}

}  // namespace

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kIncomplete:
      return "not decided yet";
    case Verdict::kConfirmed:
      return "confirmed";
    case Verdict::kImmaterial:
      return "conflict, immaterial";
    case Verdict::kRefuted:
      return "refuted";
    case Verdict::kInconclusive:
      return "inconclusive";
  }
  return "";
}

Analysis analyse(const Design& design, const std::vector<MeasuredRun>& runs) {
  const RunTable table(design, runs);
  Analysis out;
  for (const MeasuredRun& run : runs) {
    ++out.runs.all;
    out.runs.done += run.state == CellState::kDone;
    out.runs.failed += run.state == CellState::kFailed;
  }
  for (const Arm& arm : design.arms)
    for (const std::string& quality : arm.qualities)
      out.arms.push_back(summarise(design, runs, table, {quality, arm.name}));
  out.groups = group_summaries(design, table);
  out.hypotheses = test_hypotheses(design, table, out.groups);
  const auto inside = [&](const GroupSummary& group) {
    return group.poor && group.poor->lo > -design.rule.delta && group.poor->hi < design.rule.delta;
  };
  out.cosines_inside = std::all_of(out.groups.begin(), out.groups.end(), inside);
  const auto change = table.differences({design.roles.poor, design.roles.treatment},
                                        {design.roles.poor, design.roles.baseline}, map_of);
  out.ap_equivalence = t_interval(change, design.rule.alpha);
  out.ap_equivalence_p = p_equivalent(change, design.rule.ap);
  out.power = power_of(design, table);
  for (const std::string& quality : {design.roles.poor, design.roles.good})
    out.doses.push_back(dose_response(design, table, quality));
  judge(design, out);
  return out;
}

std::vector<MeasuredRun> measure_cells(const Design& design, const std::vector<Cell>& cells) {
  std::vector<MeasuredRun> out;
  for (const Cell& cell : cells) {
    MeasuredRun run;
    run.cell = cell;
    run.state = state_of(cell);
    if (run.state == CellState::kFailed) run.failure = divergence_of(cell.folder);
    if (run.state == CellState::kDone)
      run.measure =
          measure_run(cell.folder, cell.warm() ? "" : design.arm_named(cell.arm).loss, design);
    out.push_back(run);
  }
  return out;
}

}  // namespace ktrain::experiment
