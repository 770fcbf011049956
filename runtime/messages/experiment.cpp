#include <array>

#include "runtime/messages/families.h"

namespace ktrain {
namespace {

constexpr auto kMessages = std::to_array<Message>({
    {"KT-EXP-001", Exit::kPlan, "the design has changed since the first run",
     "A design is fixed before its first run: the rule, the arms and the seeds are what makes the "
     "verdict worth something. Runs that are there were made by another one. Give the changed "
     "design another name, or bring the old one back; a copy is in the experiment's folder."},
    {"KT-EXP-002", Exit::kNonFinite, "a warm start failed",
     "Every arm of a seed goes on from the seed's warm start. Its STATUS and train.log say what "
     "happened. An experiment whose warm start does not train wants another plan, and another "
     "name."},
    {"KT-EXP-003", Exit::kNoInput, "there is no run to analyse",
     "`--analyse-only` reads the folders of runs that are done. Run the experiment without it, or "
     "name the folder of run folders with --runs."},
});

}  // namespace

std::span<const Message> experiment_messages() { return kMessages; }

}  // namespace ktrain
