#include "kernels/device/emulation/access_clock.h"

#include <algorithm>

namespace ktrain::emulation::access_check {
namespace {

void join(Times& into, const Times& from) {
  if (into.size() < from.size()) into.resize(from.size());
  for (std::size_t i = 0; i < from.size(); ++i) into[i] = std::max(into[i], from[i]);
}

}  // namespace

void Clocks::block_begins(unsigned num_threads, std::uint32_t block) {
  block_ = block;
  // A barrier of another block orders nothing here.
  for (auto at = meetings_.begin(); at != meetings_.end();)
    at = at->second.global ? std::next(at) : meetings_.erase(at);
  clocks_.resize(num_threads);
  for (unsigned t = 0; t < num_threads; ++t) {
    clocks_[t].foreign.clear();
    clocks_[t].own.assign(num_threads, 0);
    clocks_[t].own[t] = 1;
  }
}

void Clocks::release(int thread, const void* place, bool global) {
  Clock& mine = clocks_[static_cast<std::size_t>(thread)];
  Meeting& meeting = meetings_[place];
  meeting.global = meeting.global || global;
  join(global ? meeting.clock.foreign[block_] : meeting.clock.own, mine.own);
  for (const auto& [block, times] : mine.foreign) join(meeting.clock.foreign[block], times);
  ++mine.own[static_cast<std::size_t>(thread)];
}

void Clocks::acquire(int thread, const void* place) {
  const auto found = meetings_.find(place);
  if (found == meetings_.end()) return;
  Clock& mine = clocks_[static_cast<std::size_t>(thread)];
  join(mine.own, found->second.clock.own);
  for (const auto& [block, times] : found->second.clock.foreign)
    join(block == block_ ? mine.own : mine.foreign[block], times);
}

bool Clocks::before(std::uint32_t block, unsigned other, std::uint32_t time, int thread) const {
  const Clock& mine = clocks_[static_cast<std::size_t>(thread)];
  if (block == block_) return mine.own[other] >= time;
  const auto found = mine.foreign.find(block);
  return found != mine.foreign.end() && other < found->second.size() &&
         found->second[other] >= time;
}

}  // namespace ktrain::emulation::access_check
