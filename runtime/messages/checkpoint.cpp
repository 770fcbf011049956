#include <array>

#include "runtime/messages/families.h"

namespace ktrain {
namespace {

constexpr auto kMessages = std::to_array<Message>({
    {"KT-CKPT-001", Exit::kCheckpoint, "no usable checkpoint",
     "Checkpoint files exist in the run folder, but every one was refused; the reasons are listed. "
     "ktrain never starts over by itself: use --fresh to do so."},
    {"KT-CKPT-002", Exit::kCheckpoint, "a checkpoint belongs to another run",
     "The checkpoint was made with other settings, classes, data or a newer form than this run "
     "has; the fields that differ are listed. Continue it with what it was made with, or start a "
     "new run in another folder with init.checkpoint set to this file."},
    {"KT-CKPT-003", Exit::kCheckpoint, "a weights file is damaged or not what was expected",
     "The file is truncated, altered, not a safetensors file, or lacks what is wanted from it. "
     "Nothing of it was used. Fetch it again, or give another one."},
    {"KT-CKPT-004", Exit::kCheckpoint, "a weights file is of another kind",
     "Pickles and archives can execute code when they are opened, so ktrain reads safetensors "
     "only. Convert the file where you trust it, in Python: torch.load(..., weights_only=True), "
     "then safetensors.torch.save_file of its tensors."},
    {"KT-CKPT-005", Exit::kNoInput, "a weights file is missing",
     "The path of a checkpoint or of initial weights does not exist. Relative paths are taken "
     "from the folder in which ktrain was started."},
    {"KT-CKPT-006", Exit::kCheckpoint, "weights do not fit the model",
     "Tensors of the model are missing in the file, are left over, or differ in shape. ktrain "
     "never loads a part silently: allow what may be missing with init.allow_missing and what may "
     "be left over with init.allow_unexpected, by prefix."},
    {"KT-CKPT-007", Exit::kCheckpoint, "a different checkpoint of the same step exists",
     "The folder already holds an intact checkpoint of this step with other contents. ktrain does "
     "not overwrite it. Use another output.dir for another run."},
});

}  // namespace

std::span<const Message> checkpoint_messages() { return kMessages; }

}  // namespace ktrain
