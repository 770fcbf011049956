// Recoveries and experiments, which make runs one after the other: how far one is at this moment,
// read without disturbing it. Its runs are seen by themselves.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "train/watch/run_view.h"

namespace ktrain {

struct SessionState {
  std::string path, name;  // name: the place beneath the root; "." is the root itself
  std::string kind;        // "recovery", "experiment"
  // "running", "starting", "done", "stopped", "failed", "crashed".
  std::string state;
  Health health = Health::kHealthy;
  std::vector<std::string> reasons;  // why it is not healthy
  std::vector<std::string> notes;    // what could not be read
  std::string stage;                 // what is being done: a node, a run
  // A recovery's decisions, and the nodes of its tree, of which a way takes some; an experiment's
  // runs.
  std::int64_t done = 0, total = 0, failed = 0;  // total 0: not known
  bool held = false;                             // a living process holds the folder
  std::optional<double> seconds_left;            // of an experiment, by the runs so far
};

// Every folder at any depth that holds a recovery (state.json with "recovery") or an experiment
// (DESIGN and design.cfg), sorted by name, without those that --fresh moved away; links are not
// followed. Never throws for what folders hold or lack.
[[nodiscard]] std::vector<SessionState> find_sessions(const std::string& root);

}  // namespace ktrain
