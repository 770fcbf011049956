// Barriers, warp operations, fences.
#include <algorithm>
#include <bit>

#include "kernels/device/emulation/access_check.h"
#include "kernels/device/emulation/block.h"
#include "kernels/device/emulation/warp.h"

namespace ktrain::emulation {
namespace {

void open_barrier(Machine& m) {
  ++m.barrier_generation;
  for (Thread* const thread : m.at_barrier) make_ready(*thread);
  m.at_barrier.clear();
}

Warp& warp_of(const Thread& thread) { return machine().warps[thread.number / kLanes]; }

// The lanes that operation `op` still has to wait for.
unsigned missing_lanes(const Warp& warp, const WarpOperation& op) {
  return op.mask & warp.exists & ~warp.left & ~op.arrived;
}

void finish(Warp& warp, std::size_t i, WarpFunction combine) {
  const WarpOperation& op = warp.pending[i];
  ++warp.turn;
  if (combine) combine(op.arrived, op.in.data(), op.out.data());
  const Thread* const running = machine().running;
  for (unsigned lanes = op.arrived; lanes != 0; lanes &= lanes - 1) {
    Thread* const thread = op.threads[static_cast<std::size_t>(std::countr_zero(lanes))];
    if (thread != running) make_ready(*thread);
  }
  warp.pending.erase(warp.pending.begin() + static_cast<std::ptrdiff_t>(i));
}

std::size_t find_or_start(Warp& warp, unsigned mask, int lane, const char* name, Site site) {
  for (std::size_t i = 0; i < warp.pending.size(); ++i) {
    const WarpOperation& op = warp.pending[i];
    if (op.mask == mask && !(op.arrived >> lane & 1)) return i;
  }
  WarpOperation& op = warp.pending.emplace_back();
  op.mask = mask;
  op.name = name;
  op.site = site;
  return warp.pending.size() - 1;
}

}  // namespace

void block_barrier(Site site) {
  Machine& m = machine();
  if (m.at_barrier.empty())
    m.barrier_site = site;
  else if (!(m.barrier_site == site))
    fail("divergent-barrier",
         "threads of one block wait in different __syncthreads(): {}:{} and {}:{}",
         m.barrier_site.file, m.barrier_site.line, site.file, site.line);
  if (options().strict_exit && m.alive < m.num_threads)
    fail("exit-before-barrier", "{} threads left the kernel before the barrier at {}:{}",
         m.num_threads - m.alive, site.file, site.line);
  // Two clocks: with one, a fast thread's next phase would count as seen by a slow one.
  const char* const clock = &m.barrier_clocks[m.barrier_generation & 1];
  access_check::release(clock, false);
  if (m.at_barrier.size() + 1 == m.alive) {
    open_barrier(m);
  } else {
    m.at_barrier.push_back(m.running);
    wait(State::kAtBarrier, "__syncthreads", site);
  }
  access_check::acquire(clock);
}

void count_votes(unsigned arrived, const void* const* in, void* const* out) {
  unsigned votes = 0;
  for (int l = 0; l < kLanes; ++l)
    if ((arrived >> l & 1) && *static_cast<const int*>(in[l])) votes |= 1u << l;
  for (int l = 0; l < kLanes; ++l)
    if (arrived >> l & 1) *static_cast<unsigned*>(out[l]) = votes;
}

void warp_operation(unsigned mask, const char* name, const void* in, void* out,
                    WarpFunction combine, Site site) {
  Thread& self = *machine().running;
  Warp& warp = warp_of(self);
  if (!(mask >> self.lane & 1))
    fail("warp-mask", "{} at {}:{}: calling lane {} is not in mask {:08x}", name, site.file,
         site.line, self.lane, mask);
  const std::size_t i = find_or_start(warp, mask, self.lane, name, site);
  WarpOperation& op = warp.pending[i];
  if (!(op.site == site))
    fail("divergent-warp-operation",
         "lanes of one warp, mask {:08x}, meet in different operations: {} at {}:{} and "
         "{} at {}:{}",
         mask, op.name, op.site.file, op.site.line, name, site.file, site.line);
  const auto lane = static_cast<std::size_t>(self.lane);
  op.arrived |= 1u << self.lane;
  op.in[lane] = in;
  op.out[lane] = out;
  op.threads[lane] = &self;
  // Shuffles and votes order no memory; __syncwarp, which moves no values, does.
  const char* const clock = combine ? nullptr : &warp.clocks[warp.turn & 63];
  if (clock) access_check::release(clock, false);
  if (missing_lanes(warp, op) == 0)
    finish(warp, i, combine);
  else
    wait(State::kInWarpOperation, name, site);
  if (clock) access_check::acquire(clock);
}

void thread_leaves(Thread& thread) {
  Machine& m = machine();
  Warp& warp = warp_of(thread);
  thread.state = State::kLeft;
  --m.alive;
  warp.left |= 1u << thread.lane;
  if (!m.at_barrier.empty()) {
    if (options().strict_exit)
      fail("exit-before-barrier", "a thread left while others wait at the barrier {}:{}",
           m.barrier_site.file, m.barrier_site.line);
    if (m.at_barrier.size() == m.alive) open_barrier(m);
  }
  for (std::size_t i = 0; i < warp.pending.size(); ++i) {
    const WarpOperation& op = warp.pending[i];
    if (missing_lanes(warp, op) != 0) continue;
    fail("warp-exit",
         "lane {} left the kernel while lanes {:08x} wait for it in {} at "
         "{}:{}",
         thread.lane, op.arrived, op.name, op.site.file, op.site.line);
  }
}

void memory_fence() {
  Thread* const self = machine().running;
  if (!self) return;
  self->fenced = true;
  for (const void* const address : self->atomics)
    if (address) access_check::acquire(address);
}

void atomic_access(const void* address, std::size_t bytes, Site site) {
  maybe_yield();
  Thread* const self = machine().running;
  if (!self) return;
  access_check::touched(address, bytes, access_check::Kind::kAtomic, site);
  if (self->fenced) access_check::release(address, true);
  self->atomics[self->num_atomics++ % self->atomics.size()] = address;
}

}  // namespace ktrain::emulation
