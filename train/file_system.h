// The few calls to the operating system through which durable files are written and read: thin, so
// that a test can put a simulated disk underneath that fails, tears and forgets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "kernels/check.h"

namespace ktrain {

// What the system refused: "write run/x.tmp1: No space left on device".
class IoError : public Error {
 public:
  IoError(const std::string& operation, const std::string& path, int code);
  [[nodiscard]] int code() const { return code_; }  // an errno value
  [[nodiscard]] bool out_of_space() const;

 private:
  int code_;
};

// Every call throws IoError on failure. Paths are taken as they are; links are never followed at
// a path's last component.
class FileSystem {
 public:
  using File = int;
  struct Entry {
    std::string name;
    bool regular = false;  // a plain file: no folder, link or device
  };

  FileSystem() = default;
  FileSystem(const FileSystem&) = delete;
  FileSystem& operator=(const FileSystem&) = delete;
  virtual ~FileSystem() = default;

  // A new file, readable by its owner only. EEXIST when the name is taken.
  [[nodiscard]] virtual File create(const std::string& path) = 0;
  // An existing regular file, for reading.
  [[nodiscard]] virtual File open(const std::string& path) = 0;
  // Sets disk space aside without changing the size; does nothing where the disk cannot.
  virtual void reserve(File file, std::uint64_t bytes) = 0;
  // Appends up to `bytes`; returns how many were taken, and may throw EINTR.
  [[nodiscard]] virtual std::size_t write(File file, const void* data, std::size_t bytes) = 0;
  // Reads up to `bytes` from `offset`; 0 at the end.
  [[nodiscard]] virtual std::size_t read(File file, void* data, std::size_t bytes,
                                         std::uint64_t offset) = 0;
  [[nodiscard]] virtual std::uint64_t size(File file) = 0;
  // Returns when the file's contents are on the disk.
  virtual void sync(File file) = 0;
  virtual void close(File file) = 0;
  // For unwinding: closes, and has nothing to say.
  virtual void abandon(File file) noexcept = 0;

  // EEXIST when `to` is taken.
  virtual void rename_new(const std::string& from, const std::string& to) = 0;
  // Replaces `to` in one step.
  virtual void rename_over(const std::string& from, const std::string& to) = 0;
  virtual void link(const std::string& from, const std::string& to) = 0;
  virtual void remove(const std::string& path) = 0;
  // Whether it was made: a folder that is there is as good. ENOENT when its parent is missing.
  virtual bool make_folder(const std::string& path) = 0;
  // Returns when the names in the folder are on the disk.
  virtual void sync_folder(const std::string& path) = 0;
  [[nodiscard]] virtual std::vector<Entry> list(const std::string& folder) = 0;

  // Holds the file (made if missing) until unlock or the end of the process, writes `holder` into
  // it and puts what stood there into `previous`. EWOULDBLOCK when somebody else holds it;
  // `previous` then tells who.
  [[nodiscard]] virtual File lock(const std::string& path, const std::string& holder,
                                  std::string& previous) = 0;
  virtual void unlock(File file) noexcept = 0;

  virtual void sleep(double seconds) = 0;
};

// The machine's own.
[[nodiscard]] FileSystem& real_file_system();

// Closes on the way out, whatever happens.
class OpenFile {
 public:
  OpenFile(FileSystem& files, FileSystem::File file) : files_(files), file_(file) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() {
    if (file_ >= 0) files_.abandon(file_);
  }

  [[nodiscard]] FileSystem::File get() const { return file_; }
  // Leaves the closing to somebody else.
  [[nodiscard]] FileSystem::File release() { return std::exchange(file_, -1); }
  // A write may be reported as failed only now.
  void close();
  // All bytes, however many calls it takes.
  void write(const void* data, std::size_t bytes);
  // Exactly `bytes` from `offset`; an Error when the file ends before.
  void read(void* data, std::size_t bytes, std::uint64_t offset) const;

 private:
  FileSystem& files_;
  FileSystem::File file_;
};

// Takes a file away if it is there and can be; failure is nobody's concern.
void try_remove(FileSystem& files, const std::string& path);

// Makes a folder and those above it, and returns when its name is on the disk.
void make_durable_folder(FileSystem& files, const std::string& path);

}  // namespace ktrain
