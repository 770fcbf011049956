// A GPU that has stopped: after some errors (an address that is not there, a failed launch) every
// call fails until the process ends. A host header: it compiles without the toolkit.
#pragma once

#include "kernels/check.h"

namespace ktrain {

// One line: the error, the kernel that was given to the GPU last, the remedy. Nothing that needs
// the GPU can follow in this process.
class DeviceLost : public Error {
 public:
  using Error::Error;
};

}  // namespace ktrain
