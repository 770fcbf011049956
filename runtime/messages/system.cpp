#include <array>

#include "runtime/messages/families.h"

namespace ktrain {
namespace {

constexpr auto kMessages = std::to_array<Message>({
    {"KT-SYS-001", Exit::kUnavailable, "the requested device cannot be used",
     "device = \"cuda\" was asked for, and the program was built without CUDA, or no driver or no "
     "supported GPU answered. Use device = \"auto\" or \"cpu\" to train on the CPU, or configure "
     "with "
     "`cmake --preset cuda`."},
    {"KT-SYS-002", Exit::kOutOfMemory, "out of memory",
     "The plan needs more memory than the machine, or its GPU, has. The memory plan (`--dry-run`) "
     "shows what takes how much and the largest batch that fits. Lower train.batch, data.size or "
     "model.width."},
    {"KT-SYS-003", Exit::kUnavailable, "a GPU cannot train this plan yet",
     "A GPU was found, but something that the plan asks for, which the message names, is there for "
     "the CPU only, and a step is not split between the two. Leave it out, or use "
     "device = \"auto\" or \"cpu\"."},
    {"KT-SYS-004", Exit::kPlan, "a device that does not exist",
     "The setting `device` is one of auto (a GPU if training can use one, else the CPU), cpu and "
     "cuda."},
    {"KT-SYS-005", Exit::kUnavailable, "the GPU has stopped",
     "A kernel did something that a GPU does not forgive, such as reading an address that is not "
     "there, or the hardware failed; nothing more can run on it in this process. The message names "
     "the error and the kernel that was given to it last. Run the same command with "
     "KT_SYNC_LAUNCH=1 in the environment: it is slower and names the kernel that failed. The run "
     "goes on from its last checkpoint; device = \"cpu\" does without the GPU."},
});

}  // namespace

std::span<const Message> system_messages() { return kMessages; }

}  // namespace ktrain
