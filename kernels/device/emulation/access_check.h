// The access check: kernels are compiled with -fsanitize=thread, which plants a call before every
// load and store, and the calls are answered here instead of by libtsan. It knows CUDA's rules of
// order (barriers, __syncwarp, fence + atomic; nothing else between blocks) with vector clocks, so
// that a race is found in any schedule and at any block size. It also knows every byte's state: an
// access outside an array, of bytes that nobody wrote, or of host memory is a Failure at the access
// itself. Kinds: "race", "uninitialised", "shared-bounds", "device-bounds", "host-memory".
//
// A race can be missed when more than four threads touched the word in between.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/device/emulation/fiber.h"
#include "kernels/device/emulation/types.h"

namespace ktrain::emulation::access_check {

enum class Kind : std::uint8_t { kNone, kRead, kWrite, kAtomic };

#if KT_EMULATION_CHECK

// Device memory [p, p + bytes) with forbidden guards before and after it.
void allocated(const void* p, std::size_t bytes, std::size_t guard);
void freed(const void* p);
void host_wrote(const void* p, std::size_t bytes);  // cudaMemcpy, cudaMemset

// What went before is ordered before the launch. The arguments may be read.
void launch_begins(const void* arguments, std::size_t bytes);
// The last of `num_threads` is not a thread: it stands for what the async proxy does.
void block_begins(unsigned num_threads, std::uint32_t index);
void block_ends();
void shared_window(const void* p, std::size_t bytes);
void shared_array(const void* p, std::size_t bytes, Site site);

void runs(int thread, const Fiber* fiber);  // -1: the emulation itself, which is not watched
// What this thread did before is published at / received from `clock`. Global: across blocks.
void release(const void* clock, bool global);
void acquire(const void* clock);
// An access that the compiler does not see.
void touched(const void* p, std::size_t bytes, Kind kind, Site site);
// Of the running thread, through the async proxy: what another thread stored in shared memory is
// not seen there before that thread's fence_proxy(). Failure "async-proxy".
void touched_by_proxy(const void* p, std::size_t bytes, Kind kind, Site site);
void fence_proxy();
// Shared memory whose contents are nobody's until it is written again.
void lost(const void* p, std::size_t bytes);
// Registers of `thread` that an instruction writes to: a Failure "busy-registers" to touch.
void busy(unsigned thread, const void* p, std::size_t bytes);
void not_busy(unsigned thread, const void* p);

#else

inline void allocated(const void*, std::size_t, std::size_t) {}
inline void freed(const void*) {}
inline void host_wrote(const void*, std::size_t) {}
inline void launch_begins(const void*, std::size_t) {}
inline void block_begins(unsigned, std::uint32_t) {}
inline void block_ends() {}
inline void shared_window(const void*, std::size_t) {}
inline void shared_array(const void*, std::size_t, Site) {}
inline void runs(int, const Fiber*) {}
inline void release(const void*, bool) {}
inline void acquire(const void*) {}
inline void touched(const void*, std::size_t, Kind, Site) {}
inline void touched_by_proxy(const void*, std::size_t, Kind, Site) {}
inline void fence_proxy() {}
inline void lost(const void*, std::size_t) {}
inline void busy(unsigned, const void*, std::size_t) {}
inline void not_busy(unsigned, const void*) {}

#endif

}  // namespace ktrain::emulation::access_check
