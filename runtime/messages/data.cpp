#include <array>

#include "runtime/messages/families.h"

namespace ktrain {
namespace {

constexpr auto kMessages = std::to_array<Message>({
    {"KT-DATA-001", Exit::kNoInput, "a data folder or file is missing",
     "The path in the plan (data.root or a list under it) does not exist. The message shows the "
     "tree that the chosen layout expects."},
});

}  // namespace

std::span<const Message> data_messages() { return kMessages; }

}  // namespace ktrain
