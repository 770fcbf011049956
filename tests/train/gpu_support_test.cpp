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

// A permission, and never silent about what it is not.
TEST(GpuSupport, Tf32IsFloatWhereThereIsNoneAndSaysSo) {
  Plan plan;
  plan.train.precision = "tf32";
  EXPECT_EQ(gpu_refusal(plan, gpu("T4", 7, 5)), "");
  EXPECT_EQ(precision_note("tf32", Device::kCuda, gpu("T4", 7, 5)),
            "\"tf32\" is float here: it wants a GPU of compute capability 8.0, T4 has 7.5");
  EXPECT_EQ(precision_note("tf32", Device::kCuda, gpu("Orin", 8, 7)), "");
  EXPECT_EQ(precision_note("tf32", Device::kCuda, gpu("the emulation", 0, 0)), "");
  EXPECT_EQ(precision_note("tf32", Device::kCpu, gpu("Orin", 8, 7)),
            "\"tf32\" is float here: the CPU rounds no operand of a product");
  for (const char* const other : {"float", "bf16"})
    EXPECT_EQ(precision_note(other, Device::kCpu, gpu("T4", 7, 5)), "");
}

}  // namespace
}  // namespace ktrain
