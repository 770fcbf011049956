#include <array>

#include "runtime/messages/families.h"

namespace ktrain {
namespace {

constexpr auto kMessages = std::to_array<Message>({
    {"KT-CKPT-001", Exit::kCheckpoint, "no usable checkpoint",
     "Checkpoint files exist in the run folder, but every one was refused; the reasons are listed. "
     "ktrain never starts over by itself: use --fresh to do so."},
});

}  // namespace

std::span<const Message> checkpoint_messages() { return kMessages; }

}  // namespace ktrain
