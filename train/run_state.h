// What a checkpoint of a run holds beside the weights, and how a run goes on from one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/checkpoint.h"
#include "train/data_set.h"
#include "train/early_stop.h"
#include "train/load_weights.h"
#include "train/plan_load.h"
#include "train/training_step.h"

namespace ktrain {

// How far a run has come. Everything else is a function of the plan, the data and the step.
struct Progress {
  std::int64_t step = 0;             // steps done
  std::int64_t epoch = 0;            // epochs done
  std::int64_t validated_epoch = 0;  // the last one whose validation has been taken in
  std::string ended;                 // "", "done" or "stopped early"
  // CPU threads of the last part. oneDNN splits some sums by it, so the last bits depend on it.
  std::int64_t threads = 0;
};

// What must agree for two runs to be the same: every key of the plan on which results depend, as
// "plan.<key>", and the hashes of both lists, "data.train" and "data.val".
[[nodiscard]] Metadata identity_of(const Plan& plan, const DataSet& data);

// The weights, the optimizer's state, the average, what the auxiliary losses and the monitor keep.
[[nodiscard]] std::vector<NamedArray> state_arrays(const TrainingStep& training);
[[nodiscard]] Metadata state_metadata(const Metadata& identity, const Progress& progress,
                                      const EarlyStop& stop, const std::string& init);

// Weights, optimizer, average, auxiliary losses and early stop from a checkpoint of the same run,
// bit for bit. KT-CKPT-002 with the differences when it is another's.
[[nodiscard]] Progress restore_state(const LoadedCheckpoint& from, const Metadata& identity,
                                     TrainingStep& training, EarlyStop& stop);

// The number of threads that the newest checkpoint in the folder was computed with; none when there
// is no checkpoint whose header can be read.
[[nodiscard]] std::optional<std::int64_t> threads_of_run(FileSystem& files,
                                                         const std::string& folder);

// KT-CKPT-002 unless the checkpoint was made by `plan`: the keys of the plan must agree.
void check_made_by(const LoadedCheckpoint& from, const Plan& plan);

}  // namespace ktrain
