// Copies from global to shared memory that go on while their thread does (cp.async): 16 bytes each,
// in groups that a thread commits and waits for.
//
// Between its start and its thread's wait a copy's destination is nobody's: it holds poison, and
// the access check calls it unwritten. The bytes arrive in the wait, as a write of the thread that
// started the copy: other threads need a barrier after that, as on a GPU.
#pragma once

#include "kernels/device/emulation/types.h"

namespace ktrain::emulation {

inline constexpr unsigned kAsyncCopyBytes = 16;

// The first source_bytes come from `global`, which is not read where there are none; zeros follow.
// Failure "async-copy" for addresses that are not multiples of 16 or not of those memories.
void copy_async(void* shared, const void* global, unsigned source_bytes, Site site);
// What the thread started since its last group becomes a group.
void commit_copies();
// Goes on when all but the youngest `groups_left` groups have arrived. Copies that were not
// committed are not waited for.
void wait_for_copies(unsigned groups_left);

}  // namespace ktrain::emulation
