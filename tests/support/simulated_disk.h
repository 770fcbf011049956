// A disk in memory that knows which bytes and which names a power cut would spare, and lists the
// states in which it may leave them. Files are only ever appended to, as checkpoints are.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "train/file_system.h"

namespace ktrain::test {

class SimulatedDisk final : public FileSystem {
 public:
  struct Inode {
    std::string content;  // what the process sees
    std::string durable;  // what a power cut surely spares
    std::string pending;  // appended since, may be lost, torn or reordered
    bool folder = false;
  };
  // Names that change together, as a rename changes two.
  struct NameChange {
    std::string folder;
    std::vector<std::pair<std::string, std::optional<std::size_t>>> names;
  };
  struct State {
    std::vector<Inode> inodes;
    std::map<std::string, std::size_t> names, durable_names;
    std::vector<NameChange> pending_names;
  };

  SimulatedDisk() = default;
  explicit SimulatedDisk(State state) : state_(std::move(state)) {}
  [[nodiscard]] const State& state() const { return state_; }
  [[nodiscard]] State& state() { return state_; }
  bool fsync_lies = false;  // reports success and does nothing
  double slept_seconds = 0;
  std::function<void()> on_sleep = [] {};

  // Calls `visit` with every state in which a power cut now may leave the disk: any subset of the
  // unsynced names, in order, and of each file that then has a name one of seven fates.
  template <class Visit>
  void power_cuts(Visit visit) const {
    const std::size_t changes = state_.pending_names.size();
    for (std::size_t subset = 0; subset < std::size_t{1} << changes; ++subset) {
      State after = state_;
      after.names = state_.durable_names;
      for (std::size_t i = 0; i < changes; ++i)
        if ((subset >> i & 1) != 0) apply(after.names, state_.pending_names[i]);
      drop_orphans(after.names);
      after.durable_names = after.names;
      after.pending_names.clear();
      std::set<std::size_t> unsynced;
      for (const auto& [name, inode] : after.names)
        if (!after.inodes[inode].pending.empty()) unsynced.insert(inode);
      settle(after, {unsynced.begin(), unsynced.end()}, 0, visit);
    }
  }

  // A file as if it had always been there.
  void put(const std::string& path, std::string content) {
    state_.names[path] = state_.durable_names[path] = state_.inodes.size();
    state_.inodes.push_back({content, content, "", false});
  }
  [[nodiscard]] bool has(const std::string& path) const { return state_.names.contains(path); }
  [[nodiscard]] std::string& content(const std::string& path) {
    return state_.inodes[state_.names.at(path)].content;
  }
  // What Linux does after a failed fsync: the pages count as clean, and no later fsync writes them.
  void forget_unsynced(File file) { state_.inodes[open_.at(file)].pending.clear(); }

  File create(const std::string& path) override {
    require_folder(path);
    if (has(path)) throw IoError("create", path, EEXIST);
    change({parent(path), {{path, state_.inodes.size()}}});
    state_.inodes.push_back({});
    return handle(state_.inodes.size() - 1);
  }
  File open(const std::string& path) override {
    const std::size_t inode = find(path);
    if (state_.inodes[inode].folder) throw IoError("open", path, EISDIR);
    return handle(inode);
  }
  void reserve(File, std::uint64_t) override {}
  std::size_t write(File file, const void* data, std::size_t bytes) override {
    Inode& inode = state_.inodes[open_.at(file)];
    inode.content.append(static_cast<const char*>(data), bytes);
    inode.pending.append(static_cast<const char*>(data), bytes);
    return bytes;
  }
  std::size_t read(File file, void* data, std::size_t bytes, std::uint64_t offset) override {
    const std::string& content = state_.inodes[open_.at(file)].content;
    if (offset >= content.size()) return 0;
    const std::size_t take = std::min<std::size_t>(bytes, content.size() - offset);
    std::memcpy(data, content.data() + offset, take);
    return take;
  }
  std::uint64_t size(File file) override { return state_.inodes[open_.at(file)].content.size(); }
  void sync(File file) override {
    if (fsync_lies) return;
    Inode& inode = state_.inodes[open_.at(file)];
    inode.durable += std::exchange(inode.pending, "");
  }
  void close(File file) override { open_.erase(file); }
  void abandon(File file) noexcept override { open_.erase(file); }

