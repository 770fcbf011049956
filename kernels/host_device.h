// Functions that host and device code share: KT_HOST_DEVICE before an inline function makes nvcc
// compile it for both; any other compiler sees nothing.
#pragma once

#ifdef __CUDACC__
#define KT_HOST_DEVICE __host__ __device__
#else
#define KT_HOST_DEVICE
#endif
