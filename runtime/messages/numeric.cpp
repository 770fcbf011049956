#include <array>

#include "runtime/messages/families.h"

namespace ktrain {
namespace {

constexpr auto kMessages = std::to_array<Message>({
    {"KT-NUM-001", Exit::kNonFinite, "a loss term is not finite",
     "A loss became NaN or infinite. The message names the term, the step and the images of the "
     "batch. Nothing was written after the last durable checkpoint."},
    {"KT-NUM-002", Exit::kNonFinite, "an enabled loss term trains nothing",
     "The term has a weight but no path to any trainable parameter, or a term of the detector none "
     "to the outputs of its head or to the pyramid of a stream that is trained: it would be logged "
     "and have no effect, or not the one it should. Everything it reads is frozen or detached."},
    {"KT-NUM-003", Exit::kNonFinite, "a loss term or its gradient is not finite",
     "The gradient of one loss term, taken by itself at the pyramids (an auxiliary term) or at the "
     "outputs of its head (a term of the detector), is NaN or infinite. The message names the term "
     "and the step. No weight was changed."},
    {"KT-NUM-004", Exit::kNonFinite, "no pair arrives at a loss term",
     "The term is on, but in its first 20 steps no batch held a pair that it could compare: too "
     "few "
     "boxes, too small a batch, or negatives that are all excluded. A term without pairs is logged "
     "as 0 and trains nothing; a run that is said to use it would not."},
    {"KT-NUM-005", Exit::kNonFinite, "a loss term is constantly zero",
     "Pairs arrive, but the term has been exactly 0 in its first 20 steps. Of the detector's box "
     "terms only steps count whose batches hold a pedestrian."},
    {"KT-NUM-006", Exit::kNonFinite, "a loss term is not connected to the detector",
     "The term has a value, but its gradient into the features of both streams (of a term of the "
     "detector: at the outputs of its head) has been exactly 0 in its first 20 steps: somewhere on "
     "the way a gradient is stopped. It would be logged, and train nothing but its own projections "
     "at best."},
    {"KT-NUM-007", Exit::kNonFinite, "a loss weight is not applied",
     "The weight with which a term enters the total was measured, by moving the term and looking "
     "at "
     "the total, and differs from the configured one by more than 1 %; or the scalar that is "
     "trained "
     "is not the sum that the terms and weights make. The measurement is taken at the start, at "
     "each epoch and at each point of a schedule; see docs/losses.md."},
    {"KT-NUM-010", Exit::kNonFinite, "the watched validation metric is missing or not a number",
     "stop.metric chooses the best checkpoint and decides on early stop. A value that is missing, "
     "NaN or infinite is a failure: counted as good or skipped, it would let a broken run go on."},
    {"KT-NUM-020", Exit::kNonFinite, "a tensor to be saved is not finite",
     "A weight, an average or an optimizer state holds a NaN or an infinity. ktrain does not save "
     "such a state: a run that resumed from it could never recover. The message names the tensor; "
     "the last durable checkpoint is untouched."},
    {"KT-NUM-021", Exit::kNonFinite, "a gradient is not finite",
     "The global gradient norm is NaN or infinite although every loss term is finite. The message "
     "names the first parameter with such a gradient. No weight was changed; lower optimizer.lr, "
     "or clip earlier with optimizer.clip."},
});

}  // namespace

std::span<const Message> numeric_messages() { return kMessages; }

}  // namespace ktrain
