// Another file system with faults: call n fails, or the process dies before, in the middle of or
// after it.
#pragma once

#include <cerrno>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "train/file_system.h"

namespace ktrain::test {

// Thrown where the process would die. Not an Error: nothing that handles errors catches it.
struct Death {};

class FaultyFileSystem final : public FileSystem {
 public:
  enum class When { kBefore, kMiddle, kAfter };
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

  explicit FaultyFileSystem(FileSystem& inner) : inner_(inner) {}

  std::int64_t calls = 0;  // so far
  std::int64_t die_at = kNever;
  When die_when = When::kBefore;
  std::function<void()> die = [] { throw Death{}; };
  std::int64_t fail_from = kNever, fail_to = kNever;  // [from, to) fail with `code`
  int code = EIO;
  int fail_syncs = 0;  // so many fsyncs fail with EIO
  bool fail_only_what_takes_room = false;
  bool sleeps = true;
  bool interrupt_and_shorten_writes = false;
  std::function<void(File)> on_failed_sync = [](File) {};
  std::vector<std::string> names;  // of the calls

  File create(const std::string& path) override {
    return around("create", true, [&] { return inner_.create(path); });
  }
  File open(const std::string& path) override {
    return around("open", false, [&] { return inner_.open(path); });
  }
  void reserve(File file, std::uint64_t bytes) override {
    around("reserve", true, [&] { inner_.reserve(file, bytes); });
  }
  std::size_t write(File file, const void* data, std::size_t bytes) override {
    if (interrupt_and_shorten_writes) {
      interrupted_ = !interrupted_;
      if (interrupted_) throw IoError("write", "", EINTR);
      bytes = (bytes + 2) / 3;
    }
    if (calls + 1 == die_at && die_when == When::kMiddle) bytes /= 2;
    return around("write", true, [&] { return inner_.write(file, data, bytes); });
  }
  std::size_t read(File file, void* data, std::size_t bytes, std::uint64_t offset) override {
    return around("read", false, [&] { return inner_.read(file, data, bytes, offset); });
  }
  std::uint64_t size(File file) override {
    return around("size", false, [&] { return inner_.size(file); });
  }
  void sync(File file) override {
    const auto next = calls + 1;
    if (next >= fail_from && next < fail_to && !fail_only_what_takes_room) on_failed_sync(file);
    if (fail_syncs > 0) {
      --fail_syncs;
      on_failed_sync(file);
      throw IoError("sync", "(made to fail)", EIO);
    }
    around("sync", false, [&] { inner_.sync(file); });
  }
  void close(File file) override {
    around("close", false, [&] { inner_.close(file); });
  }
  void abandon(File file) noexcept override { inner_.abandon(file); }
  void rename_new(const std::string& from, const std::string& to) override {
    around("rename_new", true, [&] { inner_.rename_new(from, to); });
  }
  void rename_over(const std::string& from, const std::string& to) override {
    around("rename_over", true, [&] { inner_.rename_over(from, to); });
  }
  void link(const std::string& from, const std::string& to) override {
    around("link", true, [&] { inner_.link(from, to); });
  }
  void remove(const std::string& path) override {
    around("remove", false, [&] { inner_.remove(path); });
  }
  bool make_folder(const std::string& path) override {
    return around("make_folder", true, [&] { return inner_.make_folder(path); });
  }
  void sync_folder(const std::string& path) override {
    around("sync_folder", true, [&] { inner_.sync_folder(path); });
  }
  std::vector<Entry> list(const std::string& folder) override {
    return around("list", false, [&] { return inner_.list(folder); });
  }
  File lock(const std::string& path, const std::string& holder, std::string& previous) override {
    return around("lock", true, [&] { return inner_.lock(path, holder, previous); });
  }
  void unlock(File file) noexcept override { inner_.unlock(file); }
  void sleep(double seconds) override {
    if (sleeps) inner_.sleep(seconds);
  }

 private:
  template <class Call>
  std::invoke_result_t<Call> around(const char* name, bool takes_room, Call call) {
    ++calls;
    names.emplace_back(name);
    if (calls == die_at && die_when == When::kBefore) die();
    if (calls >= fail_from && calls < fail_to && (takes_room || !fail_only_what_takes_room))
      throw IoError(name, "(made to fail)", code);
    const auto die_after = [&] {
      if (calls == die_at && die_when != When::kBefore) die();
    };
    try {
      if constexpr (std::is_void_v<std::invoke_result_t<Call>>) {
        call();
        die_after();
      } else {
        auto result = call();
        die_after();
        return result;
      }
    } catch (const IoError&) {
      die_after();  // also when the call failed by itself
      throw;
    }
  }

  FileSystem& inner_;
  bool interrupted_ = false;
};

}  // namespace ktrain::test
