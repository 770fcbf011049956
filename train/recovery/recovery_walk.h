// A recovery carried out: from its start to an end, node by node.
#pragma once

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
  // and every decision is derived again and must agree with what was written (KT-REC-001). Returns
  // the exit code: 0, 75 or 130. Throws Fault.
  int run();

 private:
  // What a node did; nothing when a signal came.
  std::optional<OrderedJson> act(const RecoveryNode& node);
  std::optional<OrderedJson> act_run(const RecoveryNode& node);
  std::optional<OrderedJson> act_sweep(const RecoveryNode& node);
  OrderedJson act_mark(const RecoveryNode& node);
  OrderedJson act_compare(const RecoveryNode& node);
  OrderedJson act_end(const RecoveryNode& node);
  // Judges, says which rule holds and where to go.
  std::string decide(const RecoveryNode& node, OrderedJson& record);
  void add(OrderedJson record);
  void state(const std::string& what, const std::string& node);
  [[nodiscard]] Subject subject_of(const LoadedPlan& plan) const;

  const Recovery& recovery_;
  const LoadedPlans& plans_;
  std::string runs_;
  RunFolder& folder_;
  Console& console_;
  const StopSignals& signals_;
  Decisions decisions_;
  std::map<std::string, Subject> subjects_;  // what was run or swept on the way
  int code_ = 0;
};

}  // namespace ktrain
