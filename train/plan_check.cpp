#include "train/plan_check.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <set>

#include "data/presets.h"
#include "runtime/fault.h"
#include "train/alignment_plan.h"
#include "train/auxiliary_plan.h"

namespace ktrain {
namespace {

// "optimizer.lr (configs/plan_a.cfg:3:1)"
std::string named(const ResolvedPlan& resolved, std::string_view key) {
  return fmt::format("{} ({})", key, resolved.origin_of(key));
}

void refuse(const ResolvedPlan& resolved, std::string_view key, const std::string& why) {
  throw_fault("KT-CFG-008", "{}: {}", named(resolved, key), why);
}

void check_model(const ResolvedPlan& resolved) {
  const ModelPlan& model = resolved.plan.model;
  if (model.depth != 18 && model.depth != 34 && model.depth != 50 && model.depth != 101)
    refuse(resolved, "model.depth", fmt::format("{}; wanted 18, 34, 50 or 101", model.depth));
  if (model.rpn.negative_iou > model.rpn.positive_iou)
    refuse(resolved, "model.rpn.negative_iou",
           fmt::format("{} is above {} = {}; between them an anchor takes no part",
                       model.rpn.negative_iou, named(resolved, "model.rpn.positive_iou"),
                       model.rpn.positive_iou));
  const std::vector<double>& ratios = model.anchor_ratios;
  if (ratios.size() != 3)
    refuse(resolved, "model.anchor_ratios", fmt::format("{} ratios; wanted 3", ratios.size()));
  if (std::set<double>(ratios.begin(), ratios.end()).size() != ratios.size())
    refuse(resolved, "model.anchor_ratios", "a ratio stands there twice");
}

void check_optimizer(const ResolvedPlan& resolved) {
  const OptimizerPlan& optimizer = resolved.plan.optimizer;
  std::set<std::string> prefixes;
  for (const Multiplier& m : optimizer.multipliers)
    if (!prefixes.insert(m.prefix).second)
      refuse(resolved, "optimizer.multipliers",
             fmt::format("prefix '{}' stands there twice", printable(m.prefix)));
}

void check_schedule(const ResolvedPlan& resolved) {
  const SchedulePlan& schedule = resolved.plan.schedule;
  const bool epochs = schedule.unit == "epoch";
  if (schedule.kind == "multistep" && schedule.milestones.empty())
    refuse(resolved, "schedule.kind",
           "multistep without schedule.milestones never moves; set them "
           "or take constant");
  if (schedule.kind != "cosine") return;
  const std::int64_t end = schedule.end > 0 ? schedule.end
                           : epochs         ? resolved.plan.train.epochs
                                            : 0;
  if (end == 0) return;  // steps, to the end of training: known when the data is
  if (schedule.begin >= end)
    refuse(resolved, "schedule.begin",
           fmt::format("{}; wanted less than the end, {}", schedule.begin, end));
  if (schedule.min_lr > resolved.plan.optimizer.lr)
    refuse(resolved, "schedule.min_lr",
           fmt::format("{} is above {} = {}", schedule.min_lr, named(resolved, "optimizer.lr"),
                       resolved.plan.optimizer.lr));
}

void check_losses(const ResolvedPlan& resolved) {
  const LossPlan& loss = resolved.plan.loss;
  for (const LossTermPlan* term : {&loss.rpn_cls, &loss.rpn_bbox, &loss.roi_cls, &loss.roi_bbox})
    for (const double value : term->weight.value)
      if (value > 0) return;
  refuse(resolved, "loss.rpn_cls.weight", "every loss weight is 0; nothing would be learned");
}

void check_monitor(const ResolvedPlan& resolved) {
  const MonitorPlan& monitor = resolved.plan.monitor;
  if ((monitor.sketch & (monitor.sketch - 1)) != 0)
    refuse(resolved, "monitor.sketch", fmt::format("{}; wanted a power of two", monitor.sketch));
  const std::int64_t times = monitor.window / 16;
  if (monitor.window % 16 != 0 || (times & (times - 1)) != 0)
    refuse(resolved, "monitor.window",
           fmt::format("{}; wanted 16, 32, 64, ...: 16 times a power of two", monitor.window));
  if (monitor.budget_pct == 0 && (monitor.profile == "watch" || monitor.profile == "deep"))
    refuse(
        resolved, "monitor.budget_pct",
        fmt::format("0 leaves no time for a probe, which {} = {} takes; wanted more than 0 %, or "
                    "monitor.profile = off",
                    named(resolved, "monitor.profile"), monitor.profile));
  const RemedyPlan& remedy = resolved.plan.remedy;
  if (remedy.kind != "none" && monitor.profile == "off")
    refuse(resolved, "remedy.kind",
           fmt::format("{} works with what the monitor measures, and {} = off", remedy.kind,
                       named(resolved, "monitor.profile")));
  const auto terms = enabled_auxiliary(resolved.plan.loss);
  if (remedy.kind == "gradnorm" &&
      std::any_of(terms.begin(), terms.end(), [](const auto& t) { return t.first == "domain"; }))
    refuse(
        resolved, "remedy.kind",
        fmt::format("gradnorm balances how fast losses that are above 0 fall; {} = {} {}; wanted "
                    "another remedy, or loss.domain off",
                    named(resolved, "loss.domain.kind"), resolved.plan.loss.domain.kind,
                    resolved.plan.loss.domain.kind == "grl" ? "is trained to rise in the trunk"
                                                            : "can be below 0"));
  if (remedy.kind == "cut" && remedy.groups.empty())
    refuse(resolved, "remedy.kind", "cut without remedy.groups cuts nothing; name some");
}

void check_auxiliary(const ResolvedPlan& resolved) {
  const Plan& plan = resolved.plan;
  for (const auto& [name, term] : enabled_auxiliary(plan.loss)) {
    const std::string key = fmt::format(
        "loss.{}.{}", name,
        resolved.origin_of(fmt::format("loss.{}.weight", name)) == "default" ? "measure"
                                                                             : "weight");
    if (plan.model.streams != "both")
      refuse(resolved, key,
             fmt::format("{} compares both modalities, {} is \"{}\"; wanted \"both\", or the term "
                         "off",
                         name, named(resolved, "model.streams"), plan.model.streams));
  }
  const MaclPlan& macl = plan.loss.macl;
  if (is_enabled(macl) && macl.level == "image" && plan.train.batch <= macl.min_negatives)
    refuse(resolved, "loss.macl.level",
           fmt::format("image: a batch of {} ({}) leaves no pair with {} negatives; take a larger "
                       "batch or \"roi\"",
                       plan.train.batch, named(resolved, "train.batch"), macl.min_negatives));
}

void check_outcome(const ResolvedPlan& resolved) {
  const Plan& plan = resolved.plan;
  if (plan.train.eval_every > plan.train.epochs)
    refuse(resolved, "train.eval_every",
           fmt::format("{}; the run has {} epochs and would never be validated",
                       plan.train.eval_every, plan.train.epochs));
  if (plan.train.keep == 1)
    refuse(resolved, "train.keep", "1; wanted 2 or more, or 0 for all: one alone could be damaged");
  const std::vector<std::int64_t>& kept = plan.train.keep_epochs;
  if (!kept.empty() && (kept.size() > 2 || kept.back() > plan.train.epochs))
    refuse(resolved, "train.keep_epochs",
           fmt::format("wanted [epoch] or [first, last] within the {} epochs of the run",
                       plan.train.epochs));
  if (plan.stop.patience > 0 && resolved.origin_of("stop.threshold") == "default")
    refuse(resolved, "stop.patience", "early stop needs stop.threshold");
  if (plan.stop.patience > 0 && plan.stop.begin > plan.train.epochs)
    refuse(resolved, "stop.begin",
           fmt::format("{}; the run has {} epochs", plan.stop.begin, plan.train.epochs));
}

void check_init(const ResolvedPlan& resolved) {
  const InitPlan& init = resolved.plan.init;
  if (!init.plan.empty() && !init.checkpoint.empty())
    refuse(resolved, "init.checkpoint",
           fmt::format("{} is set as well; the weights start from one of them",
                       named(resolved, "init.plan")));
  const std::filesystem::path plan = std::filesystem::path(init.plan).lexically_normal();
  const bool above = std::count(plan.begin(), plan.end(), std::filesystem::path("..")) > 1;
  if (!init.plan.empty() && (plan.is_absolute() || plan.extension() != ".cfg" || above))
    refuse(
        resolved, "init.plan",
        fmt::format("'{}'; wanted a relative path to a .cfg file in this plan's folder or beside "
                    "it",
                    printable(init.plan)));
  if (init.take != "best" && init.take != "last" && epoch_to_take(init.take) == 0)
    refuse(resolved, "init.take",
           fmt::format("'{}'; wanted best, last or epoch_N with N from 1", printable(init.take)));
}

void check_data(const ResolvedPlan& resolved) {
  const DataPlan& data = resolved.plan.data;
  const std::pair<std::string_view, const Strings*> lists[] = {
      {"data.labels.positive", &data.positive},
      {"data.labels.ignore", &data.ignore},
      {"data.labels.background", &data.background}};
  std::map<std::string_view, std::string_view> seen;
  for (const auto& [key, names] : lists)
    for (const std::string& name : *names)
      if (name != kOwnLabels && !seen.emplace(name, key).second)
        refuse(resolved, key,
               fmt::format("'{}' is in {} as well", printable(name), named(resolved, seen[name])));
  const DataPreset& preset = find_preset(data.preset);
  if (resolve_labels({data.positive, data.ignore, data.background}, preset.labels).positive.empty())
    refuse(resolved, "data.labels.positive",
           "no name is left; nothing would count as a pedestrian");
  if (data.boxes != "auto" && !preset.own_boxes)
    refuse(resolved, "data.boxes",
           fmt::format("{}; layout {} ({}) has one annotation for both images, wanted auto",
                       data.boxes, data.preset, named(resolved, "data.preset")));
}

}  // namespace

void check_plan(const ResolvedPlan& resolved) {
  check_data(resolved);
  check_model(resolved);
  check_optimizer(resolved);
  check_schedule(resolved);
  check_losses(resolved);
  check_monitor(resolved);
  check_auxiliary(resolved);
  check_alignment(resolved);
  check_outcome(resolved);
  check_init(resolved);
}

bool lower_is_better(std::string_view metric) { return metric == "miss_rate"; }

std::int64_t epoch_to_take(std::string_view take) {
  constexpr std::string_view kStart = "epoch_";
  if (!take.starts_with(kStart)) return 0;
  std::int64_t epoch = 0;
  const auto [end, error] =
      std::from_chars(take.data() + kStart.size(), take.data() + take.size(), epoch);
  return error == std::errc{} && end == take.data() + take.size() && epoch > 0 ? epoch : 0;
}

}  // namespace ktrain
