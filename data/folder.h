// Files beneath the root of a data set, and nowhere else: a name in a list or a JSON file cannot
// lead out of it. Read-only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ktrain {

// A file descriptor that closes itself.
class FileHandle {
 public:
  explicit FileHandle(int descriptor = -1) : descriptor_(descriptor) {}
  FileHandle(FileHandle&& other) noexcept : descriptor_(other.release()) {}
  FileHandle& operator=(FileHandle&& other) noexcept;
  ~FileHandle();
  [[nodiscard]] int get() const { return descriptor_; }
  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }
  int release();

 private:
  int descriptor_;
};

// Throws Fault KT-DATA-006 unless `path` is relative, without "..", control bytes, backslashes and
// drive letters, and at most 4096 bytes.
void check_relative_path(std::string_view path, std::string_view named_by);

// Safe to use from many threads. Paths are relative to the root and use '/'.
class DataFolder {
 public:
  // Opens the root; it may be a link, nothing beneath it may lead out. Throws Fault KT-DATA-001.
  explicit DataFolder(const std::filesystem::path& root);

  [[nodiscard]] const std::filesystem::path& root() const { return root_; }
  // "root/path", for messages.
  [[nodiscard]] std::string shown(std::string_view path) const;

  [[nodiscard]] bool has_file(const std::string& path) const;
  [[nodiscard]] bool has_folder(const std::string& path) const;
  // Bytes of a regular file, nothing when there is none.
  [[nodiscard]] std::optional<std::int64_t> file_bytes(const std::string& path) const;

  // The whole file. Throws Fault: KT-DATA-001 missing, KT-DATA-004 longer than `max_bytes`,
  // KT-DATA-006 leads out, KT-DATA-007 cannot be read. `bytes` keeps its memory.
  void read(const std::string& path, std::int64_t max_bytes,
            std::vector<std::uint8_t>& bytes) const;
  [[nodiscard]] std::string read_text(const std::string& path, std::int64_t max_bytes) const;
  // At most `head` bytes from the beginning and the last `tail` bytes; returns the file's size.
  std::int64_t read_ends(const std::string& path, std::int64_t head, std::int64_t tail,
                         std::vector<std::uint8_t>& begin, std::vector<std::uint8_t>& end) const;

  // Names in a folder, sorted, without "." and "..". Throws Fault when there is no such folder.
  [[nodiscard]] std::vector<std::string> names(const std::string& path) const;
  // Paths, relative to `path`, of all regular files beneath it, at most `depth` folders deep.
  [[nodiscard]] std::vector<std::string> files(const std::string& path, int depth) const;

 private:
  [[nodiscard]] FileHandle open_beneath(const std::string& path, int flags) const;
  [[nodiscard]] FileHandle open_file(const std::string& path, std::int64_t& size) const;

  std::filesystem::path root_;
  FileHandle handle_;
};

}  // namespace ktrain
