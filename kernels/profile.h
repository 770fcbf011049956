// Time and floating point work by kernel name.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace ktrain {

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
  void clear() { entries_.clear(); }
  [[nodiscard]] const std::map<std::string, Entry>& entries() const { return entries_; }

 private:
  std::map<std::string, Entry> entries_;
};

// Seconds on the monotonic clock.
[[nodiscard]] double monotonic_seconds();

}  // namespace ktrain
