#include "data/synth/disk.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "data/synth/manifest.h"
#include "runtime/fault.h"

namespace ktrain::synth {
namespace {

namespace fs = std::filesystem;

// Stands in a folder that is being filled and in no other: such a folder may be removed.
constexpr const char* kUnfinished = "UNFINISHED-BY-KTRAIN-SYNTH";

}  // namespace

std::string shown(const fs::path& path) { return printable(path.string(), 300); }

void fail_io(const fs::path& path, std::string_view what, int code) {
  throw_fault("KT-IO-001", "{}: {}: {}", shown(path), what, std::strerror(code));
}

void make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail_io(path, "the folder cannot be made", error.value());
}

void write_bytes(const fs::path& path, const void* data, std::size_t bytes) {
  errno = 0;
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
  file.close();
  if (!file) fail_io(path, fmt::format("{} bytes could not be written", bytes), errno);
}

void write_text(const fs::path& path, const std::string& text) {
  write_bytes(path, text.data(), text.size());
}

ParentLock::ParentLock(const fs::path& parent)
    : parent_(parent), handle_(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (!handle_.is_open()) fail_io(parent, "the folder cannot be opened", errno);
  int failed = EINTR;
  while (failed == EINTR) failed = ::flock(handle_.get(), LOCK_EX) == 0 ? 0 : errno;
  held_ = failed == 0;
}

void ParentLock::sync() const {
  // EINVAL: the file system has no such operation, and nothing better to offer.
  if (::fsync(handle_.get()) != 0 && errno != EINVAL) fail_io(parent_, "fsync", errno);
}

void ParentLock::sync_all() const {
  if (::syncfs(handle_.get()) != 0) fail_io(parent_, "syncfs", errno);
}

UnfinishedFolder::UnfinishedFolder(fs::path path, const ParentLock& lock)
    : path_(std::move(path)), lock_(lock) {
  std::error_code error;
  if (fs::symlink_status(path_, error).type() != fs::file_type::not_found) remove_remains();
  if (!fs::create_directory(path_, error) || error)
    fail_io(path_, "the folder cannot be made", error ? error.value() : EEXIST);
  made_ = true;
  write_text(path_ / kUnfinished, "An unfinished data set of `ktrain synth`: may be removed.\n");
}

UnfinishedFolder::~UnfinishedFolder() {
  std::error_code ignored;
  if (made_) fs::remove_all(path_, ignored);
}

void UnfinishedFolder::finish(const fs::path& target) {
  lock_.sync_all();
  std::error_code error;
  fs::remove(path_ / kUnfinished, error);
  if (!error) fs::rename(path_, target, error);
  if (error) fail_io(target, "the finished set cannot be given its name", error.value());
  made_ = false;
  lock_.sync();
}

// Only under the lock: else it may be somebody's who is at work.
void UnfinishedFolder::remove_remains() {
  std::error_code error;
  const bool ours = fs::is_directory(fs::symlink_status(path_)) &&
                    (fs::exists(path_ / kUnfinished) || fs::exists(path_ / kManifestName) ||
                     fs::is_empty(path_, error));
  if (!ours || !lock_.held())
    throw_fault("KT-DATA-018",
                "{}: stands where an unfinished data set goes{}; move it away or remove it",
                shown(path_), ours ? ", perhaps of another process that is at work" : "");
  fs::remove_all(path_, error);
  if (error) fail_io(path_, "remains of an interrupted call cannot be removed", error.value());
}

}  // namespace ktrain::synth
