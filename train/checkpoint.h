// The checkpoints of a run: step_00001234.safetensors, ..., best.safetensors, and LATEST, a hint
// for people. Once save() has returned, that step survives the death of the process and the loss of
// power; at every instant at least one verified checkpoint is there once the first one was.
//   save: new temporary file -> reserve -> write -> fsync -> read back and verify -> rename ->
//         fsync the folder -> "durable step=N" -> LATEST -> remove what need not be kept
// Files of other names, links and folders are never touched.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "train/checkpoint_file.h"
#include "train/folder_lock.h"

namespace ktrain {

struct CheckpointOptions {
  std::int64_t keep = 2;                        // newest verified ones that stay; 0: all; never 1
  std::function<bool(std::int64_t)> also_keep;  // steps whose file stays besides; empty: none
  int tries = 3;                                // new files before a save is given up
  double disk_wait_seconds = 60.0;              // how long a save waits for room on a full disk
  Notice notice = print_notice;
};

struct SavedCheckpoint {
  std::string path;
  std::int64_t step = 0;
  std::uint64_t bytes = 0;
  std::string payload_hash;  // SHA-256, hexadecimal
};

class CheckpointFolder {
 public:
  // A folder `name` beneath the locked one, made when missing. Removes temporary files that a save
  // left there when it was cut short.
  CheckpointFolder(FileSystem& files, const FolderLock& lock, const std::string& name,
                   CheckpointOptions options = {});

  // Metadata gets the key "step". Saving the same arrays at the same step again replaces the
  // metadata. Faults: KT-NUM-020 not finite, KT-CKPT-007 the step is there with other contents,
  // KT-IO-010 not durable after all tries, with every older file as it was.
  SavedCheckpoint save(std::int64_t step, std::span<const NamedArray> arrays, Metadata metadata);

  // Makes best.safetensors the checkpoint of `step`, which must be there. In one step: at every
  // instant the name stands for the old or the new one.
  void mark_best(std::int64_t step);

  // The newest checkpoint that verifies; each one that does not is noticed with the reason. None
  // when there has never been one; KT-CKPT-001 when there are files but none is good.
  [[nodiscard]] std::optional<LoadedCheckpoint> resume();

  // The steps of which there is a file, in rising order; whether they are good is another matter.
  [[nodiscard]] std::vector<std::int64_t> steps() const;
  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] std::string path_of(std::int64_t step) const;

 private:
  CheckpointSummary try_save(const std::string& path, const std::string& temporary,
                             std::span<const NamedArray> arrays, const Metadata& metadata);
  void check_replaceable(const std::string& path, const CheckpointSummary& replacement) const;
  bool is_verified(std::int64_t step);
  void write_hint(std::int64_t step);
  void remove_surplus();
  void remove_leftovers();

  FileSystem& files_;
  std::string folder_;
  CheckpointOptions options_;
  std::map<std::int64_t, bool> verified_;  // what this object found, so that it reads them once
};

// "step_00001234.safetensors", and the step of such a name.
[[nodiscard]] std::string checkpoint_name(std::int64_t step);
[[nodiscard]] std::optional<std::int64_t> checkpoint_step(const std::string& name);

// Where a run starts that builds on another: `take` is "best", "last" or "epoch_N", the end of that
// epoch (metadata "epoch", and "steps_per_epoch" where the file has it: a file from the middle of
// the next epoch is not taken for it). None when there is no such file; KT-CKPT-001 when it is
// there and refused.
[[nodiscard]] std::optional<LoadedCheckpoint> take_checkpoint(FileSystem& files,
                                                              const std::string& folder,
                                                              const std::string& take,
                                                              const Notice& notice = print_notice);

// KT-CKPT-002 with the list of fields whose text differs from `wanted` or is missing; `where` is
// the file.
void check_identity(const std::string& where, const Metadata& found, const Metadata& wanted);

}  // namespace ktrain
