// One run of one plan in its folder: train, validate, keep checkpoints, stop by rule or on request.
#pragma once

#include <memory>
#include <string>

#include "train/console.h"
#include "train/plan_load.h"
#include "train/stop_signals.h"

namespace ktrain {

enum class RunEnd { kDone, kStoppedEarly, kPreempted, kInterrupted };
[[nodiscard]] int exit_code(RunEnd end);

struct TrainerOptions {
  std::string folder;  // of this run
  std::string runs;    // where the prerequisite's run folder lies
  const ResolvedPlan* prerequisite = nullptr;
  bool fresh = false;  // an older run in the folder is moved away, once plan and data are good
};

class Trainer {
 public:
  // Reads data and the newest checkpoint of the folder, if there is one, and goes on from there; a
  // folder of another plan is refused (KT-CKPT-002). Without a checkpoint the weights start as the
  // plan says. Throws Fault.
  Trainer(const ResolvedPlan& resolved, const TrainerOptions& options, Console& console);
  ~Trainer();

  // To the end of the plan, or to the step in which a signal came. A run that is complete already
  // prints its report again and returns. On a Fault, STATUS says what it was.
  RunEnd run(const StopSignals& signals);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ktrain
