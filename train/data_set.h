// The data of a run: folder, training and validation pairs, from the data keys of a plan.
#pragma once

#include <memory>
#include <string>

#include "data/loader.h"
#include "data/pair_index.h"
#include "train/folder_lock.h"
#include "train/plan.h"

namespace ktrain {

struct RunList {
  std::string name;
  PairIndex index;
  std::int64_t positive = 0, ignored = 0, empty = 0;  // boxes, boxes, pairs without a positive
};

struct DataSet {
  std::unique_ptr<DataFolder> folder;
  RunList train, val;
};

// Reads both lists and every annotation. data.preset "synth" writes the built-in set first when it
// is missing, and says so by `notice`. Throws Fault KT-DATA-* at the first problem, KT-CFG-008 when
// a key that the preset needs is not set, KT-DATA-032 when a pair is in both lists.
[[nodiscard]] DataSet open_data_set(const DataPlan& plan, std::int64_t threads,
                                    const Notice& notice);

// Training: shuffled, flipped, every pair at least once in an epoch.
[[nodiscard]] LoaderOptions train_loader_options(const Plan& plan);
// Validation: every pair exactly once, in the order of the list.
[[nodiscard]] LoaderOptions val_loader_options(const Plan& plan);

// Two lines: pairs, boxes and the hash of each list.
[[nodiscard]] std::string data_table(const DataPlan& plan, const DataSet& data);

}  // namespace ktrain
