// The catalogue of everything that ktrain may refuse, a file per family. Ids are never reused.
#pragma once

#include "runtime/fault.h"

namespace ktrain {

std::span<const Message> bug_messages();         // KT-BUG: an invariant of ktrain is broken
std::span<const Message> config_messages();      // KT-CFG: plans, settings and the command line
std::span<const Message> checkpoint_messages();  // KT-CKPT
std::span<const Message> data_messages();        // KT-DATA: images, annotations, lists
std::span<const Message> eval_messages();  // KT-EVAL: annotations and results of an evaluation
std::span<const Message> experiment_messages();  // KT-EXP: pre-registered experiments
std::span<const Message> io_messages();          // KT-IO: disks and folders
std::span<const Message> numeric_messages();     // KT-NUM: non-finite values, loss terms
std::span<const Message> system_messages();      // KT-SYS: devices, memory, threads

}  // namespace ktrain
