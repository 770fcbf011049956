#include "train/recovery/recovery_walk.h"

#include <csignal>

#include <unistd.h>

#include "runtime/fault.h"
#include "train/checkpoint.h"
#include "train/compare_command.h"
#include "train/recovery/hypothesis.h"
#include "train/recovery/mark.h"
#include "train/recovery/sweep.h"
#include "train/run_state.h"
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

// Whether the run has come to its end, by this very plan on this very data.
bool is_complete(const LoadedPlan& plan, const Notice& notice) {
  const auto last = take_checkpoint(real_file_system(), plan.folder + "/weights", "last", notice);
  if (!last || last->metadata("ended").empty()) return false;
  check_made_by(*last, plan.resolved.plan);
  check_identity(last->path(), last->metadata(),
                 {{"data.train", plan.train_hash}, {"data.val", plan.val_hash}});
  return true;
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
    state("running", name);
    std::optional<OrderedJson> record;
    try {
      record = act(node);
    } catch (const std::exception&) {
      state("failed", name);  // the error itself is the command's to tell
      throw;
    }
    if (!record) {
      state("stopped", name);
      console_.result(fmt::format("{}: stopped on request in node {}; the same command goes on",
                                  recovery_.name, name));
      return code_;
    }
    name = decide(node, *record);
    add(std::move(*record));
  }
  for (const RecoveryHypothesis& hypothesis : recovery_.hypotheses)
    add(test_hypothesis(recovery_, hypothesis, plans_, subjects_));
  state("done", "");
  console_.result(fmt::format("decisions {0}/recovery.md, {0}/decisions.jsonl", folder_.path()));
  return 0;
}

void RecoveryWalk::add(OrderedJson record) {
  const OrderedJson& written = decisions_.add(std::move(record));
  console_.record(written.dump());
  console_.result(decision_text(written) + (decisions_.was_known() ? "  (as before)" : ""));
}

void RecoveryWalk::state(const std::string& what, const std::string& node) {
  OrderedJson json = {{"state", what},
                      {"recovery", recovery_.name},
                      {"node", node},
                      {"doing", node.empty() ? "" : duty(recovery_.node(node))},
                      {"decisions", decisions_.records().size()},
                      {"nodes", recovery_.nodes.size()},
                      {"process", ::getpid()}};
  folder_.write("state.json", json.dump() + "\n");
}

std::optional<OrderedJson> RecoveryWalk::act(const RecoveryNode& node) {
  std::optional<OrderedJson> did;
  if (!node.run.empty())
    did = act_run(node);
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

std::optional<OrderedJson> RecoveryWalk::act_run(const RecoveryNode& node) {
  const LoadedPlan& plan = plans_.at(node.run);
  const Notice notice = [&](const std::string& line) { console_.text("notice    " + line); };
  if (is_complete(plan, notice)) {
    console_.text(fmt::format("run       {} is complete in {}", node.run, plan.folder));
  } else {
    Trainer trainer(plan.resolved,
                    {.folder = plan.folder,
                     .runs = runs_,
                     .prerequisite = plan.prerequisite ? &plan.prerequisite->resolved : nullptr,
                     .fresh = false},
                    console_);
    code_ = exit_code(trainer.run(signals_));
    if (code_ != 0) return std::nullopt;
  }
  const Subject& s = subjects_[node.run] = subject_of(plan);
  OrderedJson json = {{"kind", "run"}, {"did", fmt::format("ran {}", node.run)}};
  json["evidence"][node.run] = s.evidence();
  return json;
}

Subject RecoveryWalk::subject_of(const LoadedPlan& plan) const {
  RunHistory history = read_run_history(plan.folder);
  Subject out{.name = plan.entry->name, .folder = plan.folder, .state = history.ended};
  out.validations = std::move(history.validations);
  out.best = best_index(out.validations, recovery_.metric);
  out.train_hash = history.train_hash;
  out.val_hash = history.val_hash;
  out.checkpoint = plan.folder + "/weights/best.safetensors";
  const auto best = take_checkpoint(real_file_system(), plan.folder + "/weights", "best");
  if (out.best < 0 || !best || best->step() != out.best_record().step)
    throw_fault(
        "KT-REC-002", "{}: wanted the checkpoint of the best validation, step {}; step {} is there",
        out.checkpoint, out.best < 0 ? -1 : out.best_record().step, best ? best->step() : -1);
  out.hash = best->payload_hash();
  return out;
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
  ComparisonOptions options;
  const Comparison c = compare_runs({left.folder, right.folder}, options);
  const std::string text = comparison_text(c, options);
  folder_.write(fmt::format("compare/{}.txt", node.name), text);
  folder_.write(fmt::format("compare/{}.json", node.name), comparison_json(c, options) + "\n");
  console_.text(text);
  OrderedJson json = {{"kind", "compare"},
                      {"did", fmt::format("compared {} with {}", node.compare[1], node.compare[0])},
                      {"of", node.compare[1]},
                      {"minus", node.compare[0]}};
  for (const SettingRow& row : c.settings) json["settings"].push_back(row.key);
  const PairedComparison& pair = c.pairs.at(0);
  json["refused"] = pair.refused.empty() ? OrderedJson(nullptr) : OrderedJson(pair.refused);
  for (const MetricDifference& d : pair.differences) json["differences"].push_back(to_json(d));
  for (const std::string& name : node.compare)
    json["evidence"][name] = subjects_.at(name).evidence();
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
