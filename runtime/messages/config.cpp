#include <array>

#include "runtime/messages/families.h"

namespace ktrain {
namespace {

constexpr auto kMessages = std::to_array<Message>({
    {"KT-CFG-001", Exit::kPlan, "unknown key in a plan",
     "Every key of a plan must be known: a misspelt key would otherwise train with the default. "
     "The "
     "message names file, line and column and the nearest known key. `ktrain explain plan` lists "
     "all keys."},
});

}  // namespace

std::span<const Message> config_messages() { return kMessages; }

}  // namespace ktrain
