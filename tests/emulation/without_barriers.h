// Put before a .cu file by the compiler's -include: its barriers become nothing.
#pragma once

#include "kernels/device/launch.cuh"

#define __syncthreads() static_cast<void>(0)
