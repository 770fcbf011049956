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
});

}  // namespace

std::span<const Message> numeric_messages() { return kMessages; }

}  // namespace ktrain
