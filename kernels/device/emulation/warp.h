// Warp-wide operations: lanes arrive one by one, the last one computes for all.
#pragma once

#include "kernels/device/emulation/types.h"

namespace ktrain::emulation {

// Reads in[l] and writes out[l] for the lanes l of `arrived`; the others' pointers mean nothing.
using WarpFunction = void (*)(unsigned arrived, const void* const* in, void* const* out);

// Gives every lane the mask of those whose int is not 0.
void count_votes(unsigned arrived, const void* const* in, void* const* out);

// Waits until every lane of `mask` that exists and has not left is here with the same operation of
// the same line, then goes on. Other lines, wrong masks, lanes that left: Failure. Without
// `combine` it is __syncwarp, which orders memory.
void warp_operation(unsigned mask, const char* name, const void* in, void* out,
                    WarpFunction combine, Site site);

}  // namespace ktrain::emulation
