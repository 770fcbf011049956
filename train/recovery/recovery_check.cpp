#include "train/recovery/recovery_check.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <map>
#include <set>

#include "runtime/fault.h"
#include "train/nearest.h"

namespace ktrain {
namespace {

using Names = std::set<std::string>;

template <class T>
std::vector<std::string_view> names_of(const std::vector<T>& list) {
  std::vector<std::string_view> names;
  for (const T& entry : list) names.push_back(entry.name);
  return names;
}

void want(std::string_view name, const std::vector<std::string_view>& names,
          const std::string& place, std::string_view what) {
  if (std::find(names.begin(), names.end(), name) != names.end()) return;
  throw_fault("KT-CFG-004", "{}: no {} '{}'; wanted one of {}{}", place, what, printable(name),
              fmt::join(names, ", "), did_you_mean(name, names));
}

// A name becomes a file's or folder's.
void plain_name(std::string_view name, const std::string& place) {
  const bool plain = !name.empty() && name.size() <= 64 &&
                     std::all_of(name.begin(), name.end(), [](unsigned char c) {
                       return std::isalnum(c) || c == '_' || c == '-';
                     });
  if (!plain)
    throw_fault("KT-CFG-008", "{}: '{}' is no name; wanted up to 64 letters, digits, _ and -",
                place, printable(name));
}

void check_node(const RecoveryNode& node) {
  const int actions = !node.run.empty() + node.sweep.has_value() + node.mark.has_value() +
                      !node.compare.empty() + !node.end.empty();
  if (actions > 1)
    throw_fault("KT-CFG-008",
                "{}: nodes.{} has {} of run, sweep, mark, compare and end; wanted at most one",
                node.place, node.name, actions);
  const bool leaves = !node.go.empty() || !node.when.empty();
  if (!node.end.empty() && leaves)
    throw_fault("KT-CFG-008", "{}: nodes.{} is an end and goes on; wanted one of them", node.place,
                node.name);
  if (node.end.empty() && node.go.empty())
    throw_fault("KT-CFG-008", "{}: nodes.{} has no 'go', where to go when no rule holds",
                node.place, node.name);
  if (node.mark && node.mark->from.empty())
    throw_fault("KT-CFG-008", "{}: nodes.{}.mark has no 'from'", node.place, node.name);
}

std::vector<std::string> next_of(const RecoveryNode& node) {
  std::vector<std::string> next;
  for (const RecoveryRule& rule : node.when) next.push_back(rule.go);
  if (!node.go.empty()) next.push_back(node.go);
  return next;
}

// Every order in which the tree can be walked, and what is certain to be there at each node.
class Walk {
 public:
  explicit Walk(Recovery& recovery) : recovery_(recovery) {}

  void run() {
    visit(recovery_.start);
    for (const RecoveryNode& node : recovery_.nodes)
      if (!done_.contains(node.name))
        throw_fault("KT-CFG-008", "{}: nodes.{} is never reached from {}", node.place, node.name,
                    recovery_.start);
    // Reversed postorder: every node after all that lead to it.
    std::reverse(order_.begin(), order_.end());
    for (const std::string& name : order_) check_at(recovery_.node(name));
    std::vector<RecoveryNode> sorted;
    for (const std::string& name : met_) sorted.push_back(recovery_.node(name));
    recovery_.nodes = std::move(sorted);
  }

 private:
  void visit(const std::string& name) {
    met_.push_back(name);
    open_.insert(name);
    for (const std::string& next : next_of(recovery_.node(name))) {
      if (open_.contains(next))
        throw_fault("KT-CFG-008", "{}: nodes.{} leads back to {}; a recovery comes to an end",
                    recovery_.node(name).place, name, next);
      if (!done_.contains(next)) visit(next);
    }
    open_.erase(name);
    done_.insert(name);
    order_.push_back(name);
  }

