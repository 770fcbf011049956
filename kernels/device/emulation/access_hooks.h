// The one door through which compiled-in calls and the emulation report an access.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/device/emulation/access_check.h"
#include "kernels/device/emulation/access_shadow.h"

extern "C" char __executable_start;  // of the program's own image

namespace ktrain::emulation::access_check {

// Of code whose next instruction is at `next`.
[[nodiscard]] inline Place place_of(const void* next) {
  return static_cast<Place>(static_cast<const char*>(next) - &__executable_start) & ~kIsSite;
}
void access(const void* p, std::size_t bytes, Kind kind, Place place);

}  // namespace ktrain::emulation::access_check
