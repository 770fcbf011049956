#include <array>

#include "runtime/messages/families.h"

namespace ktrain {
namespace {

constexpr auto kMessages = std::to_array<Message>({
    {"KT-IO-001", Exit::kIo, "a file could not be written",
     "The disk is full, the folder is not writable, or the device reported an error. Checkpoints "
     "that were announced as durable are untouched."},
    {"KT-IO-010", Exit::kIo, "a checkpoint could not be made durable",
     "Writing, syncing, verifying or naming the file failed in every try. The checkpoints that "
     "were announced as durable are untouched. Make room or repair the disk, then give the same "
     "command again: the run goes on from the newest of them."},
    {"KT-IO-011", Exit::kCannotCreate, "the folder is in use by another run",
     "Two runs that write into one folder would destroy each other's state. The message names the "
     "process that holds the folder. Wait for it, end it, or set another output.dir."},
    {"KT-IO-012", Exit::kCannotCreate, "the run folder cannot be made or written",
     "The folder does not exist and cannot be made, or its permissions forbid writing. Set "
     "output.dir to a folder of your own on a disk that honours fsync."},
    {"KT-IO-013", Exit::kCannotCreate, "a file of the user's stands where one should be written",
     "`ktrain init` writes the built-in plans and never changes a file that is there. Name another "
     "folder, or move the file away."},
});

}  // namespace

std::span<const Message> io_messages() { return kMessages; }

}  // namespace ktrain
