// Barriers in shared memory (mbarrier): 64 bits that count arrivals and the bytes of tensor copies.
// A phase is complete when nothing of either is expected; then the next one begins.
//
// What threads did before they arrived is seen by those who wait for the phase. Failure "mbarrier"
// for a barrier that nobody made, that was overwritten, that a tensor copy uses before its maker's
// fence, or that more arrive at than were announced.
#pragma once

#include <cstdint>

#include "kernels/device/emulation/types.h"

namespace ktrain::emulation {

void init_barrier(std::uint64_t* barrier, unsigned arrivals, Site site);
// The running thread's new barriers may be used by tensor copies.
void fence_barriers();
// The running thread is one of the arrivals, and `bytes` more of copies are expected.
void arrive(std::uint64_t* barrier, unsigned bytes, Site site);
// Goes on when the phase of this parity, 0 for the first, is complete: when the current one has the
// other parity.
void wait_for_phase(std::uint64_t* barrier, unsigned parity, Site site);
// Is the phase of this parity complete when nothing else can go on any more: no other thread, and
// no copy that is on its way?
[[nodiscard]] bool phase_ends(std::uint64_t* barrier, unsigned parity, Site site);

// For tensor copies: Failure where one may not use it; and that `bytes` have arrived.
void check_barrier(const std::uint64_t* barrier, Site site);
void complete_bytes(std::uint64_t* barrier, unsigned bytes, Site site);

}  // namespace ktrain::emulation
