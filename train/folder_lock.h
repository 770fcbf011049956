// One run writes into a folder at a time.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "train/file_system.h"

namespace ktrain {

// Takes a line of text for the user. The default prints to stderr.
using Notice = std::function<void(const std::string&)>;
void print_notice(const std::string& line);

// Held from construction to destruction, or to the end of the process, however it ends. Makes the
// folder when it is missing. KT-IO-011 when another run holds it, KT-IO-012 when it cannot be
// written. What a dead process left behind is taken over with a notice.
class FolderLock {
 public:
  FolderLock(FileSystem& files, std::string folder, const Notice& notice = print_notice);
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock();

  [[nodiscard]] const std::string& folder() const { return folder_; }

 private:
  FileSystem& files_;
  std::string folder_;
  FileSystem::File file_;
};

// Who holds a folder at this moment, as the holder wrote it ("process 4711, boot 0f0e..."); none
// when nobody does. A process that dies lets go, so that this tells the living from the dead; a
// number of a process alone does not. Writes nothing.
[[nodiscard]] std::optional<std::string> holder_of(const std::string& folder);

}  // namespace ktrain
