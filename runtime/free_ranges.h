// Unused ranges of one address range: the smallest that fits is taken, neighbours are joined.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace ktrain {

class FreeRanges {
 public:
  // Joined with what touches it.
  void put(std::int64_t offset, std::int64_t bytes);
  // The start of `bytes` at a multiple of `alignment`, out of the smallest range that holds them,
  // the lowest of equals.
  [[nodiscard]] std::optional<std::int64_t> take(std::int64_t bytes, std::int64_t alignment);
  // Takes the range that ends at `end` out and returns its start.
  [[nodiscard]] std::optional<std::int64_t> take_before(std::int64_t end);
  // Hands every range to `to`.
  void move_to(FreeRanges& to);

 private:
  using Ranges = std::map<std::int64_t, std::int64_t>;  // offset -> bytes
  void insert(std::int64_t offset, std::int64_t bytes);
  void erase(Ranges::iterator range);

  Ranges ranges_;
  std::set<std::pair<std::int64_t, std::int64_t>> by_size_;  // (bytes, offset)
};

}  // namespace ktrain
