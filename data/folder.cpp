#include "data/folder.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/fault.h"

namespace ktrain {
namespace {

constexpr std::size_t kMaxPathBytes = 4096;
constexpr int kMaxLinks = 16;

// The components of a path, last first, so that the next one is at the back.
std::vector<std::string> components(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    if (slash > 0 && path.substr(0, slash) != ".") out.emplace_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  std::reverse(out.begin(), out.end());
  return out;
}

std::string link_target(int folder, const std::string& name) {
  std::string target(kMaxPathBytes, '\0');
  const ssize_t size = readlinkat(folder, name.c_str(), target.data(), target.size());
  target.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return target;
}

bool is_link(int folder, const std::string& name) {
  struct stat status {};
  return fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISLNK(status.st_mode);
}

// Reads `size` bytes at `offset`; fewer when the file has become shorter.
std::size_t read_at(int descriptor, std::int64_t offset, std::uint8_t* out, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got =
        pread(descriptor, out + done, size - done, offset + static_cast<std::int64_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

}  // namespace

FileHandle& FileHandle::operator=(FileHandle&& other) noexcept {
  if (this != &other) {
    if (is_open()) close(descriptor_);
    descriptor_ = other.release();
  }
  return *this;
}

FileHandle::~FileHandle() {
  if (is_open()) close(descriptor_);
}

int FileHandle::release() { return std::exchange(descriptor_, -1); }

void check_relative_path(std::string_view path, std::string_view named_by) {
  const auto refuse = [&](std::string_view why) {
    throw_fault("KT-DATA-006", "{}: the path '{}' {}; wanted one relative to the data root",
                printable(named_by, 200), printable(path), why);
  };
  if (path.empty()) refuse("is empty");
  if (path.size() > kMaxPathBytes) refuse("is longer than 4096 bytes");
  if (path.front() == '/') refuse("is absolute");
  if (path.size() > 1 && path[1] == ':') refuse("has a drive letter");
  for (const char c : path) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) refuse("has control bytes");
    if (c == '\\') refuse("has a backslash");
  }
  for (const std::string& component : components(path))
    if (component == "..") refuse("leads out through '..'");
}

DataFolder::DataFolder(const std::filesystem::path& root)
    : root_(root), handle_(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
  if (!handle_.is_open())
    throw_fault("KT-DATA-001", "{}: no such folder ({}); set data.root to where the data set lies",
                printable(root.string(), 200), std::strerror(errno));
}

std::string DataFolder::shown(std::string_view path) const {
  return printable((root_ / path).string(), 200);
}

// Steps down one component at a time and resolves links itself, so that no step can leave the root,
// not even through a link that somebody swaps in between.
FileHandle DataFolder::open_beneath(const std::string& path, int flags) const {
  check_relative_path(path.empty() ? "." : path, root_.string());
  std::vector<std::string> left = components(path);
  std::vector<FileHandle> folders;
  const auto top = [&] { return folders.empty() ? handle_.get() : folders.back().get(); };
  const auto refuse = [&](std::string_view why) {
    throw_fault("KT-DATA-006", "{}: {}; put the files themselves under the data root", shown(path),
                why);
  };
  int links = 0;
  while (!left.empty()) {
    const std::string name = std::move(left.back());
    left.pop_back();
    if (name == "..") {
      if (folders.empty()) refuse("a link leads out of the data root");
      folders.pop_back();
      continue;
    }
    if (is_link(top(), name)) {
      const std::string target = link_target(top(), name);
      if (++links > kMaxLinks) refuse("too many links");
      if (target.empty() || target.front() == '/') refuse("a link leads out of the data root");
      for (std::string& component : components(target)) left.push_back(std::move(component));
      continue;
    }
    const int how = left.empty() ? flags : O_PATH | O_DIRECTORY;
    FileHandle next(openat(top(), name.c_str(), how | O_NOFOLLOW | O_CLOEXEC));
    if (!next.is_open()) return next;
    if (left.empty()) return next;
    folders.push_back(std::move(next));
  }
  return FileHandle(openat(top(), ".", flags | O_CLOEXEC));
}

FileHandle DataFolder::open_file(const std::string& path, std::int64_t& size) const {
  FileHandle file = open_beneath(path, O_RDONLY | O_NONBLOCK);
  if (!file.is_open()) {
    const int error = errno;
    if (error == ENOENT || error == ENOTDIR)
      throw_fault("KT-DATA-001", "{}: no such file", shown(path));
    throw_fault("KT-DATA-007", "{}: cannot be opened: {}", shown(path), std::strerror(error));
  }
  struct stat status {};
  if (fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))
    throw_fault("KT-DATA-007", "{}: not a regular file", shown(path));
  size = status.st_size;
  return file;
}

