// A folder that appears whole or not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "data/folder.h"

namespace ktrain::synth {

// A path for messages.
[[nodiscard]] std::string shown(const std::filesystem::path& path);
// Throws Fault KT-IO-001 with the system's words for `code`.
[[noreturn]] void fail_io(const std::filesystem::path& path, std::string_view what, int code);

// These throw Fault KT-IO-001. A folder that is there is as good; a file is replaced.
void make_folder(const std::filesystem::path& path);
void write_bytes(const std::filesystem::path& path, const void* data, std::size_t bytes);
void write_text(const std::filesystem::path& path, const std::string& text);

// Held while a folder is made beneath `parent`: a second process waits for the first.
class ParentLock {
 public:
  explicit ParentLock(const std::filesystem::path& parent);
  // False on file systems that cannot lock a folder.
  [[nodiscard]] bool held() const { return held_; }
  // Returns when the names in `parent` are on the disk.
  void sync() const;
  // Returns when everything on the disk of `parent` is.
  void sync_all() const;

 private:
  std::filesystem::path parent_;
  FileHandle handle_;
  bool held_ = false;
};

// The folder that is filled and gets its name at the end. Unless finish() came through, it is
// removed again. What a killed call left at `path` is removed first, anything else never: Fault
// KT-DATA-018.
class UnfinishedFolder {
 public:
  UnfinishedFolder(std::filesystem::path path, const ParentLock& lock);
  UnfinishedFolder(const UnfinishedFolder&) = delete;
  UnfinishedFolder& operator=(const UnfinishedFolder&) = delete;
  ~UnfinishedFolder();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  // `target` does not exist or is an empty folder.
  void finish(const std::filesystem::path& target);

 private:
  void remove_remains();

  std::filesystem::path path_;
  const ParentLock& lock_;
  bool made_ = false;
};

}  // namespace ktrain::synth
