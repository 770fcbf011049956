// Whether a recovery hangs together: names, one action a node, no circles, nothing unreachable, and
// nothing judged, compared or started from before it is there. Orders the nodes as they are met.
#pragma once

#include "train/recovery/recovery_file.h"

namespace ktrain {

// Throws Fault KT-CFG-008 or -004 with the place.
void check_recovery(Recovery& recovery);

}  // namespace ktrain
