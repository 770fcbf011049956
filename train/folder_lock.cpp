#include "train/folder_lock.h"

#include <cerrno>
#include <fstream>

#include <unistd.h>

#include "runtime/fault.h"

namespace ktrain {
namespace {

std::string boot_id() {
  std::string id;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), id);
  return id.empty() ? "unknown" : id;
}

// "process 4711, boot 0f0e..."
std::string this_process() { return fmt::format("process {}, boot {}", ::getpid(), boot_id()); }

FileSystem::File take(FileSystem& files, const std::string& folder, const Notice& notice) {
  const std::string path = folder + "/LOCK";
  std::string previous;
  try {
    make_durable_folder(files, folder);
    const FileSystem::File file = files.lock(path, this_process(), previous);
    if (!previous.empty())
      notice(fmt::format("{}: taken over from {}, which ended without leaving it", path,
                         printable(previous)));
    return file;
  } catch (const IoError& error) {
    if (error.code() == EWOULDBLOCK)
      throw_fault("KT-IO-011", "{}: another run holds this folder ({}); set another output.dir",
                  folder, previous.empty() ? "it did not say which" : printable(previous));
    throw_fault("KT-IO-012", "{}: {}; set output.dir to a folder that can be written", folder,
                error.what());
  }
}

}  // namespace

void print_notice(const std::string& line) { fmt::print(stderr, "ktrain: {}\n", line); }

FolderLock::FolderLock(FileSystem& files, std::string folder, const Notice& notice)
    : files_(files), folder_(std::move(folder)), file_(take(files, folder_, notice)) {}

FolderLock::~FolderLock() { files_.unlock(file_); }

}  // namespace ktrain
