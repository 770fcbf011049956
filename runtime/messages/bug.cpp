#include <array>

#include "runtime/messages/families.h"

namespace ktrain {
namespace {

constexpr auto kMessages = std::to_array<Message>({
    {"KT-BUG-001", Exit::kBug, "an invariant of ktrain is broken",
     "This is a defect of ktrain, not of your plan or data. Please report the whole message with "
     "the plan that led to it."},
    {"KT-BUG-002", Exit::kBug, "frozen weights have changed",
     "Parameters or statistics that are declared frozen differ from what they were at the start. "
     "Frozen means excluded from the optimizer, without gradient and with fixed statistics; a hash "
     "proves it after each epoch. The run stops before it saves them."},
    {"KT-BUG-003", Exit::kBug, "a checkpoint does not give back what was saved",
     "--fast-check saved a run, loaded it again and found a difference. A run on this machine "
     "could "
     "not be resumed exactly. Please report the whole message with the plan that led to it."},
    {"KT-BUG-004", Exit::kBug, "an auxiliary loss could not be computed",
     "A loss term ended with an error instead of a value. The message names the term and holds the "
     "error. Such a term is never left out of the total in silence: a run that goes on without it "
     "would not be the run that its plan describes."},
    {"KT-BUG-005", Exit::kBug, "the host was about to read the memory of a GPU",
     "A part of ktrain that loops over a tensor on the host was given one that lies on the GPU. "
     "Its results would be wrong or the process would end without a word. Use device = \"cpu\" and "
     "please report the whole message with the plan that led to it."},
});

}  // namespace

std::span<const Message> bug_messages() { return kMessages; }

}  // namespace ktrain
