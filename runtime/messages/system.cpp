#include <array>

#include "runtime/messages/families.h"

namespace ktrain {
namespace {

constexpr auto kMessages = std::to_array<Message>({
    {"KT-SYS-001", Exit::kUnavailable, "the requested device cannot be used",
     "device = \"cuda\" was asked for, and no driver or no supported GPU answered. Use device = "
     "\"auto\" or \"cpu\" to train on the CPU."},
});

}  // namespace

std::span<const Message> system_messages() { return kMessages; }

}  // namespace ktrain
