// A recovery carried out: from its start to an end, node by node.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "train/console.h"
#include "train/recovery/decisions.h"
#include "train/recovery/recovery_plans.h"
#include "train/stop_signals.h"

namespace ktrain {

class RecoveryWalk {
 public:
  // `folder` is the recovery's, held. `plans` have their data read.
  RecoveryWalk(const Recovery& recovery, const LoadedPlans& plans, const std::string& runs,
               RunFolder& folder, Console& console, const StopSignals& signals);

  // To an end, or to a signal. Runs that are complete are not repeated, those that were cut go on,
  // and every decision is derived again and must agree with what was written (KT-REC-001). A run
  // that diverges has failed and reaches no level; the tree goes on, unless other runs build on it.
  // At the end the runs that hypotheses collect are carried out, and hypotheses tested. Returns the
  // exit code: 0, 75 or 130. Throws Fault.
  int run();

 private:
  // What a node did; nothing when a signal came.
  std::optional<OrderedJson> act(const RecoveryNode& node);
  std::optional<OrderedJson> act_sweep(const RecoveryNode& node);
  OrderedJson act_mark(const RecoveryNode& node);
  OrderedJson act_compare(const RecoveryNode& node);
  OrderedJson act_end(const RecoveryNode& node);
  // Judges, says which rule holds and where to go.
  std::string decide(const RecoveryNode& node, OrderedJson& record);
  // Work under state.json: running, then stopped or failed where it comes to that.
  std::optional<OrderedJson> guarded(const std::string& node, const std::string& doing,
                                     const std::function<std::optional<OrderedJson>()>& work);
  // Runs what a hypothesis lacks. False when a signal came.
  bool collect(const RecoveryHypothesis& hypothesis);
  // A plan to its end, or to where it fails.
  std::optional<OrderedJson> carry_out(const std::string& name);
  // False when a signal came; `failure` says why the run failed, if it did.
  bool train(const LoadedPlan& plan, std::string& failure);
  // Whether other runs start from this one's checkpoints.
  [[nodiscard]] bool builds_on(const LoadedPlan& plan) const;
  void check_start_of(const LoadedPlan& plan, const std::string& init) const;
  void add(OrderedJson record);
  void state(const std::string& what, const std::string& node, const std::string& doing);

  const Recovery& recovery_;
  const LoadedPlans& plans_;
  std::string runs_;
  RunFolder& folder_;
  Console& console_;
  const StopSignals& signals_;
  Decisions decisions_;
  std::map<std::string, Subject> subjects_;   // what was run or swept on the way
  std::map<std::string, std::string> marks_;  // hash of each mark's checkpoint
  int code_ = 0;
};

}  // namespace ktrain
