#include <array>

#include "runtime/messages/families.h"

namespace ktrain {
namespace {

constexpr auto kMessages = std::to_array<Message>({
    {"KT-CMP-001", Exit::kNoInput, "not the folder of a run",
     "`ktrain compare` reads what a run has written: run.cfg and scalars.jsonl. Name the folder of "
     "a run, as the console shows it under `folder`."},
    {"KT-CMP-002", Exit::kData, "a run's records are broken",
     "A line of scalars.jsonl or monitor.jsonl is not what a run writes. The message names file "
     "and line. Nothing is computed from records of which a part is missing."},
    {"KT-CMP-003", Exit::kData, "a validation cannot be scored again",
     "For an interval the boxes of a validation are matched to the annotated ones anew. The file "
     "with the boxes is missing, or the data set has changed since."},
    {"KT-CMP-004", Exit::kNoInput, "a run has no such validation",
     "The run has not been validated at that epoch, or not at all. results.csv lists its "
     "validations."},
    {"KT-REC-001", Exit::kData, "a decision is not the one that was written",
     "decisions.jsonl of a recovery holds what was decided and from what. Made again from the runs "
     "as they are now, a decision came out differently: a run, a checkpoint, the data or the "
     "recovery file has changed. Put back what changed, or start over with --fresh, which keeps "
     "the older folder under another name."},
    {"KT-REC-002", Exit::kCheckpoint, "a checkpoint that a decision needs is missing",
     "A sweep or a mark needs a checkpoint that the run has not kept. Plans keep the newest ones "
     "only, unless train.keep_epochs or train.keep says otherwise."},
    {"KT-REC-003", Exit::kPlan, "a recovery file is given as a plan",
     "A recovery file names plans and what to decide between them. `ktrain recover FILE` carries "
     "it out; `ktrain FILE` trains by one plan."},
    {"KT-REC-004", Exit::kNonFinite, "no run is left to take a checkpoint from",
     "A run that ends by its own numbers (a loss or a gradient that is not finite) has failed: the "
     "recovery records that and goes on. Here a checkpoint was to be taken from the best of some "
     "runs, and all of them have failed. Add a run that does not, or lower their rates."},
});

}  // namespace

std::span<const Message> recovery_messages() { return kMessages; }

}  // namespace ktrain
