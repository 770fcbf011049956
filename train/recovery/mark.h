// A checkpoint under a name that a later plan starts from.
#pragma once

#include <string>

#include "train/file_system.h"
#include "train/recovery/judge.h"
#include "train/run_folder.h"

namespace ktrain {

// Makes <folder>/<as>.safetensors the subject's best checkpoint, in one step, by a hard link where
// the disk has them, and <as>.json its provenance. Returns the file. One that is there and is this
// checkpoint stays. Fault KT-REC-002 when the checkpoint is not what was judged.
std::string mark_checkpoint(FileSystem& files, RunFolder& folder, const Subject& subject,
                            const std::string& as, const std::string& recovery);

}  // namespace ktrain
