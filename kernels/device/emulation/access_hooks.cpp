// What -fsanitize=thread calls. Linked instead of libtsan; compiled without -fsanitize=thread.
#include "kernels/device/emulation/access_check.h"

#if KT_EMULATION_CHECK

#include <algorithm>
#include <cstring>

#include "kernels/device/emulation/access_hooks.h"

namespace {

using ktrain::emulation::access_check::access;
using ktrain::emulation::access_check::Kind;
using ktrain::emulation::access_check::Place;

void access_range(const void* p, unsigned long bytes, Kind kind, Place place) {
  for (unsigned long i = 0; i < bytes; i += 16)
    access(static_cast<const char*>(p) + i, std::min(16ul, bytes - i), kind, place);
}

}  // namespace

#define KT_PLACE ktrain::emulation::access_check::place_of(__builtin_return_address(0))
#define KT_HOOKS(n)                                                                 \
  void __tsan_read##n(void* p) { access(p, n, Kind::kRead, KT_PLACE); }             \
  void __tsan_write##n(void* p) { access(p, n, Kind::kWrite, KT_PLACE); }           \
  void __tsan_unaligned_read##n(void* p) { access(p, n, Kind::kRead, KT_PLACE); }   \
  void __tsan_unaligned_write##n(void* p) { access(p, n, Kind::kWrite, KT_PLACE); } \
  void __tsan_volatile_read##n(void* p) { access(p, n, Kind::kRead, KT_PLACE); }    \
  void __tsan_volatile_write##n(void* p) { access(p, n, Kind::kWrite, KT_PLACE); }  \
  void __tsan_read_write##n(void* p) {                                              \
    access(p, n, Kind::kRead, KT_PLACE);                                            \
    access(p, n, Kind::kWrite, KT_PLACE);                                           \
  }                                                                                 \
  void __tsan_unaligned_read_write##n(void* p) {                                    \
    access(p, n, Kind::kRead, KT_PLACE);                                            \
    access(p, n, Kind::kWrite, KT_PLACE);                                           \
  }

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

KT_HOOKS(1)
KT_HOOKS(2)
KT_HOOKS(4)
KT_HOOKS(8)
KT_HOOKS(16)

void __tsan_read_range(void* p, unsigned long n) { access_range(p, n, Kind::kRead, KT_PLACE); }
void __tsan_write_range(void* p, unsigned long n) { access_range(p, n, Kind::kWrite, KT_PLACE); }
void* __tsan_memcpy(void* to, const void* from, std::size_t n) {
  access_range(from, n, Kind::kRead, KT_PLACE);
  access_range(to, n, Kind::kWrite, KT_PLACE);
  return std::memcpy(to, from, n);
}
void* __tsan_memmove(void* to, const void* from, std::size_t n) {
  access_range(from, n, Kind::kRead, KT_PLACE);
  access_range(to, n, Kind::kWrite, KT_PLACE);
  return std::memmove(to, from, n);
}
void* __tsan_memset(void* to, int value, std::size_t n) {
  access_range(to, n, Kind::kWrite, KT_PLACE);
  return std::memset(to, value, n);
}

// Function-local statics are guarded by atomics: host data, which no rule here watches.
std::uint8_t __tsan_atomic8_load(const volatile std::uint8_t* p, int) {
  return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

}  // extern "C"

#endif  // KT_EMULATION_CHECK
