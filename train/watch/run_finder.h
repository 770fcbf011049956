// The run folders beneath a folder.
#pragma once

#include <string>
#include <vector>

namespace ktrain {

struct FoundRun {
  std::string path;  // root joined with the run's place beneath it
  std::string name;  // its place beneath the root; "." is the root itself
  // An older run that --fresh moved out of the way: NAME.1 made by the plan NAME.
  bool archived = false;
};

// Every folder at any depth that holds what a run writes (STATUS, or run.cfg with scalars.jsonl or
// weights/), sorted by name. Links are not followed; folders that vanish or cannot be read
// meanwhile are passed over.
[[nodiscard]] std::vector<FoundRun> find_runs(const std::string& root);

[[nodiscard]] bool is_run_folder(const std::string& path);

}  // namespace ktrain
