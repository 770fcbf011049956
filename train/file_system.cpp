#include "train/file_system.h"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ktrain {

IoError::IoError(const std::string& operation, const std::string& path, int code)
    : Error(fmt::format("{} {}: {}", operation, path, std::strerror(code))), code_(code) {}

bool IoError::out_of_space() const { return code_ == ENOSPC || code_ == EDQUOT; }

void OpenFile::close() { files_.close(release()); }

void OpenFile::write(const void* data, std::size_t bytes) {
  const auto* at = static_cast<const std::byte*>(data);
  while (bytes > 0) {
    std::size_t taken = 0;
    try {
      taken = files_.write(file_, at, bytes);
    } catch (const IoError& error) {
      if (error.code() != EINTR) throw;
    }
    at += taken;
    bytes -= taken;
  }
}

void OpenFile::read(void* data, std::size_t bytes, std::uint64_t offset) const {
  auto* at = static_cast<std::byte*>(data);
  while (bytes > 0) {
    std::size_t got = 0;
    try {
      got = files_.read(file_, at, bytes, offset);
    } catch (const IoError& error) {
      if (error.code() == EINTR) continue;
      throw;
    }
    if (got == 0) throw Error(fmt::format("the file ends at byte {} (truncated?)", offset));
    at += got;
    bytes -= got;
    offset += got;
  }
}

void try_remove(FileSystem& files, const std::string& path) {
  try {
    files.remove(path);
  } catch (const IoError&) {
  }
}

void make_durable_folder(FileSystem& files, const std::string& path) {
  const std::size_t slash = path.find_last_not_of('/') == std::string::npos
                                ? std::string::npos
                                : path.find_last_of('/', path.find_last_not_of('/'));
  const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  try {
    files.make_folder(path);
  } catch (const IoError& error) {
    if (error.code() != ENOENT || parent == path) throw;
    make_durable_folder(files, parent);
    files.make_folder(path);
  }
  // Also when it was there: whoever made it may have been cut short before this.
  files.sync_folder(parent);
}

namespace {

class RealFileSystem final : public FileSystem {
 public:
  File create(const std::string& path) override {
    return checked(
        "create", path,
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  }

  File open(const std::string& path) override {
    // Without O_NONBLOCK a named pipe would wait for its other end.
    const File file =
        checked("open", path, ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat status {};
    if (::fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
      ::close(file);
      throw Error(fmt::format("open {}: not a regular file", path));
    }
    return file;
  }

  void reserve(File file, std::uint64_t bytes) override {
    if (bytes == 0) return;
    const int failed =
        ::fallocate(file, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(bytes)) == 0 ? 0 : errno;
    if (failed != 0 && failed != EOPNOTSUPP && failed != ENOSYS && failed != EINTR)
      throw IoError("reserve", name(file), failed);
  }

  std::size_t write(File file, const void* data, std::size_t bytes) override {
    const ssize_t taken = ::write(file, data, bytes);
    if (taken < 0) throw IoError("write", name(file), errno);
    return static_cast<std::size_t>(taken);
  }

  std::size_t read(File file, void* data, std::size_t bytes, std::uint64_t offset) override {
    const ssize_t got = ::pread(file, data, bytes, static_cast<off_t>(offset));
    if (got < 0) throw IoError("read", name(file), errno);
    return static_cast<std::size_t>(got);
  }

  std::uint64_t size(File file) override {
    struct stat status {};
    if (::fstat(file, &status) != 0) throw IoError("stat", name(file), errno);
    return static_cast<std::uint64_t>(status.st_size);
  }

  void sync(File file) override {
    if (::fsync(file) != 0) throw IoError("fsync", name(file), errno);
  }

  void close(File file) override {
    const std::string path = name(file);
    if (::close(file) != 0 && errno != EINTR) throw IoError("close", path, errno);
  }

  void abandon(File file) noexcept override { ::close(file); }

  void rename_new(const std::string& from, const std::string& to) override {
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return;
    if (errno != EINVAL && errno != ENOSYS) throw IoError("rename to", to, errno);
    // An old kernel or a file system without the flag: a link refuses a taken name as well.
    link(from, to);
    remove(from);
  }

  void rename_over(const std::string& from, const std::string& to) override {
    checked("rename to", to, ::rename(from.c_str(), to.c_str()));
  }

  void link(const std::string& from, const std::string& to) override {
    checked("link to", to, ::link(from.c_str(), to.c_str()));
  }

  void remove(const std::string& path) override { checked("remove", path, ::unlink(path.c_str())); }

  bool make_folder(const std::string& path) override {
    if (::mkdir(path.c_str(), 0700) == 0) return true;
    const int failed = errno;
    struct stat status {};
    const bool there = ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
    if (!there) throw IoError("make folder", path, failed);
    return false;
  }

  void sync_folder(const std::string& path) override {
    const OpenFile folder(*this, checked("open folder", path,
                                         ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
    // EINVAL: the file system has no such operation, and nothing better to offer.
    if (::fsync(folder.get()) != 0 && errno != EINVAL) throw IoError("fsync folder", path, errno);
  }

  std::vector<Entry> list(const std::string& folder) override {
    DIR* const stream = ::opendir(folder.c_str());
    if (stream == nullptr) throw IoError("list", folder, errno);
    std::vector<Entry> entries;
    errno = 0;
    while (const dirent* const found = ::readdir(stream)) {
      const std::string name = found->d_name;
      struct stat status {};
      const bool known =
          ::fstatat(::dirfd(stream), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
      if (name != "." && name != "..") entries.push_back({name, known && S_ISREG(status.st_mode)});
      errno = 0;
    }
    const int failed = errno;
    ::closedir(stream);
    if (failed != 0) throw IoError("list", folder, failed);
    return entries;
  }

  File lock(const std::string& path, const std::string& holder, std::string& previous) override {
    const File file = checked(
        "open", path, ::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    OpenFile guard(*this, file);
    // The kernel drops the lock when the process dies, however it dies.
    const int failed = ::flock(file, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
    char text[256];
    const ssize_t got = ::pread(file, text, sizeof text, 0);
    previous.assign(text, got > 0 ? static_cast<std::size_t>(got) : 0);
    if (failed != 0) throw IoError("lock", path, failed);
    checked("truncate", path, ::ftruncate(file, 0));
    if (::pwrite(file, holder.data(), holder.size(), 0) != static_cast<ssize_t>(holder.size()))
      throw IoError("write", path, errno != 0 ? errno : EIO);
    return guard.release();
  }

  void unlock(File file) noexcept override {
    // An empty file says that its last holder left in good order.
    [[maybe_unused]] const int ignored = ::ftruncate(file, 0);
    ::close(file);
  }

  void sleep(double seconds) override {
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  }

 private:
  static int checked(const char* operation, const std::string& path, int result) {
    if (result < 0) throw IoError(operation, path, errno);
    return result;
  }

  // The path behind an open file, for messages.
  static std::string name(File file) {
    char path[4096];
    const std::string link = fmt::format("/proc/self/fd/{}", file);
    const ssize_t length = ::readlink(link.c_str(), path, sizeof path);
    return length > 0 ? std::string(path, static_cast<std::size_t>(length)) : "a file";
  }
};

}  // namespace

FileSystem& real_file_system() {
  static RealFileSystem files;
  return files;
}

}  // namespace ktrain
