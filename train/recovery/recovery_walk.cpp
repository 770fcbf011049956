#include "train/recovery/recovery_walk.h"

#include <algorithm>
#include <csignal>

#include <unistd.h>

#include "runtime/fault.h"
#include "train/compare_command.h"
#include "train/divergence.h"
#include "train/recovery/hypothesis.h"
#include "train/recovery/mark.h"
#include "train/recovery/plan_run.h"
#include "train/recovery/sweep.h"
#include "train/trainer.h"

namespace ktrain {
namespace {

std::string duty(const RecoveryNode& node) {
  if (!node.run.empty()) return "run " + node.run;
  if (node.sweep) return "sweep " + node.sweep->of;
  if (node.mark) return "mark " + node.mark->as;
  if (!node.compare.empty()) return fmt::format("compare {}", fmt::join(node.compare, ", "));
  return node.end.empty() ? "decide" : "end";
}

}  // namespace

RecoveryWalk::RecoveryWalk(const Recovery& recovery, const LoadedPlans& plans,
                           const std::string& runs, RunFolder& folder, Console& console,
                           const StopSignals& signals)
    : recovery_(recovery),
      plans_(plans),
      runs_(runs),
      folder_(folder),
      console_(console),
      signals_(signals),
      decisions_(folder, recovery) {}

int RecoveryWalk::run() {
  for (std::string name = recovery_.start; !name.empty();) {
    const RecoveryNode& node = recovery_.node(name);
    console_.text(fmt::format("\nnode      {}: {}", name, duty(node)));
    std::optional<OrderedJson> record = guarded(name, duty(node), [&] { return act(node); });
    if (!record) return code_;
    name = decide(node, *record);
    add(std::move(*record));
  }
  for (const RecoveryHypothesis& hypothesis : recovery_.hypotheses)
    if (!collect(hypothesis)) return code_;
  for (const RecoveryHypothesis& hypothesis : recovery_.hypotheses)
    add(test_hypothesis(recovery_, hypothesis, plans_, subjects_));
  state("done", "", "");
  console_.result(fmt::format("decisions {0}/recovery.md, {0}/decisions.jsonl", folder_.path()));
  return 0;
}

std::optional<OrderedJson> RecoveryWalk::guarded(
    const std::string& node, const std::string& doing,
    const std::function<std::optional<OrderedJson>()>& work) {
  state("running", node, doing);
  std::optional<OrderedJson> record;
  try {
    record = work();
  } catch (const std::exception&) {
    state("failed", node, doing);  // the error itself is the command's to tell
    throw;
  }
  if (record) return record;
  state("stopped", node, doing);
  console_.result(
      fmt::format("{}: stopped on request in {}; the same command goes on", recovery_.name, node));
  return record;
}

bool RecoveryWalk::collect(const RecoveryHypothesis& hypothesis) {
  if (!hypothesis.collect) return true;
  const std::string place = "hypotheses." + hypothesis.name;
  for (const std::string& name : hypothesis.plans()) {
    if (subjects_.contains(name)) continue;
    console_.text(fmt::format("\n{}: run {}, which the way taken has left out", place, name));
    const auto did = guarded(place, "run " + name, [&] { return carry_out(name); });
    if (!did) return false;
    OrderedJson record = {{"kind", "collect"},
                          {"node", place},
                          {"say", "evidence that the way taken has left out; decides nothing"}};
    record.update(*did);
    record["kind"] = "collect";
    add(std::move(record));
  }
  return true;
}

void RecoveryWalk::add(OrderedJson record) {
  const OrderedJson& written = decisions_.add(std::move(record));
  console_.record(written.dump());
  console_.result(decision_text(written) + (decisions_.was_known() ? "  (as before)" : ""));
}

void RecoveryWalk::state(const std::string& what, const std::string& node,
                         const std::string& doing) {
  OrderedJson json = {{"state", what},
                      {"recovery", recovery_.name},
                      {"node", node},
                      {"doing", doing},
                      {"decisions", decisions_.records().size()},
                      {"nodes", recovery_.nodes.size()},
                      {"process", ::getpid()}};
  folder_.write("state.json", json.dump() + "\n");
}

std::optional<OrderedJson> RecoveryWalk::act(const RecoveryNode& node) {
  std::optional<OrderedJson> did;
  if (!node.run.empty())
    did = carry_out(node.run);
  else if (node.sweep)
    did = act_sweep(node);
  else if (node.mark)
    did = act_mark(node);
  else if (!node.compare.empty())
    did = act_compare(node);
  else if (!node.end.empty())
    did = act_end(node);
  else
    did = OrderedJson{{"kind", "decide"}, {"did", "decided"}};
  if (!did) return std::nullopt;
  OrderedJson record = {{"kind", (*did)["kind"]}, {"node", node.name}, {"say", node.say}};
  record.update(*did);
  return record;
}

std::optional<OrderedJson> RecoveryWalk::carry_out(const std::string& name) {
  const LoadedPlan& plan = plans_.at(name);
  const Notice notice = [&](const std::string& line) { console_.text("notice    " + line); };
  const FoundRun found = find_run(plan, notice);
  check_start_of(plan, found.init);
  std::string failure = builds_on(plan) ? "" : found.failure;
  if (found.complete)
    console_.text(fmt::format("run       {} is complete in {}", name, plan.folder));
  else if (failure.empty() && !train(plan, failure))
    return std::nullopt;
  const Subject& s = subjects_[name] = subject_of(plan, recovery_.metric, failure);
  OrderedJson json = {
      {"kind", "run"},
      {"did", failure.empty() ? fmt::format("ran {}", name)
                              : fmt::format("ran {}, which failed: {}", name, failure)}};
  json["evidence"][name] = s.evidence();
  return json;
}

bool RecoveryWalk::train(const LoadedPlan& plan, std::string& failure) {
  try {
    Trainer trainer(plan.resolved,
                    {.folder = plan.folder,
                     .runs = runs_,
                     .prerequisite = plan.prerequisite ? &plan.prerequisite->resolved : nullptr,
                     .fresh = false},
                    console_);
    code_ = exit_code(trainer.run(signals_));
  } catch (const Fault& fault) {
    // A run that diverges has failed, and that is a result: the tree says what comes then.
    if (!is_divergence(fault.id()) || builds_on(plan)) throw;
    failure = fault.what();
    console_.text(fmt::format("failed    {}: {}", plan.entry->name, failure));
  }
  return code_ == 0;
}

bool RecoveryWalk::builds_on(const LoadedPlan& plan) const {
  const bool before = std::any_of(plans_.begin(), plans_.end(), [&](const auto& entry) {
    return entry.second.prerequisite == &plan;
  });
  return before ||
         std::any_of(recovery_.nodes.begin(), recovery_.nodes.end(), [&](const RecoveryNode& node) {
           return node.sweep && node.sweep->of == plan.entry->name;
         });
}

void RecoveryWalk::check_start_of(const LoadedPlan& plan, const std::string& init) const {
  const std::string& start = plan.entry->start;
  if (!start.empty())
    check_start(plan, init, "the mark " + start, marks_.at(start));
  else if (plan.prerequisite && plan.resolved.plan.init.take == "best")
    check_start(plan, init, plan.prerequisite->entry->name,
                subjects_.at(plan.prerequisite->entry->name).hash);
}

std::optional<OrderedJson> RecoveryWalk::act_sweep(const RecoveryNode& node) {
  auto found = sweep_checkpoints(node, plans_, recovery_, folder_, console_, signals_);
  if (!found) {
    code_ = exit_code(signals_.pending() == SIGINT ? RunEnd::kInterrupted : RunEnd::kPreempted);
    return std::nullopt;
  }
  const Subject& s = subjects_[node.name] = std::move(*found);
  OrderedJson json = {
      {"kind", "sweep"},
      {"did", fmt::format("evaluated epochs {} to {} of {} on the data of {}", node.sweep->first,
                          node.sweep->last, node.sweep->of, node.sweep->on)}};
  json["evidence"][node.name] = s.evidence();
  return json;
}

OrderedJson RecoveryWalk::act_mark(const RecoveryNode& node) {
  std::vector<const Subject*> from;
  for (const std::string& name : node.mark->from) from.push_back(&subjects_.at(name));
  const Subject& best = better_of(recovery_, from);
  const std::string file =
      mark_checkpoint(real_file_system(), folder_, best, node.mark->as, recovery_.name);
  marks_[node.mark->as] = best.hash;
  OrderedJson json = {
      {"kind", "mark"},
      {"did", fmt::format("marked the best checkpoint of {} as {}", best.name, node.mark->as)},
      {"of", best.name},
      {"mark", file}};
  for (const Subject* const s : from) json["evidence"][s->name] = s->evidence();
  return json;
}

OrderedJson RecoveryWalk::act_compare(const RecoveryNode& node) {
  const LoadedPlan& left = plans_.at(node.compare[0]);
  const LoadedPlan& right = plans_.at(node.compare[1]);
  OrderedJson json = {{"kind", "compare"},
                      {"did", fmt::format("compared {} with {}", node.compare[1], node.compare[0])},
                      {"of", node.compare[1]},
                      {"minus", node.compare[0]}};
  for (const SettingRow& row : differing_settings({&left.resolved.plan, &right.resolved.plan}, {}))
    json["settings"].push_back(row.key);
  std::string failures;
  for (const std::string& name : node.compare) {
    const Subject& s = subjects_.at(name);
    json["evidence"][name] = s.evidence();
    if (!s.failure.empty())
      failures += fmt::format("{}{} failed: {}", failures.empty() ? "" : "; ", name, s.failure);
  }
  if (!failures.empty()) {
    json["did"] = fmt::format("did not compare {} with {}", node.compare[1], node.compare[0]);
    json["refused"] = failures;
    return json;
  }
  ComparisonOptions options;
  const Comparison c = compare_runs({left.folder, right.folder}, options);
  const std::string text = comparison_text(c, options);
  folder_.write(fmt::format("compare/{}.txt", node.name), text);
  folder_.write(fmt::format("compare/{}.json", node.name), comparison_json(c, options) + "\n");
  console_.text(text);
  const PairedComparison& pair = c.pairs.at(0);
  json["refused"] = pair.refused.empty() ? OrderedJson(nullptr) : OrderedJson(pair.refused);
  for (const MetricDifference& d : pair.differences) json["differences"].push_back(to_json(d));
  return json;
}

OrderedJson RecoveryWalk::act_end(const RecoveryNode& node) {
  return {{"kind", "end"}, {"did", node.end}};
}

std::string RecoveryWalk::decide(const RecoveryNode& node, OrderedJson& record) {
  std::string next = node.go, rule, say;
  bool decided = false;
  for (const RecoveryRule& r : node.when) {
    const Subject& subject = subjects_.at(r.of);
    const Verdict verdict = judge(recovery_, recovery_.level(r.reaches), subject);
    record["checks"].push_back(verdict.json());
    record["evidence"][r.of] = subject.evidence();
    if (!verdict.holds) continue;
    next = r.go;
    rule = fmt::format("{} reaches {}, so {}", r.of, r.reaches, r.go);
    say = r.say;
    decided = true;
    break;
  }
  if (!decided && !next.empty())
    rule = node.when.empty() ? fmt::format("always {}", next)
                             : fmt::format("no rule holds, so {}", next);
  record["rule"] = say.empty() ? rule : fmt::format("{} ({})", rule, say);
  record["next"] = next;
  return next;
}

}  // namespace ktrain
