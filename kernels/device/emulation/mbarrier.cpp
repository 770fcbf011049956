#include "kernels/device/emulation/mbarrier.h"

#include <algorithm>

#include "kernels/device/emulation/access_check.h"
#include "kernels/device/emulation/block.h"
#include "kernels/device/emulation/memory.h"

namespace ktrain::emulation {
namespace {

using access_check::Kind;

constexpr std::int64_t kMostBytes = (1 << 20) - 1;
constexpr std::uint64_t kMagic = 5;

// As it is kept in the 64 bits: 20 of pending arrivals, 20 of those of each phase, 20 and a sign of
// bytes, the current phase's parity, and a magic number, which neither zeros nor poison have.
struct Barrier {
  std::int64_t pending, arrivals, bytes;
  unsigned parity;
  bool fresh;  // not fenced by its maker
};

[[noreturn]] void refuse(Site site, const char* what) {
  fail("mbarrier", "{} at {}:{}", what, site.file, site.line);
}

Barrier load(const std::uint64_t* barrier, Site site) {
  if (reinterpret_cast<std::uintptr_t>(barrier) % 8 != 0 || !is_shared_memory(barrier, 8))
    refuse(site, "a barrier that is not 8 aligned bytes of a shared array");
  const std::uint64_t v = *barrier;
  if (v >> 61 != kMagic) refuse(site, "a barrier that nobody made, or that was overwritten,");
  const auto field = [v](int at, int bits) {
    return static_cast<std::int64_t>(v >> at & ((std::uint64_t{1} << bits) - 1));
  };
  return {field(0, 18), field(18, 18), field(36, 21) - kMostBytes,
          static_cast<unsigned>(field(57, 1)), field(58, 1) != 0};
}

void store(std::uint64_t* barrier, const Barrier& b) {
  *barrier = kMagic << 61 | static_cast<std::uint64_t>(b.fresh) << 58 |
             static_cast<std::uint64_t>(b.parity) << 57 |
             static_cast<std::uint64_t>(b.bytes + kMostBytes) << 36 |
             static_cast<std::uint64_t>(b.arrivals) << 18 | static_cast<std::uint64_t>(b.pending);
}

// Stands for a phase in the race check.
const void* clock_of(const std::uint64_t* barrier, unsigned parity) {
  return reinterpret_cast<const char*>(barrier) + 4 * parity;
}

void count(std::uint64_t* barrier, std::int64_t arrivals, std::int64_t bytes, Site site) {
  Barrier b = load(barrier, site);
  if (arrivals > b.pending) refuse(site, "more arrivals than the barrier was made for");
  access_check::release(clock_of(barrier, b.parity), false);
  b.pending -= arrivals;
  b.bytes += bytes;
  if (std::abs(b.bytes) > kMostBytes) refuse(site, "more bytes than a barrier counts");
  if (b.pending == 0 && b.bytes == 0) {
    b.parity ^= 1;
    b.pending = b.arrivals;
    auto& waiting = machine().at_mbarrier;
    for (Thread* const thread : waiting)
      if (thread->mbarrier == barrier) make_ready(*thread);
    std::erase_if(waiting, [barrier](const Thread* t) { return t->mbarrier == barrier; });
  }
  store(barrier, b);
}

}  // namespace

void init_barrier(std::uint64_t* barrier, unsigned arrivals, Site site) {
  if (arrivals == 0 || arrivals >= 1 << 18) refuse(site, "a barrier of no arrivals or too many");
  if (reinterpret_cast<std::uintptr_t>(barrier) % 8 != 0 || !is_shared_memory(barrier, 8))
    refuse(site, "a barrier that is not 8 aligned bytes of a shared array");
  access_check::touched(barrier, 8, Kind::kWrite, site);
  store(barrier, {arrivals, arrivals, 0, 0, true});
  machine().running->barriers.push_back(barrier);
}

void fence_barriers() {
  Thread& self = *machine().running;
  for (std::uint64_t* const barrier : self.barriers) {
    Barrier b = load(barrier, Site::here());
    b.fresh = false;
    store(barrier, b);
  }
  self.barriers.clear();
}

void arrive(std::uint64_t* barrier, unsigned bytes, Site site) {
  access_check::touched(barrier, 8, Kind::kAtomic, site);
  count(barrier, 1, bytes, site);
  maybe_yield();
}

void wait_for_phase(std::uint64_t* barrier, unsigned parity, Site site) {
  maybe_yield();
  access_check::touched(barrier, 8, Kind::kAtomic, site);
  while (load(barrier, site).parity == parity) {
    Thread& self = *machine().running;
    self.mbarrier = barrier;
    machine().at_mbarrier.push_back(&self);
    wait(State::kAtMbarrier, "wait_for_phase", site);
  }
  access_check::acquire(clock_of(barrier, parity));
}

bool phase_ends(std::uint64_t* barrier, unsigned parity, Site site) {
  access_check::touched(barrier, 8, Kind::kAtomic, site);
  if (load(barrier, site).parity == parity) {
    Thread& self = *machine().running;
    self.mbarrier = nullptr;  // made ready when all is quiet, by whom it may
    machine().at_mbarrier.push_back(&self);
    wait(State::kAtMbarrier, "phase_ends", site);
  }
  if (load(barrier, site).parity == parity) return false;
  access_check::acquire(clock_of(barrier, parity));
  return true;
}

void check_barrier(const std::uint64_t* barrier, Site site) {
  access_check::touched(barrier, 8, Kind::kAtomic, site);
  if (load(barrier, site).fresh)
    refuse(site, "a tensor copy with a barrier that its maker did not fence");
}

void complete_bytes(std::uint64_t* barrier, unsigned bytes, Site site) {
  count(barrier, 0, -static_cast<std::int64_t>(bytes), site);
}

}  // namespace ktrain::emulation
