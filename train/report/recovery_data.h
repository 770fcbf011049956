// A recovery's folder: what was decided, on which runs, and what became of its hypotheses.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace ktrain::report {

struct RecoveryData {
  std::string path, name;                  // as given; of the recovery, "recovery"
  nlohmann::json state;                    // of state.json; {} when there is none
  std::vector<nlohmann::json> decisions;   // in order, without hypotheses
  std::vector<nlohmann::json> hypotheses;  // in order
  std::vector<std::string> runs;           // run folders that decisions name, canonical, in order
  std::vector<std::string> gaps;           // what could not be read or found, for people
  bool whole = false;                      // the report is of the recovery, not of some of its runs

  // Whether the record's evidence names this run folder, given canonically.
  [[nodiscard]] bool speaks_of(const nlohmann::json& record, const std::string& run) const;

 private:
  friend std::optional<RecoveryData> read_recovery(const std::string& path);
  // Of the folder that a record names: where it is now, canonical; "" when it is not there.
  [[nodiscard]] std::string place_of(const std::string& written) const;
  std::string runs_root_;    // the --runs folder in which this recovery lies now
  std::size_t dropped_ = 0;  // leading parts of written paths that runs_root_ stands for
};

// Nothing when `path` holds no recovery. Records name their runs as the recovery was told
// ("runs/recovery/plan_a"); they are looked for beside the recovery first, so that a folder that
// was moved, or is looked at from elsewhere, speaks of its own runs and of no others.
[[nodiscard]] std::optional<RecoveryData> read_recovery(const std::string& path);

// Recoveries in the run's folder, in the one above, and beside it, that have decided on the run.
[[nodiscard]] std::vector<RecoveryData> recoveries_of(const std::string& run);

// "" when there is no such folder.
[[nodiscard]] std::string canonical(const std::string& path);

}  // namespace ktrain::report
