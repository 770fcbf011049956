// A look at all runs: for people and for programs.
#pragma once

#include <string>
#include <vector>

#include "train/watch/machine_state.h"
#include "train/watch/run_finder.h"
#include "train/watch/run_view.h"
#include "train/watch/session_view.h"

namespace ktrain {

struct SeenRun {
  FoundRun found;
  RunState state;
};

struct Look {
  std::string root;
  std::string time;                    // UTC
  std::vector<SeenRun> runs;           // without those that were archived
  std::vector<SessionState> sessions;  // recoveries and experiments
  std::int64_t archived = 0;
  MachineState machine;

  // 0 healthy, 1 nothing found, 2 degraded, 3 stopped, 4 crashed: the worst of all runs,
  // recoveries and experiments.
  [[nodiscard]] int exit_code() const;
};

// Lines without an end. `color`: with ANSI colours. Text from files is made printable.
[[nodiscard]] std::vector<std::string> look_text(const Look& look, bool color);
// One JSON object in one line.
[[nodiscard]] std::string look_json(const Look& look);

}  // namespace ktrain
