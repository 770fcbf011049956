// The one door through which compiled-in calls and the emulation report an access.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/device/emulation/access_check.h"

namespace ktrain::emulation::access_check {

// `place` is the address of the code after the access.
void access(const void* p, std::size_t bytes, Kind kind, std::uint64_t place);

}  // namespace ktrain::emulation::access_check