  void rename_new(const std::string& from, const std::string& to) override {
    if (has(to)) throw IoError("rename to", to, EEXIST);
    rename_over(from, to);
  }
  void rename_over(const std::string& from, const std::string& to) override {
    const std::size_t inode = find(from);
    if (has(to) && find(to) == inode) return;  // as POSIX has it
    change({parent(to), {{from, std::nullopt}, {to, inode}}});
  }
  void link(const std::string& from, const std::string& to) override {
    if (has(to)) throw IoError("link to", to, EEXIST);
    change({parent(to), {{to, find(from)}}});
  }
  void remove(const std::string& path) override {
    (void)find(path);
    change({parent(path), {{path, std::nullopt}}});
  }
  bool make_folder(const std::string& path) override {
    if (has(path)) return false;
    require_folder(path);
    change({parent(path), {{path, state_.inodes.size()}}});
    state_.inodes.push_back({"", "", "", true});
    return true;
  }
  void sync_folder(const std::string& path) override {
    std::vector<NameChange> rest;
    for (const NameChange& pending : state_.pending_names) {
      if (trimmed(pending.folder) == trimmed(path))
        apply(state_.durable_names, pending);
      else
        rest.push_back(pending);
    }
    state_.pending_names = rest;
  }
  std::vector<Entry> list(const std::string& folder) override {
    (void)find(folder);
    std::vector<Entry> entries;
    for (const auto& [path, inode] : state_.names)
      if (parent(path) == folder)
        entries.push_back({path.substr(folder.size() + 1), !state_.inodes[inode].folder});
    return entries;
  }
  File lock(const std::string& path, const std::string& holder, std::string& previous) override {
    if (locked_.contains(path)) throw IoError("lock", path, EWOULDBLOCK);
    if (has(path)) previous = content(path);
    if (!has(path)) put(path, "");
    content(path) = holder;
    locked_.insert(path);
    const File file = handle(find(path));
    lock_paths_[file] = path;
    return file;
  }
  void unlock(File file) noexcept override {
    locked_.erase(lock_paths_[file]);
    open_.erase(file);
  }
  void sleep(double seconds) override {
    slept_seconds += seconds;
    on_sleep();
  }

 private:
  static std::string trimmed(std::string path) {
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    return path;
  }
  static std::string parent(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash);
  }
  void require_folder(const std::string& path) const {
    if (parent(path) != "." && !has(parent(path))) throw IoError("create", path, ENOENT);
  }
  std::size_t find(const std::string& path) const {
    const auto found = state_.names.find(path);
    if (found == state_.names.end()) throw IoError("find", path, ENOENT);
    return found->second;
  }
  File handle(std::size_t inode) {
    open_[next_] = inode;
    return next_++;
  }
  static void apply(std::map<std::string, std::size_t>& names, const NameChange& change) {
    for (const auto& [name, inode] : change.names) {
      if (inode)
        names[name] = *inode;
      else
        names.erase(name);
    }
  }
  void change(NameChange what) {
    apply(state_.names, what);
    state_.pending_names.push_back(std::move(what));
  }
  // What lay in a folder whose own name was lost is lost with it.
  static void drop_orphans(std::map<std::string, std::size_t>& names) {
    std::erase_if(names, [&](const auto& entry) {
      for (std::string at = parent(entry.first); at != "."; at = parent(at))
        if (!names.contains(at)) return true;
      return false;
    });
  }

  static constexpr int kFates = 7;
  static std::string fate(const Inode& inode, int which) {
    const std::string& more = inode.pending;
    const std::size_t sector = more.size() / 2 / 512 * 512, page = more.size() / 4096 * 4096;
    switch (which) {
      case 0:
        return inode.durable;  // nothing arrived
      case 1:
        return inode.durable + more;  // all did
      case 2:
        return inode.durable + more.substr(0, sector);  // torn
      case 3:
        return inode.durable + more.substr(0, page);  // torn at a page
      case 4:
        return inode.durable + std::string(more.size(), '\0');  // only the size
      case 5:
        return inode.durable + std::string(sector, '\0') + more.substr(sector);  // reordered
      default:
        return inode.durable + more.substr(0, more.size() - 1);  // all but one
    }
  }
  template <class Visit>
  static void settle(const State& state, const std::vector<std::size_t>& unsynced, std::size_t at,
                     Visit& visit) {
    if (at == unsynced.size()) return visit(state);
    for (int which = 0; which < kFates; ++which) {
      State next = state;
      Inode& inode = next.inodes[unsynced[at]];
      inode.content = inode.durable = fate(inode, which);
      inode.pending.clear();
      settle(next, unsynced, at + 1, visit);
    }
  }

  State state_;
  std::map<File, std::size_t> open_;
  std::map<File, std::string> lock_paths_;
  std::set<std::string> locked_;
  File next_ = 3;
};

}  // namespace ktrain::test
