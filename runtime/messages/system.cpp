#include <array>

#include "runtime/messages/families.h"

namespace ktrain {
namespace {

constexpr auto kMessages = std::to_array<Message>({
    {"KT-SYS-001", Exit::kUnavailable, "the requested device cannot be used",
     "device = \"cuda\" was asked for, and no driver or no supported GPU answered. Use device = "
     "\"auto\" or \"cpu\" to train on the CPU."},
    {"KT-SYS-002", Exit::kOutOfMemory, "out of memory",
     "The plan needs more memory than the machine has. The memory plan (`--dry-run`) shows what "
     "takes "
     "how much and the largest batch that fits. Lower data.batch, data.size or model.width."},
});

}  // namespace

std::span<const Message> system_messages() { return kMessages; }

}  // namespace ktrain
