#include "kernels/subnormals.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace ktrain {
namespace {

// Of every thread of the pool that loops and libraries share; it keeps its members between loops.
void set_all([[maybe_unused]] bool flush) {
#if defined(__SSE2__)
  constexpr unsigned kFlushToZero = 0x8000, kSubnormalsAreZero = 0x0040;
#pragma omp parallel
  {
    const unsigned now = _mm_getcsr(), bits = kFlushToZero | kSubnormalsAreZero;
    _mm_setcsr(flush ? now | bits : now & ~bits);
  }
#endif
}

}  // namespace

FlushSubnormals::FlushSubnormals(bool on) : on_(on) {
  if (on_) set_all(true);
}
FlushSubnormals::~FlushSubnormals() {
  if (on_) set_all(false);
}

}  // namespace ktrain
