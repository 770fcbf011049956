#include "train/folder_lock.h"

#include <cerrno>
#include <fstream>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
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

// A look at a lock (holder_of) may hold it for an instant where the system lists none.
constexpr int kTries = 5;
constexpr double kWaitSeconds = 0.02;

FileSystem::File lock_file(FileSystem& files, const std::string& path, std::string& previous) {
  for (int left = kTries;; --left) try {
      return files.lock(path, this_process(), previous);
    } catch (const IoError& error) {
      if (error.code() != EWOULDBLOCK || left == 1) throw;
      files.sleep(kWaitSeconds);
    }
}

// Whether the kernel's list names a lock on this file. It leaves out those of other containers.
bool is_listed(const struct stat& file) {
  const std::string wanted =
      fmt::format("{:02x}:{:02x}:{}", major(file.st_dev), minor(file.st_dev), file.st_ino);
  std::ifstream list("/proc/locks");
  for (std::string line; std::getline(list, line);)
    if (line.find("FLOCK") != std::string::npos && line.find("WRITE") != std::string::npos &&
        line.find("->") == std::string::npos && line.find(" " + wanted + " ") != std::string::npos)
      return true;
  return false;
}

FileSystem::File take(FileSystem& files, const std::string& folder, const Notice& notice) {
  const std::string path = folder + "/LOCK";
  std::string previous;
  try {
    make_durable_folder(files, folder);
    const FileSystem::File file = lock_file(files, path, previous);
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

std::optional<std::string> holder_of(const std::string& folder) {
  const int file = ::open((folder + "/LOCK").c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  struct stat info {};
  bool held = ::fstat(file, &info) == 0 && is_listed(info);
  if (!held) held = ::flock(file, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  char text[256];
  const ssize_t got = held ? ::pread(file, text, sizeof text, 0) : 0;
  ::close(file);  // lets go of the look, too
  if (!held) return std::nullopt;
  return std::string(text, got > 0 ? static_cast<std::size_t>(got) : 0);
}

}  // namespace ktrain
