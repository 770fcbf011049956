#include <array>

#include "runtime/messages/families.h"

namespace ktrain {
namespace {

constexpr auto kMessages = std::to_array<Message>({
    {"KT-CFG-001", Exit::kPlan, "unknown key in a plan",
     "Every key of a plan must be known: a misspelt key would otherwise train with the default. "
     "The message names file, line and column and the nearest known key. `ktrain explain plan` "
     "lists all keys."},
    {"KT-CFG-002", Exit::kPlan, "a value of the wrong type",
     "The key wants another kind of value: text needs quotes in a file, an integer has no decimal "
     "point, a list stands in brackets. The message shows what was found and what is wanted."},
    {"KT-CFG-003", Exit::kPlan, "a value out of range",
     "The value has the right type but lies outside the limits that `ktrain explain KEY` shows. "
     "nan and inf are never in range."},
    {"KT-CFG-004", Exit::kPlan, "no such choice",
     "The key takes one of a few names. The message lists them, and the nearest one."},
    {"KT-CFG-005", Exit::kPlan, "not TOML",
     "The plan's text breaks the rules of TOML at the place named: a key set twice, a missing "
     "quote, a NUL byte. See https://toml.io for the rules."},
    {"KT-CFG-006", Exit::kPlan, "an include that is refused",
     "A base must be a relative path to a .cfg file in the plan's folder, below it, or in a folder "
     "beside it; it must not include itself, nor lie more than 8 files deep."},
    {"KT-CFG-007", Exit::kPlan, "a plan beyond the limits",
     "A plan has at most 256 KiB and 16 levels of brackets or dots. Larger ones are not read, so "
     "that a file from elsewhere cannot exhaust the machine."},
    {"KT-CFG-008", Exit::kPlan, "keys that contradict each other",
     "Each value is fine by itself, but not together with another. The message names the keys, "
     "where they were set, and what would do."},
    {"KT-CFG-009", Exit::kNoInput, "a plan cannot be read",
     "The file does not exist, is not a regular file or may not be read. Paths are relative to the "
     "working folder."},
    {"KT-CFG-010", Exit::kUsage, "--set needs key=value",
     "Write --set optimizer.lr=1e-4; text needs no quotes, lists do: --set data.size=[320,256]. "
     "The same checks apply as in a file."},
    {"KT-CLI-001", Exit::kUsage, "the command line is wrong",
     "A command or option is unknown, missing or has a value that is not allowed. `ktrain --help` "
     "lists the commands, `ktrain COMMAND --help` the options of one."},
    {"KT-CLI-002", Exit::kUsage, "nothing is known about this topic",
     "`ktrain explain` knows message ids, exit codes and the keys of a plan. `ktrain explain "
     "messages` and `ktrain explain plan` list them."},
    {"KT-CLI-006", Exit::kUsage, "a run's monitor has no such quantity",
     "`ktrain monitor RUN --quantity NAME` takes the log names that docs/monitor_statistics.md "
     "lists, with '*' for any part. Which of them a run has depends on its losses, its model and "
     "the monitor's profile; the message names the nearest."},
});

}  // namespace

std::span<const Message> config_messages() { return kMessages; }

}  // namespace ktrain
