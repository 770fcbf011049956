#include <array>

#include "runtime/messages/families.h"

namespace ktrain {
namespace {

constexpr auto kMessages = std::to_array<Message>({
    {"KT-IO-001", Exit::kIo, "a file could not be written",
     "The disk is full, the folder is not writable, or the device reported an error. Checkpoints "
     "that were announced as durable are untouched."},
});

}  // namespace

std::span<const Message> io_messages() { return kMessages; }

}  // namespace ktrain
