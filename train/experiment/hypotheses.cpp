#include "train/experiment/hypotheses.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace ktrain::experiment {
namespace {

// Simultaneous over the design's groups.
double shared_tail(const Design& design) {
  return design.rule.alpha / 2 / static_cast<double>(design.groups.size());
}

CellName poor_treated(const Design& design) { return {design.roles.poor, design.roles.treatment}; }
CellName good_treated(const Design& design) { return {design.roles.good, design.roles.treatment}; }

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double x : values) sum += x;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

// H1: in at least one visible group the loss pulls against detection.
Hypothesis direction(const Design& design, const std::vector<GroupSummary>& groups) {
  Hypothesis h;
  h.id = "H1";
  h.sentence = fmt::format(
      "direction: under {} with {} the cross-batch cosine with detection is below -{:g} in at "
      "least "
      "one visible group",
      design.roles.poor, design.roles.treatment, design.rule.delta);
  const GroupSummary* strongest = nullptr;
  for (const GroupSummary& group : groups)
    if (group.visible && group.p && (!strongest || *group.p < *strongest->p)) strongest = &group;
  if (!strongest) {
    h.evidence.push_back("no visible group has values of two seeds");
    return h;
  }
  h.p = std::min(1.0, *strongest->p * static_cast<double>(design.groups.size()));
  h.evidence.push_back(fmt::format("strongest in {}: {}, p = {:.2g} times {} groups",
                                   strongest->group, interval_text(strongest->poor), *strongest->p,
                                   design.groups.size()));
  return h;
}

// H2: more so under the poor quality.
Hypothesis specificity(const Design& design, const RunTable& table) {
  Hypothesis h;
  h.id = "H2";
  h.sentence = fmt::format(
      "specificity: the cosine, averaged over visible groups, is lower under {} than under {}",
      design.roles.poor, design.roles.good);
  const auto differences =
      table.differences(poor_treated(design), good_treated(design), visible_xcos(design));
  h.p = p_below(differences, 0).value_or(1);
  h.evidence.push_back("difference, paired by seed: " +
                       interval_text(t_interval(differences, design.rule.alpha / 2)));
  return h;
}

// H3: it costs detection progress, and held-out loss.
Hypothesis materiality(const Design& design, const RunTable& table) {
  Hypothesis h;
  h.id = "H3";
  h.sentence = fmt::format(
      "materiality: under {} the loss takes more than {:.0f} % of detection's first-order "
      "progress, "
      "and leaving it out lowers the held-out detection loss",
      design.roles.poor, design.rule.tax * 100);
  const CellName cell = poor_treated(design);
  const auto tax = table.values(cell, [](const RunMeasure& run) { return run.tax; });
  const auto held_out = table.values(cell, [](const RunMeasure& run) { return run.held_out; });
  // Both are claimed: the larger p holds for the pair.
  const double p_tax = p_above(tax, design.rule.tax).value_or(1),
               p_held_out = p_above(held_out, 0).value_or(1);
  h.p = std::max(p_tax, p_held_out);
  const double tail = design.rule.alpha / 2;
  h.evidence.push_back(fmt::format("tax {}, p = {:.2g} against {:g}",
                                   interval_text(t_interval(tax, tail)), p_tax, design.rule.tax));
  h.evidence.push_back(fmt::format("held-out detection loss with minus without: {}, p = {:.2g}",
                                   interval_text(t_interval(held_out, tail), 6), p_held_out));
  return h;
}

// H4: it costs AP, there more than elsewhere, and the remedy wins it back.
Hypothesis outcome(const Design& design, const RunTable& table) {
  const Roles& roles = design.roles;
  const Rule& rule = design.rule;
  Hypothesis h;
  h.id = "H4";
  h.sentence = fmt::format(
      "outcome: under {0} AP with {2} is at least {3:.1f} points below AP with {4}; the change "
      "under "
      "{1} is smaller{5}",
      roles.poor, roles.good, roles.treatment, rule.ap * 100, roles.baseline,
      roles.remedy.empty() ? std::string()
                           : fmt::format("; {} wins back at least {:.0f} % of it", roles.remedy,
                                         rule.recovered * 100));
  const auto change = [&](const std::string& quality) {
    return table.differences({quality, roles.treatment}, {quality, roles.baseline}, map_of);
  };
  const auto poor = change(roles.poor), good = change(roles.good);
  h.p = p_below(poor, 0).value_or(1);
  const auto row = [&](const std::string& what, const std::vector<double>& values, bool met) {
    h.conditions = h.conditions && met;
    h.evidence.push_back(fmt::format("{}: {} points; {}", what,
                                     interval_text(t_interval(values, rule.alpha / 2), 2, 100),
                                     met ? "as claimed" : "not as claimed"));
  };
  row("change under " + roles.poor, poor, poor.size() >= 2 && mean_of(poor) <= -rule.ap);
  row("change under " + roles.good, good,
      good.size() >= 2 && std::abs(mean_of(good)) < std::abs(mean_of(poor)));
  if (!roles.remedy.empty()) {
    const auto back = table.differences({roles.poor, roles.remedy}, poor_treated(design), map_of);
    row(roles.remedy + " against " + roles.treatment, back,
        back.size() >= 2 && mean_of(poor) < 0 && mean_of(back) >= -rule.recovered * mean_of(poor));
  }
  return h;
}

}  // namespace

std::string interval_text(const std::optional<MeanInterval>& interval, int digits, double factor) {
  if (!interval) return "too few runs";
  return fmt::format("{:.{}f} [{:.{}f}, {:.{}f}] (n = {})", interval->mean * factor, digits,
                     interval->lo * factor, digits, interval->hi * factor, digits, interval->n);
}

std::vector<GroupSummary> group_summaries(const Design& design, const RunTable& table) {
  const double tail = shared_tail(design);
  const CellName poor = poor_treated(design), good = good_treated(design);
  std::vector<GroupSummary> out;
  for (const std::string& group : design.groups) {
    GroupSummary summary;
    summary.group = group;
    summary.visible = is_visible(group);
    const auto values = table.values(poor, xcos_of(group));
    summary.poor = t_interval(values, tail);
    summary.p = p_below(values, -design.rule.delta);
    summary.good = t_interval(table.values(good, xcos_of(group)), tail);
    const auto from = [&](const auto member) {
      return table.values(poor, [&](const RunMeasure& run) -> std::optional<double> {
        const auto at = (run.*member).find(group);
        return at == (run.*member).end() ? std::nullopt : std::optional(at->second);
      });
    };
    summary.step = t_interval(from(&RunMeasure::pcos), tail);
    const auto self = from(&RunMeasure::self);
    if (!self.empty()) summary.self = mean_of(self);
    for (const std::int64_t seed : design.seeds)
      if (const RunMeasure* const run = table.find(poor, seed))
        if (const auto at = run->below_noise.find(group); at != run->below_noise.end())
          summary.below_noise += at->second;
    out.push_back(summary);
  }
  return out;
}

std::vector<Hypothesis> test_hypotheses(const Design& design, const RunTable& table,
                                        const std::vector<GroupSummary>& groups) {
  std::vector<Hypothesis> out = {direction(design, groups), specificity(design, table),
                                 materiality(design, table), outcome(design, table)};
  std::vector<double> p;
  for (const Hypothesis& h : out) p.push_back(h.p);
  const std::vector<double> adjusted = holm(p);
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i].adjusted = adjusted[i];
    out[i].supported = adjusted[i] <= design.rule.alpha && out[i].conditions;
  }
  return out;
}

}  // namespace ktrain::experiment