  void check_at(const RecoveryNode& node) {
    Names& runs = runs_[node.name];
    Names& marks = marks_[node.name];
    const auto ran = [&](const std::string& name, const std::string& place) {
      if (!runs.contains(name))
        throw_fault("KT-CFG-008",
                    "{}: nodes.{} needs the results of '{}', which is not carried "
                    "out on every way there",
                    place, node.name, printable(name));
    };
    const auto can_start = [&](const std::string& name, const std::string& place) {
      const RecoveryPlan& plan = recovery_.plan(name);
      if (!plan.start.empty() && !marks.contains(plan.start))
        throw_fault("KT-CFG-008",
                    "{}: nodes.{} runs {}, which starts from '{}'; that is not marked on every "
                    "way there",
                    place, node.name, plan.name, printable(plan.start));
      if (!plan.after.empty() && plan.start.empty()) ran(plan.after, place);
    };
    if (!node.run.empty()) {
      can_start(node.run, node.place);
      runs.insert(node.run);
    }
    if (!node.end.empty())
      for (const RecoveryHypothesis& h : recovery_.hypotheses)
        if (h.collect)
          for (const std::string& name : h.plans())
            if (!runs.contains(name)) can_start(name, h.place);
    if (node.sweep) {
      ran(node.sweep->of, node.place);
      runs.insert(node.name);
    }
    for (const RecoveryRule& rule : node.when) ran(rule.of, rule.place);
    for (const std::string& name : node.compare) ran(name, node.place);
    if (node.mark) {
      for (const std::string& name : node.mark->from) ran(name, node.place);
      marks.insert(node.mark->as);
    }
    for (const std::string& next : next_of(node)) {
      meet(runs_, next, runs);
      meet(marks_, next, marks);
    }
  }

  // What is certain at `next`: what is so on every way that leads there.
  static void meet(std::map<std::string, Names>& at, const std::string& next, const Names& here) {
    if (at.try_emplace(next, here).second) return;
    Names both;
    std::set_intersection(here.begin(), here.end(), at[next].begin(), at[next].end(),
                          std::inserter(both, both.end()));
    at[next] = both;
  }

  Recovery& recovery_;
  Names open_, done_;
  std::vector<std::string> order_, met_;
  std::map<std::string, Names> runs_, marks_;
};

void check_names(const Recovery& r) {
  const auto plans = names_of(r.plans), levels = names_of(r.levels), nodes = names_of(r.nodes);
  for (const RecoveryPlan& plan : r.plans) {
    plain_name(plan.name, plan.place);
    const bool used = std::any_of(r.nodes.begin(), r.nodes.end(), [&](const RecoveryNode& node) {
      return node.run == plan.name || (node.sweep && node.sweep->on == plan.name);
    });
    const bool collected =
        std::any_of(r.hypotheses.begin(), r.hypotheses.end(), [&](const RecoveryHypothesis& h) {
          const auto names = h.plans();
          return h.collect && std::find(names.begin(), names.end(), plan.name) != names.end();
        });
    if (!used && !collected)
      throw_fault("KT-CFG-008", "{}: plans.{} is run by no node, and no hypothesis collects it",
                  plan.place, plan.name);
  }
  want(r.start, nodes, r.file, "node");
  std::vector<std::string_view> subjects = plans;
  for (const RecoveryNode& node : r.nodes)
    if (node.sweep) subjects.push_back(node.name);
  for (const RecoveryNode& node : r.nodes) {
    plain_name(node.name, node.place);
    check_node(node);
    if (!node.run.empty()) want(node.run, plans, node.place, "plan");
    if (node.sweep) {
      want(node.sweep->of, plans, node.place, "plan");
      want(node.sweep->on, plans, node.place, "plan");
      if (std::find(plans.begin(), plans.end(), node.name) != plans.end())
        throw_fault("KT-CFG-008", "{}: the sweep nodes.{} has the name of a plan", node.place,
                    node.name);
    }
    if (node.mark) plain_name(node.mark->as, node.place);
    for (const std::string& name : node.compare) want(name, plans, node.place, "plan");
    for (const std::string& next : next_of(node)) want(next, nodes, node.place, "node");
    for (const RecoveryRule& rule : node.when) {
      want(rule.of, subjects, rule.place, "run or sweep");
      want(rule.reaches, levels, rule.place, "level");
    }
    if (node.mark)
      for (const std::string& name : node.mark->from)
        want(name, subjects, node.place, "run or sweep");
  }
}

void check_hypotheses(const Recovery& r) {
  const auto plans = names_of(r.plans);
  for (const RecoveryHypothesis& h : r.hypotheses) {
    const bool arms = h.measure == "interaction";
    if (arms ? h.poor.empty() || h.good.empty() : h.runs.empty())
      throw_fault("KT-CFG-008", "{}: hypotheses.{} ({}) has no {}", h.place, h.name, h.measure,
                  arms ? "'poor' and 'good', each [with, without]" : "'runs'");
    for (const std::string& name : h.plans()) want(name, plans, h.place, "plan");
  }
}

}  // namespace

void check_recovery(Recovery& recovery) {
  check_names(recovery);
  check_hypotheses(recovery);
  Walk(recovery).run();
}

}  // namespace ktrain