std::optional<std::int64_t> DataFolder::file_bytes(const std::string& path) const {
  const FileHandle file = open_beneath(path, O_PATH);
  struct stat status {};
  if (!file.is_open() || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  return status.st_size;
}

bool DataFolder::has_file(const std::string& path) const { return file_bytes(path).has_value(); }

bool DataFolder::has_folder(const std::string& path) const {
  return open_beneath(path, O_PATH | O_DIRECTORY).is_open();
}

void DataFolder::read(const std::string& path, std::int64_t max_bytes,
                      std::vector<std::uint8_t>& bytes) const {
  std::int64_t size = 0;
  const FileHandle file = open_file(path, size);
  if (size > max_bytes)
    throw_fault("KT-DATA-004", "{}: the file has {} bytes; at most {} are read", shown(path), size,
                max_bytes);
  bytes.resize(static_cast<std::size_t>(size));
  if (read_at(file.get(), 0, bytes.data(), bytes.size()) != bytes.size())
    throw_fault("KT-DATA-007", "{}: {} bytes announced, fewer could be read", shown(path), size);
}

std::string DataFolder::read_text(const std::string& path, std::int64_t max_bytes) const {
  std::vector<std::uint8_t> bytes;
  read(path, max_bytes, bytes);
  return {bytes.begin(), bytes.end()};
}

std::int64_t DataFolder::read_ends(const std::string& path, std::int64_t head, std::int64_t tail,
                                   std::vector<std::uint8_t>& begin,
                                   std::vector<std::uint8_t>& end) const {
  std::int64_t size = 0;
  const FileHandle file = open_file(path, size);
  begin.resize(static_cast<std::size_t>(std::min(head, size)));
  end.resize(static_cast<std::size_t>(std::min(tail, size)));
  const auto end_size = static_cast<std::int64_t>(end.size());
  if (read_at(file.get(), 0, begin.data(), begin.size()) != begin.size() ||
      read_at(file.get(), size - end_size, end.data(), end.size()) != end.size())
    throw_fault("KT-DATA-007", "{}: {} bytes announced, fewer could be read", shown(path), size);
  return size;
}

std::vector<std::string> DataFolder::names(const std::string& path) const {
  FileHandle folder = open_beneath(path, O_RDONLY | O_DIRECTORY);
  if (!folder.is_open())
    throw_fault("KT-DATA-001", "{}: no such folder ({})", shown(path), std::strerror(errno));
  struct Closer {
    void operator()(DIR* dir) const { closedir(dir); }
  };
  const std::unique_ptr<DIR, Closer> entries(fdopendir(folder.get()));
  if (!entries) throw_fault("KT-DATA-007", "{}: cannot be listed", shown(path));
  folder.release();
  std::vector<std::string> out;
  while (const dirent* entry = readdir(entries.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") out.emplace_back(name);
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> DataFolder::files(const std::string& path, int depth) const {
  struct Level {
    std::string prefix;
    int depth;
  };
  std::vector<std::string> out;
  std::vector<Level> left = {{"", depth}};
  while (!left.empty()) {
    const Level level = std::move(left.back());
    left.pop_back();
    for (const std::string& name : names(path + "/" + level.prefix)) {
      const std::string inner = level.prefix + name;
      if (has_file(path + "/" + inner))
        out.push_back(inner);
      else if (level.depth > 0 && has_folder(path + "/" + inner))
        left.push_back({inner + "/", level.depth - 1});
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace ktrain
