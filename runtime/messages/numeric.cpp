#include <array>

#include "runtime/messages/families.h"

namespace ktrain {
namespace {

constexpr auto kMessages = std::to_array<Message>({
    {"KT-NUM-001", Exit::kNonFinite, "a loss term is not finite",
     "A loss became NaN or infinite. The message names the term, the step and the images of the "
     "batch. Nothing was written after the last durable checkpoint."},
    {"KT-NUM-002", Exit::kNonFinite, "an enabled loss term trains nothing",
     "The term has a weight but no path to any trainable parameter: it would be logged and have no "
     "effect. Everything it reads is frozen or detached."},
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
