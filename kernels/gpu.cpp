#include "kernels/gpu.h"

#if !KT_CUDA_ENABLED

namespace ktrain {

GpuQuery find_gpu() { return {{}, "this program was built without CUDA (KT_CUDA=OFF)"}; }

}  // namespace ktrain

#endif
