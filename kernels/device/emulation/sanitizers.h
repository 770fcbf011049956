// Which checker watches this build of the emulation. KT_EMULATION_CHECK is ours: see
// access_check.h.
#pragma once

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KT_EMULATION_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define KT_EMULATION_ASAN 1
#endif
#ifndef KT_EMULATION_ASAN
#define KT_EMULATION_ASAN 0
#endif
#ifndef KT_EMULATION_CHECK
#define KT_EMULATION_CHECK 0
#endif

#if KT_EMULATION_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#include <cstddef>

// Arithmetic of the emulation on arrays of its own, which would be most of what a sanitizer
// watches.
#define KT_UNWATCHED_SUMS __attribute__((no_sanitize("address", "undefined")))

namespace ktrain::emulation {

// Makes [p, p + bytes) a fault to touch, or legal again, where AddressSanitizer watches.
inline void forbid(const void* p, std::size_t bytes) {
#if KT_EMULATION_ASAN
  ASAN_POISON_MEMORY_REGION(p, bytes);
#else
  (void)p, (void)bytes;
#endif
}
inline void allow(const void* p, std::size_t bytes) {
#if KT_EMULATION_ASAN
  ASAN_UNPOISON_MEMORY_REGION(p, bytes);
#else
  (void)p, (void)bytes;
#endif
}

}  // namespace ktrain::emulation
