#include <algorithm>
#include <filesystem>

#include "runtime/fault.h"
#include "train/comparison.h"
#include "train/plan_check.h"
#include "train/recovery/recover_command.h"

namespace ktrain {
namespace {

std::string start_of(const LoadedPlan& plan) {
  const InitPlan& init = plan.resolved.plan.init;
  if (!plan.entry->start.empty()) return fmt::format("the mark {}", plan.entry->start);
  if (plan.prerequisite) return fmt::format("{} of {}", init.take, plan.prerequisite->entry->name);
  return init.checkpoint.empty() ? "random weights" : init.checkpoint;
}

std::string stop_of(const StopPlan& stop) {
  if (stop.patience == 0) return "no early stop";
  return fmt::format("early stop at {} {} {:g}, patience {}, from epoch {}", stop.metric,
                     lower_is_better(stop.metric) ? "above" : "below", stop.threshold,
                     stop.patience, stop.begin);
}

std::string plan_text(const LoadedPlan& loaded) {
  const Plan& plan = loaded.resolved.plan;
  std::string factors;
  for (const Multiplier& m : plan.optimizer.multipliers)
    factors += fmt::format(", {} x{:g}", m.prefix, m.lr);
  std::error_code missing;
  const bool begun = std::filesystem::exists(loaded.folder, missing);
  return fmt::format(
      "  {}  ({}, starts from {})\n"
      "    {} lr {:g}{}, weight decay {:g}, clip {:g}, {} epochs of batch {}, {}\n"
      "    run in {}{}\n",
      loaded.entry->name, loaded.entry->file, start_of(loaded), plan.optimizer.kind,
      plan.optimizer.lr, factors, plan.optimizer.weight_decay, plan.optimizer.clip,
      plan.train.epochs, plan.train.batch, stop_of(plan.stop), loaded.folder,
      begun ? ", which is there" : "");
}

// The settings in which the plans differ, a key a line with the plans' values.
std::string settings_text(const LoadedPlans& plans) {
  std::vector<const Plan*> list;
  std::vector<std::string> names;
  for (const auto& [name, plan] : plans) {
    list.push_back(&plan.resolved.plan);
    names.push_back(name);
  }
  std::string text;
  for (const SettingRow& row : differing_settings(list, {})) {
    text += fmt::format("  {}\n", row.key);
    // Plans of one value share a line.
    for (std::size_t i = 0; i < row.values.size(); ++i) {
      if (std::find(row.values.begin(), row.values.begin() + static_cast<std::ptrdiff_t>(i),
                    row.values[i]) != row.values.begin() + static_cast<std::ptrdiff_t>(i))
        continue;
      std::string who;
      for (std::size_t k = i; k < row.values.size(); ++k)
        if (row.values[k] == row.values[i]) who += (who.empty() ? "" : ", ") + names[k];
      text += fmt::format("    {}  in {}\n", row.values[i], who);
    }
  }
  return text;
}

std::string level_text(const Recovery& r, const RecoveryLevel& level) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  for (const auto& [metric, bound] : level.bounds)
    add(fmt::format("{} {} {:g}", metric, lower_is_better(metric) ? "at most" : "at least", bound));
  if (level.trend)
    add(fmt::format("stable or rising (last of {} validations or more within {:g} of the best)",
                    r.trend_least, r.trend_tolerance));
  if (level.early_stop) add(*level.early_stop ? "stopped early" : "no early stop");
  return fmt::format("  {:<12} {}\n", level.name, text);
}

std::string action_text(const RecoveryNode& node) {
  if (!node.run.empty()) return fmt::format("run {}", node.run);
  if (node.sweep)
    return fmt::format("evaluate {} at epochs {} to {} on the validation data of {}",
                       node.sweep->of, node.sweep->first, node.sweep->last, node.sweep->on);
  if (node.mark)
    return fmt::format("mark the best checkpoint of {}{} as {}",
                       node.mark->from.size() > 1 ? "the better of " : "",
                       fmt::join(node.mark->from, " and "), node.mark->as);
  if (!node.compare.empty())
    return fmt::format("compare {} with {}: settings, curves, paired bootstrap", node.compare[1],
                       node.compare[0]);
  return node.end.empty() ? "decide" : "end: " + node.end;
}

std::string node_text(const RecoveryNode& node) {
  std::string text = fmt::format("  {}: {}\n", node.name, action_text(node));
  if (!node.say.empty()) text += fmt::format("      {}\n", node.say);
  for (const RecoveryRule& rule : node.when)
    text += fmt::format("      if {} reaches {} -> {}{}\n", rule.of, rule.reaches, rule.go,
                        rule.say.empty() ? "" : fmt::format("   ({})", rule.say));
  if (!node.go.empty())
    text += fmt::format("      {} -> {}\n", node.when.empty() ? "then" : "otherwise", node.go);
  return text;
}

}  // namespace

std::string recovery_text(const Recovery& r, const LoadedPlans& plans) {
  std::string text = fmt::format("recovery  {} ({})\n", r.title, r.file);
  text += "\nplans\n";
  for (const auto& [name, plan] : plans) text += plan_text(plan);
  text += "\nsettings in which they differ\n" + settings_text(plans);
  text += fmt::format("\nlevels, each held against the validation of the best {}\n", r.metric);
  for (const RecoveryLevel& level : r.levels) text += level_text(r, level);
  text += fmt::format("\ntree, from {}\n", r.start);
  for (const RecoveryNode& node : r.nodes) text += node_text(node);
  if (!r.hypotheses.empty()) text += "\nhypotheses, looked at once an end is reached\n";
  for (const RecoveryHypothesis& h : r.hypotheses)
    text += fmt::format("  {}: {}\n      by {} in {}{}\n", h.name, h.text, h.measure,
                        fmt::join(h.plans(), ", "),
                        h.collect ? "; those that the way taken leaves out are run" : "");
  text.pop_back();
  return text;
}

}  // namespace ktrain
