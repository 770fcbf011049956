#include "runtime/free_ranges.h"

namespace ktrain {

void FreeRanges::insert(std::int64_t offset, std::int64_t bytes) {
  ranges_.emplace(offset, bytes);
  by_size_.emplace(bytes, offset);
}

void FreeRanges::erase(Ranges::iterator range) {
  by_size_.erase({range->second, range->first});
  ranges_.erase(range);
}

void FreeRanges::put(std::int64_t offset, std::int64_t bytes) {
  auto next = ranges_.lower_bound(offset);
  if (next != ranges_.end() && offset + bytes == next->first) {
    bytes += next->second;
    const auto gone = next++;
    erase(gone);
  }
  if (next != ranges_.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second == offset) {
      offset = before->first;
      bytes += before->second;
      erase(before);
    }
  }
  insert(offset, bytes);
}

std::optional<std::int64_t> FreeRanges::take(std::int64_t bytes, std::int64_t alignment) {
  for (auto found = by_size_.lower_bound({bytes, 0}); found != by_size_.end(); ++found) {
    const auto [size, start] = *found;
    const std::int64_t aligned = (start + alignment - 1) / alignment * alignment;
    if (aligned + bytes > start + size) continue;
    erase(ranges_.find(start));
    if (aligned > start) insert(start, aligned - start);
    if (aligned + bytes < start + size) insert(aligned + bytes, start + size - aligned - bytes);
    return aligned;
  }
  return std::nullopt;
}

std::optional<std::int64_t> FreeRanges::take_before(std::int64_t end) {
  if (ranges_.empty()) return std::nullopt;
  const auto last = std::prev(ranges_.upper_bound(end));
  if (last->first >= end || last->first + last->second != end) return std::nullopt;
  const std::int64_t start = last->first;
  erase(last);
  return start;
}

void FreeRanges::move_to(FreeRanges& to) {
  for (const auto& [offset, bytes] : ranges_) to.put(offset, bytes);
  ranges_.clear();
  by_size_.clear();
}

}  // namespace ktrain
