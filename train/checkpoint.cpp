#include "train/checkpoint.h"

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "runtime/fault.h"
#include "train/weights_checks.h"

namespace ktrain {
namespace {

constexpr std::string_view kPrefix = "step_", kSuffix = ".safetensors";
const std::string kBest = "best.safetensors", kLatest = "LATEST";

// "<name>.tmp1", ".tmp2", ...: what a save that was cut short leaves behind.
std::string temporary_name(const std::string& name, int attempt) {
  return fmt::format("{}.tmp{}", name, attempt);
}

bool is_temporary(const std::string& name) {
  const std::size_t dot = name.rfind(".tmp");
  if (dot == std::string::npos || dot + 5 != name.size()) return false;
  const char digit = name.back();
  const std::string base = name.substr(0, dot);
  return digit >= '1' && digit <= '9' &&
         (base == kBest || base == kLatest || checkpoint_step(base).has_value());
}

std::optional<FileSystem::Entry> find_entry(FileSystem& files, const std::string& folder,
                                            const std::string& name) {
  for (const FileSystem::Entry& entry : files.list(folder))
    if (entry.name == name) return entry;
  return std::nullopt;
}

// Falling order: the newest first.
std::vector<std::int64_t> list_steps(FileSystem& files, const std::string& folder) {
  std::vector<std::int64_t> steps;
  for (const FileSystem::Entry& entry : files.list(folder))
    if (const auto step = checkpoint_step(entry.name)) steps.push_back(*step);
  std::sort(steps.rbegin(), steps.rend());
  return steps;
}

// Loads what verifies and collects the reasons why the rest does not.
class Candidates {
 public:
  Candidates(FileSystem& files, const std::string& folder, const Notice& notice)
      : files_(files), folder_(folder), notice_(notice) {}

  std::optional<LoadedCheckpoint> load(const std::string& name, std::optional<std::int64_t> step) {
    const std::string path = folder_ + "/" + name;
    try {
      LoadedCheckpoint loaded = read_checkpoint_file(files_, path);
      const std::int64_t found = loaded.step();
      if (step && found != *step) throw Error(fmt::format("its metadata says step {}", found));
      return loaded;
    } catch (const Fault& fault) {
      if (fault.id() == "KT-CKPT-002") throw;
      refuse(name, fault.what());
    } catch (const Error& error) {
      refuse(name, error.what());
    }
    return std::nullopt;
  }

  // When something was refused and nothing loaded, silence would mean to start over.
  void complain() const {
    if (refused_ > 0)
      throw_fault("KT-CKPT-001", "{}: {} checkpoint file(s), none usable: {}; --fresh starts over",
                  folder_, refused_, reasons_);
  }

 private:
  void refuse(const std::string& name, const std::string& why) {
    notice_(fmt::format("{}/{}: refused: {}", folder_, name, why));
    ++refused_;
    if (reasons_.size() < 300)
      reasons_ += fmt::format("{}{}: {}", reasons_.empty() ? "" : "; ", name, why);
  }

  FileSystem& files_;
  std::string folder_;
  const Notice& notice_;
  int refused_ = 0;
  std::string reasons_;
};

std::optional<LoadedCheckpoint> load_newest(FileSystem& files, const std::string& folder,
                                            const Notice& notice) {
  Candidates candidates(files, folder, notice);
  for (const std::int64_t step : list_steps(files, folder))
    if (auto loaded = candidates.load(checkpoint_name(step), step)) return loaded;
  if (find_entry(files, folder, kBest))
    if (auto loaded = candidates.load(kBest, std::nullopt)) return loaded;
  candidates.complain();
  return std::nullopt;
}

// A file saved in the middle of the next epoch says that this one was the last complete one, too.
bool is_past_the_end(std::int64_t step, std::int64_t epoch, const Metadata& metadata) {
  const auto found = metadata.find("steps_per_epoch");
  std::int64_t steps = 0;
  if (found != metadata.end())
    std::from_chars(found->second.data(), found->second.data() + found->second.size(), steps);
  return steps > 0 && step > epoch * steps;
}

// The file of the step after which `epoch` was complete: the first that says so.
std::optional<std::string> find_epoch(FileSystem& files, const std::string& folder,
                                      const std::string& epoch) {
  std::vector<std::int64_t> steps = list_steps(files, folder);
  std::reverse(steps.begin(), steps.end());
  for (const std::int64_t step : steps) {
    try {
      const auto header = read_checkpoint_header(files, folder + "/" + checkpoint_name(step));
      const auto found = header.metadata.find("epoch");
      if (found == header.metadata.end() || found->second != epoch) continue;
      if (is_past_the_end(step, std::atoll(epoch.c_str()), header.metadata)) continue;
      return checkpoint_name(step);
    } catch (const Error&) {
      // A damaged file cannot say which epoch it is; if it was the one, it is as good as missing.
    }
  }
  return std::nullopt;
}

}  // namespace

std::string checkpoint_name(std::int64_t step) {
  return fmt::format("{}{:08}{}", kPrefix, step, kSuffix);
}

std::optional<std::int64_t> checkpoint_step(const std::string& name) {
  std::string_view text = name;
  if (!text.starts_with(kPrefix) || !text.ends_with(kSuffix)) return std::nullopt;
  text.remove_prefix(kPrefix.size());
  if (text.size() < kSuffix.size()) return std::nullopt;
  text.remove_suffix(kSuffix.size());
  std::int64_t step = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), step);
  // Only the very name that checkpoint_name gives: "step_7" and "step_+0000007" are somebody
  // else's.
  if (error != std::errc() || end != text.data() + text.size() || step < 0 ||
      checkpoint_name(step) != name)
    return std::nullopt;
  return step;
}

