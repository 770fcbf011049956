#include "train/recovery/mark.h"

#include "runtime/fault.h"
#include "train/checkpoint_file.h"

namespace ktrain {
namespace {

// "" when there is no good file.
std::string hash_of(FileSystem& files, const std::string& path) {
  try {
    return verify_checkpoint_file(files, path).payload_hash;
  } catch (const Error&) {
    return "";  // missing or damaged: made again from the run's own file
  }
}

}  // namespace

std::string mark_checkpoint(FileSystem& files, RunFolder& folder, const Subject& subject,
                            const std::string& as, const std::string& recovery) {
  const std::string to = fmt::format("{}/{}.safetensors", folder.path(), as);
  if (hash_of(files, to) != subject.hash) {
    const std::string found = hash_of(files, subject.checkpoint);
    if (found != subject.hash)
      throw_fault("KT-REC-002", "{}: SHA-256 {:.12} was judged, {:.12} is there",
                  subject.checkpoint, subject.hash, found.empty() ? "nothing good" : found);
    const std::string temporary = to + ".tmp1";
    try {
      try_remove(files, temporary);
      try {
        files.link(subject.checkpoint, temporary);
      } catch (const IoError&) {
        // No hard links on this disk: a full copy does as well.
        const LoadedCheckpoint loaded = read_checkpoint_file(files, subject.checkpoint);
        (void)write_checkpoint_file(files, temporary, loaded.arrays(), loaded.metadata());
      }
      files.rename_over(temporary, to);
      try_remove(files, temporary);  // renaming a link to the same file does nothing
      files.sync_folder(folder.path());
    } catch (const IoError& error) {
      throw_fault("KT-IO-001", "{}: {}", to, error.what());
    }
  }
  OrderedJson json = {{"mark", as}, {"recovery", recovery}, {"from", subject.name}};
  json.update(subject.evidence());
  folder.write(as + ".json", json.dump(2) + "\n");
  return to;
}

}  // namespace ktrain
