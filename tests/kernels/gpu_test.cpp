#include "kernels/gpu.h"

#include <gtest/gtest.h>

namespace ktrain {
namespace {

TEST(FindGpu, GivesAGpuOrAReason) {
  const GpuQuery found = find_gpu();
  EXPECT_NE(found.gpu.has_value(), !found.reason.empty());
  if (found.gpu) {
    EXPECT_FALSE(found.gpu->name.empty());
    EXPECT_GT(found.gpu->memory_bytes, 0);
  }
}

#if !KT_CUDA_ENABLED
TEST(FindGpu, ABuildWithoutCudaSaysSo) {
  EXPECT_EQ(find_gpu().reason, "this program was built without CUDA (KT_CUDA=OFF)");
}
#endif

}  // namespace
}  // namespace ktrain