CheckpointFolder::CheckpointFolder(FileSystem& files, const FolderLock& lock,
                                   const std::string& name, CheckpointOptions options)
    : files_(files), folder_(lock.folder() + "/" + name), options_(std::move(options)) {
  KT_CHECK(options_.keep == 0 || options_.keep >= 2, "checkpoints: keep is {}, at least 2 wanted",
           options_.keep);
  KT_CHECK(options_.tries >= 1 && options_.tries <= 9, "checkpoints: {} tries, 1 to 9 wanted",
           options_.tries);
  try {
    make_durable_folder(files_, folder_);
    remove_leftovers();
  } catch (const IoError& error) {
    throw_fault("KT-IO-012", "{}: {}; set output.dir to a folder that can be written", folder_,
                error.what());
  }
}

std::string CheckpointFolder::path_of(std::int64_t step) const {
  return folder_ + "/" + checkpoint_name(step);
}

std::vector<std::int64_t> CheckpointFolder::steps() const {
  std::vector<std::int64_t> found = list_steps(files_, folder_);
  std::reverse(found.begin(), found.end());
  return found;
}

SavedCheckpoint CheckpointFolder::save(std::int64_t step, std::span<const NamedArray> arrays,
                                       Metadata metadata) {
  KT_CHECK(step >= 0, "checkpoints: step {}", step);
  check_finite(arrays);
  metadata["step"] = std::to_string(step);
  const std::string path = path_of(step);
  std::string failure;
  double waited = 0;
  for (int attempt = 1; attempt <= options_.tries;) {
    const std::string temporary = temporary_name(path, attempt);
    try {
      const CheckpointSummary summary = try_save(path, temporary, arrays, metadata);
      verified_[step] = true;
      options_.notice(fmt::format("durable step={} {}", step, path));
      write_hint(step);
      remove_surplus();
      std::uint64_t bytes = summary.header.header_end;
      if (!summary.header.entries.empty()) bytes += summary.header.entries.back().end;
      return {path, step, bytes, summary.payload_hash};
    } catch (const IoError& error) {
      failure = error.what();
      try_remove(files_, temporary);
      const bool wait = error.out_of_space() && waited < options_.disk_wait_seconds;
      options_.notice(fmt::format("checkpoint of step {}: {}; {}", step, failure,
                                  wait ? "waiting for room" : "this file is given up"));
      files_.sleep(1.0);
      waited += 1.0;
      if (!wait) ++attempt;
    } catch (const Error&) {
      try_remove(files_, temporary);
      throw;
    }
  }
  throw_fault("KT-IO-010", "{}: not durable after {} tries: {}; older checkpoints are untouched",
              path, options_.tries, failure);
}

CheckpointSummary CheckpointFolder::try_save(const std::string& path, const std::string& temporary,
                                             std::span<const NamedArray> arrays,
                                             const Metadata& metadata) {
  CheckpointSummary summary = write_checkpoint_file(files_, temporary, arrays, metadata);
  const auto taken = find_entry(files_, folder_, path.substr(folder_.size() + 1));
  if (!taken) {
    files_.rename_new(temporary, path);
  } else {
    if (!taken->regular) throw IoError("rename to", path, EEXIST);
    check_replaceable(path, summary);
    files_.rename_over(temporary, path);
  }
  files_.sync_folder(folder_);
  return summary;
}

// A damaged file may go, and so may one with the same arrays; nothing else of this name.
void CheckpointFolder::check_replaceable(const std::string& path,
                                         const CheckpointSummary& replacement) const {
  std::string found;
  try {
    found = verify_checkpoint_file(files_, path).payload_hash;
  } catch (const Fault&) {
    throw;
  } catch (const Error& error) {
    options_.notice(fmt::format("{}: replaced, because it is damaged: {}", path, error.what()));
    return;
  }
  if (found != replacement.payload_hash)
    throw_fault(
        "KT-CKPT-007",
        "{}: there is an intact checkpoint of this step with other contents (SHA-256 {:.12} "
        "there, {:.12} now); set another output.dir",
        path, found, replacement.payload_hash);
}

