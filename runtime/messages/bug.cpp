#include <array>

#include "runtime/messages/families.h"

namespace ktrain {
namespace {

constexpr auto kMessages = std::to_array<Message>({
    {"KT-BUG-001", Exit::kBug, "an invariant of ktrain is broken",
     "This is a defect of ktrain, not of your plan or data. Please report the whole message with "
     "the plan that led to it."},
});

}  // namespace

std::span<const Message> bug_messages() { return kMessages; }

}  // namespace ktrain
