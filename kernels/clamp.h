// x[i] = least where x[i] < least, most where x[i] > most; NaN stays NaN. In place. Empty input is
// a no-op.
#pragma once

#include "kernels/view.h"

namespace ktrain::cpu {

template <class T>
void clamp(Span<T> x, double least, double most);

}  // namespace ktrain::cpu