void CheckpointFolder::write_hint(std::int64_t step) {
  const std::string temporary = folder_ + "/" + temporary_name(kLatest, 1);
  try {
    try_remove(files_, temporary);
    OpenFile file(files_, files_.create(temporary));
    const std::string text = checkpoint_name(step) + "\n";
    file.write(text.data(), text.size());
    file.close();
    files_.rename_over(temporary, folder_ + "/" + kLatest);
  } catch (const IoError& error) {
    options_.notice(fmt::format("warning: {} (only a hint; the checkpoint is safe)", error.what()));
  }
}

bool CheckpointFolder::is_verified(std::int64_t step) {
  const auto known = verified_.find(step);
  if (known != verified_.end()) return known->second;
  try {
    (void)verify_checkpoint_file(files_, path_of(step));
    return verified_[step] = true;
  } catch (const Error& error) {
    options_.notice(fmt::format("warning: {}: {}", path_of(step), error.what()));
    return verified_[step] = false;
  }
}

void CheckpointFolder::remove_surplus() {
  if (options_.keep == 0) return;
  try {
    std::int64_t good = 0;
    for (const std::int64_t step : list_steps(files_, folder_)) {
      if (good < options_.keep) {
        good += is_verified(step) ? 1 : 0;
        continue;
      }
      const auto entry = find_entry(files_, folder_, checkpoint_name(step));
      if (!entry || !entry->regular) continue;
      if (options_.also_keep && options_.also_keep(step)) continue;
      files_.remove(path_of(step));
      verified_.erase(step);
    }
  } catch (const IoError& error) {
    options_.notice(fmt::format("warning: {} (old checkpoints stay)", error.what()));
  }
}

void CheckpointFolder::remove_leftovers() {
  for (const FileSystem::Entry& entry : files_.list(folder_)) {
    if (!entry.regular || !is_temporary(entry.name)) continue;
    options_.notice(fmt::format("{}/{}: removed; a save was cut short here", folder_, entry.name));
    try_remove(files_, folder_ + "/" + entry.name);
  }
}

void CheckpointFolder::mark_best(std::int64_t step) {
  const std::string from = path_of(step), to = folder_ + "/" + kBest;
  std::string failure;
  for (int attempt = 1; attempt <= options_.tries; ++attempt) {
    const std::string temporary = folder_ + "/" + temporary_name(kBest, attempt);
    try {
      KT_CHECK(is_verified(step), "mark_best: there is no good checkpoint of step {}", step);
      const auto taken = find_entry(files_, folder_, kBest);
      if (taken && !taken->regular) throw IoError("rename to", to, EEXIST);
      try_remove(files_, temporary);
      try {
        files_.link(from, temporary);
      } catch (const IoError&) {
        // No hard links on this disk, or not of this file: a full copy does as well.
        const LoadedCheckpoint loaded = read_checkpoint_file(files_, from);
        (void)write_checkpoint_file(files_, temporary, loaded.arrays(), loaded.metadata());
      }
      files_.rename_over(temporary, to);
      // Renaming a link to the file that `to` already is does nothing and leaves it behind.
      try_remove(files_, temporary);
      files_.sync_folder(folder_);
      return;
    } catch (const IoError& error) {
      failure = error.what();
      try_remove(files_, temporary);
      options_.notice(fmt::format("best checkpoint: {}", failure));
      files_.sleep(1.0);
    }
  }
  throw_fault("KT-IO-010", "{}: not durable after {} tries: {}; the step's own file is safe", to,
              options_.tries, failure);
}

std::optional<LoadedCheckpoint> CheckpointFolder::resume() {
  auto loaded = load_newest(files_, folder_, options_.notice);
  if (loaded && loaded->path() == path_of(loaded->step())) verified_[loaded->step()] = true;
  return loaded;
}

std::optional<LoadedCheckpoint> take_checkpoint(FileSystem& files, const std::string& folder,
                                                const std::string& take, const Notice& notice) {
  try {
    if (take == "last") return load_newest(files, folder, notice);
    std::optional<std::string> name;
    if (take == "best" && find_entry(files, folder, kBest)) name = kBest;
    if (take.starts_with("epoch_")) name = find_epoch(files, folder, take.substr(6));
    if (!name) return std::nullopt;
    Candidates candidates(files, folder, notice);
    auto loaded = candidates.load(*name, checkpoint_step(*name));
    if (!loaded) candidates.complain();
    return loaded;
  } catch (const IoError& error) {
    if (error.code() == ENOENT) return std::nullopt;
    throw;
  }
}

void check_identity(const std::string& where, const Metadata& found, const Metadata& wanted) {
  std::string differences;
  for (const auto& [key, text] : wanted) {
    const auto there = found.find(key);
    if (there != found.end() && there->second == text) continue;
    differences += fmt::format("{}{}: '{}' there, '{}' here", differences.empty() ? "" : "; ", key,
                               there == found.end() ? "nothing" : printable(there->second, 40),
                               printable(text, 40));
  }
  if (!differences.empty())
    throw_fault("KT-CKPT-002",
                "{}: belongs to another run: {}; give it what it was made with, start over with "
                "--fresh, or name another folder with output.dir or --runs",
                where, differences);
}

}  // namespace ktrain
