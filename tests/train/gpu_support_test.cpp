#include "train/gpu_support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ktrain {
namespace {

GpuQuery gpu(const char* name, int major, int minor) { return {Gpu{name, major, minor}, ""}; }

TEST(GpuSupport, MapsOfBf16WantInstructionsForThem) {
  Plan plan;
  EXPECT_EQ(gpu_refusal(plan, gpu("T4", 7, 5)), "");
  plan.train.precision = "bf16";
  EXPECT_EQ(gpu_refusal(plan, gpu("T4", 7, 5)),
            "train.precision = \"bf16\" wants a GPU of compute capability 8.0, T4 has 7.5");
  EXPECT_EQ(gpu_refusal(plan, gpu("Orin", 8, 7)), "");
  EXPECT_EQ(gpu_refusal(plan, {std::nullopt, "no NVIDIA driver is installed"}), "");
}

}  // namespace
}  // namespace ktrain
