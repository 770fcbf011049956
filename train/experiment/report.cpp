#include "train/experiment/report.h"

#include <algorithm>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "runtime/sha256.h"
#include "train/console.h"
#include "train/experiment/hypotheses.h"
#include "train/experiment/planned_power.h"
#include "train/machine_text.h"
#include "train/read_text.h"

namespace ktrain::experiment {
namespace {

using Json = nlohmann::json;

// "-1.25 [-2.10, -0.40]" in hundredths, "" for none.
std::string cell(const std::optional<MeanInterval>& x, int digits, double factor = 1) {
  if (!x) return "–";
  return fmt::format("{:.{}f} [{:.{}f}, {:.{}f}]", x->mean * factor, digits, x->lo * factor, digits,
                     x->hi * factor, digits);
}

std::string number(const std::optional<double>& x, int digits, double factor = 1) {
  return x ? fmt::format("{:.{}f}", *x * factor, digits) : "–";
}

std::string count(const std::optional<std::int64_t>& n) {
  return n ? fmt::format("{}", *n) : fmt::format("more than {}", kMostSeeds);
}

std::string keys(const Strings& set) {
  std::string out;
  for (const std::string& text : set) out += (out.empty() ? "`" : ", `") + text + "`";
  return out.empty() ? "as the plan" : out;
}

std::string design_section(const Design& design) {
  std::string out = "## Design\n\n";
  out += fmt::format(
      "{} seeds ({}), paired: a seed fixes warm start, data order and sampling, and is common to "
      "all "
      "arms. Each seed's warm start is trained by detection alone (`{}`); every arm goes on from "
      "it "
      "(`{}`). Probes and windows before step {} are left out.\n\n",
      design.seeds.size(), fmt::join(design.seeds, ", "), design.warm, design.arm,
      design.from_step);
  out += "| quality | what it is | keys |\n|---|---|---|\n";
  for (const Quality& q : design.qualities)
    out += fmt::format("| {} | {} | {} |\n", q.name, q.text, keys(q.set));
  out += "\n| arm | isolates | seeds | keys |\n|---|---|---|---|\n";
  for (const Arm& arm : design.arms)
    out += fmt::format("| {} | {} | {} | {} |\n", arm.name, arm.text, arm.seeds, keys(arm.set));
  return out + "\n";
}

std::string power_section(const Design& design, const Power& power) {
  std::string out = "## What this size can find\n\n";
  out += planned_text(design) + "\n\n";
  if (!power.ap_sd) return out + "Too few runs to estimate the spread between seeds.\n\n";
  out += fmt::format(
      "With {} seeds and a power of {:.0f} %: a change of AP of {} points or more (sd of paired "
      "differences {} points)",
      power.seeds, design.rule.power * 100, number(power.ap_detectable, 2, 100),
      number(power.ap_sd, 2, 100));
  out +=
      power.cosine_sd
          ? fmt::format(
                ", and a cosine {} away from its bound in the noisiest group, all groups at once "
                "(sd {}).\n\n",
                number(power.cosine_detectable, 3), number(power.cosine_sd, 3))
          : std::string("; of the cosines too few could be measured to say.\n\n");
  out += "| to find | seeds needed |\n|---|---|\n";
  out += fmt::format("| a change of AP of {:.1f} points | {} |\n", design.rule.ap * 100,
                     count(power.seeds_ap));
  if (power.blind_sd)
    out += fmt::format(
        "| the same, from the spread after {} seeds without arm labels (sd {} points) | {} |\n",
        design.rule.look, number(power.blind_sd, 2, 100), count(power.seeds_blind));
  if (power.cosine_sd)
    out += fmt::format("| every group's cosine to within {:g} | {} |\n", design.rule.delta,
                       count(power.seeds_cosine));
  return out + "\n";
}

std::string arms_section(const Design& design, const Analysis& analysis) {
  std::string out = "## Every arm\n\n";
  out += fmt::format(
      "Means over seeds with {:.0f} % t intervals. AP: area under the curve at IoU 0.5, in points, "
      "after the last step. Change: against {} of the same quality and seed. Cosine: cross-batch, "
      "with detection, mean over visible groups. Tax: share of detection's first-order progress. "
      "Warned, alarmed: runs in which the monitor warned, alarmed of the loss.\n\n",
      100 * (1 - design.rule.alpha), design.roles.baseline);
  out +=
      "| quality | arm | runs | AP | change | cosine | tax | warned | alarmed "
      "|\n|---|---|---|---|---|---|---|---|---|\n";
  for (const ArmSummary& arm : analysis.arms) {
    const bool measured = !design.arm_named(arm.arm).loss.empty();
    out += fmt::format(
        "| {} | {} | {}{} | {} | {} | {} | {} | {} | {} |\n", arm.quality, arm.arm, arm.done,
        arm.done == arm.planned ? std::string()
                                : fmt::format(" of {}, {} failed", arm.planned, arm.failed),
        cell(arm.map, 1, 100), cell(arm.change, 2, 100), cell(arm.xcos, 3), cell(arm.tax, 3),
        measured ? fmt::format("{} of {}", arm.warned, arm.done) : "–",
        measured ? fmt::format("{} of {}", arm.alarmed, arm.done) : "–");
  }
  out +=
      "\n| quality | arm | held-out detection loss, with minus without | clip coefficient | drift "
      "over "
      "the zero line | groups off zero |\n|---|---|---|---|---|---|\n";
  for (const ArmSummary& arm : analysis.arms)
    if (arm.held_out || arm.clip || arm.drift || arm.groups > 0)
      out += fmt::format("| {} | {} | {} | {} | {} | {} of {} |\n", arm.quality, arm.arm,
                         cell(arm.held_out, 5), cell(arm.clip, 3), cell(arm.drift, 3),
                         arm.groups_off_zero, arm.groups);
  return out + "\n";
}

std::string groups_section(const Design& design, const Analysis& analysis) {
  const Roles& roles = design.roles;
  std::string out = fmt::format(
      "## Layer groups\n\nCosine of {}'s gradient with detection's. Intervals hold for all {} "
      "groups "
      "at once ({:.0f} %, Bonferroni). Step-level: the same batch, through the optimiser. "
      "Detection "
      "with itself: cosine of two halves of a batch, what ordinary sampling does (C9). Below "
      "noise: "
      "windows in which the mean gradient cannot be told from none.\n\n",
      roles.treatment, design.groups.size(), 100 * (1 - design.rule.alpha));
  out += fmt::format(
      "| group | cross-batch, {} | cross-batch, {} | step-level, {} | detection with itself | "
      "below "
      "noise |\n|---|---|---|---|---|---|\n",
      roles.poor, roles.good, roles.poor);
  for (const GroupSummary& group : analysis.groups)
    out += fmt::format("| {} | {} | {} | {} | {} | {} |\n", group.group, cell(group.poor, 3),
                       cell(group.good, 3), cell(group.step, 3), number(group.self, 3),
                       group.below_noise);
  return out + "\n";
}

std::string hypotheses_section(const Design& design, const Analysis& analysis) {
  std::string out = fmt::format(
      "## Hypotheses\n\nDecided at {:g} after Holm's correction over the four.\n\n"
      "| | | p | adjusted | supported |\n|---|---|---|---|---|\n",
      design.rule.alpha);
  for (const Hypothesis& h : analysis.hypotheses)
    out += fmt::format("| {} | {} | {:.2g} | {:.2g} | {} |\n", h.id, h.sentence, h.p, h.adjusted,
                       h.supported ? "yes" : "no");
  out += "\n";
  for (const Hypothesis& h : analysis.hypotheses)
    for (const std::string& line : h.evidence) out += fmt::format("- {}: {}\n", h.id, line);
  out += fmt::format(
      "- Equivalence of AP within {:.1f} points under {}: {} points (the {:.0f} % interval), p = "
      "{}\n",
      design.rule.ap * 100, design.roles.poor, interval_text(analysis.ap_equivalence, 2, 100),
      100 * (1 - 2 * design.rule.alpha), number(analysis.ap_equivalence_p, 3));
  out += fmt::format("- All groups' intervals within +-{:g}: {}\n", design.rule.delta,
                     analysis.cosines_inside ? "yes" : "no");
  return out + "\n";
}

std::string controls_section(const Design& design, const Analysis& analysis) {
  std::string out =
      "## Controls with a known answer\n\n| quality | arm | the monitor must | runs alarmed | as "
      "it "
      "must |\n|---|---|---|---|---|\n";
  bool any = false;
  for (const ArmSummary& arm : analysis.arms) {
    const Expect expect = design.arm_named(arm.arm).expect;
    if (expect == Expect::kNothing) continue;
    any = true;
    const bool met = arm.done > 0 && arm.alarmed == (expect == Expect::kAlarm ? arm.done : 0);
    out += fmt::format("| {} | {} | {} | {} of {} | {} |\n", arm.quality, arm.arm,
                       expect == Expect::kAlarm ? "alarm" : "be silent", arm.alarmed, arm.done,
                       arm.done == 0 ? "not run"
                       : met         ? "yes"
                                     : "**no**");
  }
  return any ? out + "\n" : "";
}

std::string dose_section(const Analysis& analysis) {
  std::string out =
      "## Dose and response\n\nSlopes of the change of AP (points), one per seed: against the "
      "weight "
      "of the loss over the dose arms, and against the tax over every arm with a loss. Does tax "
      "foretell the loss of AP? Then the second is below 0.\n\n| quality | per unit of weight | "
      "per "
      "unit of tax |\n|---|---|---|\n";
  for (const DoseResponse& dose : analysis.doses)
    out += fmt::format("| {} | {} | {} |\n", dose.quality, cell(dose.on_dose, 2, 100),
                       cell(dose.on_tax, 2, 100));
  return out + "\n";
}

std::string list_section(const char* title, const Strings& lines) {
  if (lines.empty()) return "";
  std::string out = fmt::format("## {}\n\n", title);
  for (const std::string& line : lines) out += "- " + line + "\n";
  return out + "\n";
}

std::string provenance_section(const Design& design, const std::vector<MeasuredRun>& runs,
                               const std::string& folder) {
  const Json pin = Json::parse(read_text(folder + "/DESIGN"), nullptr, false);
  double seconds = 0;
  std::istringstream journal(read_text(folder + "/journal.jsonl"));
  for (std::string line; std::getline(journal, line);) {
    const Json json = Json::parse(line, nullptr, false);
    if (json.is_object() && json.contains("seconds") && json["seconds"].is_number())
      seconds += json["seconds"].get<double>();
  }
  std::set<std::string> fingerprints;
  for (const MeasuredRun& run : runs)
    if (!run.measure.fingerprint.empty())
      fingerprints.insert((run.cell.warm() ? "warm start" : run.cell.quality) + ": " +
                          run.measure.fingerprint);
  std::string out = "## Provenance\n\n";
  out += fmt::format("- design `{}` #{:.16}, pinned before the first run ({})\n", design.file,
                     sha256_hex(design.text),
                     pin.is_object() ? pin.value("began", "no DESIGN file") : "no DESIGN file");
  out += fmt::format("- runs in `{}`, {} of training and validation\n", folder,
                     duration_text(seconds));
  for (const std::string& text : fingerprints) out += fmt::format("- validated on {}\n", text);
  std::istringstream machine(machine_text());
  for (std::string line; std::getline(machine, line);)
    if (!line.empty()) out += "- analysed with " + line + "\n";
  return out;
}

}  // namespace

std::string report_markdown(const Design& design, const std::vector<MeasuredRun>& runs,
                            const Analysis& analysis, const std::string& folder) {
  Strings failures;
  for (const MeasuredRun& run : runs)
    if (run.state == CellState::kFailed) failures.push_back(run.cell.label() + ": " + run.failure);
  std::string out = fmt::format("# {}\n\n", design.title);
  out += fmt::format("**Verdict by the rule set before the first run: {}.** {}.\n\n",
                     verdict_name(analysis.verdict), analysis.reason);
  out += fmt::format(
      "{} of {} runs done, {} failed. Written by `ktrain experiment {}` from the runs' files; "
      "`--analyse-only` writes it again.\n\n",
      analysis.runs.done, analysis.runs.all, analysis.runs.failed, design.file);
  out += hypotheses_section(design, analysis) + groups_section(design, analysis) +
         arms_section(design, analysis) + controls_section(design, analysis) +
         dose_section(analysis) + power_section(design, analysis.power) + design_section(design) +
         list_section("Short of the full design", design.deviations) +
         list_section("Failed runs", failures) + provenance_section(design, runs, folder);
  return out;
}

}  // namespace ktrain::experiment
