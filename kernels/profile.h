// Time and floating point work by kernel name and by part of the model.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace ktrain {

// What kernels work for. `name` points to characters that live as long as the program.
struct Part {
  const char* name = "other";
  bool backward = false;
};

// Kernels of this thread work for `part` while the scope lives. A tape remembers the part in which
// an op was recorded and walks the op back in it.
class PartScope {
 public:
  explicit PartScope(Part part);
  explicit PartScope(const char* name) : PartScope(Part{name, current().backward}) {}
  ~PartScope();
  PartScope(const PartScope&) = delete;
  PartScope& operator=(const PartScope&) = delete;
  [[nodiscard]] static Part current();

 private:
  Part before_;
};

class Profile {
 public:
  struct Entry {
    std::int64_t calls = 0;
    double seconds = 0;
    double flops = 0;
  };

  void add_time(const std::string& kernel, double seconds);
  // Work of a call that is about to be, or was just, timed under the same name.
  void add_flops(const std::string& kernel, double flops);
  void clear() {
    entries_.clear();
    parts_.clear();
  }
  // By kernel.
  [[nodiscard]] const std::map<std::string, Entry>& entries() const { return entries_; }
  // By part, its way back as "<name>, backward", and by kernel therein.
  using Parts = std::map<std::string, std::map<std::string, Entry>>;
  [[nodiscard]] const Parts& parts() const { return parts_; }

 private:
  std::map<std::string, Entry> entries_;
  Parts parts_;
};

// Seconds on the monotonic clock.
[[nodiscard]] double monotonic_seconds();

}  // namespace ktrain
