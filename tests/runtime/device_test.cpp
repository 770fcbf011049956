#include "runtime/device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/fault.h"

namespace ktrain {
namespace {

using testing::HasSubstr;

const GpuQuery kNoDriver{{}, "no NVIDIA driver is installed"};
const GpuQuery kSome{Gpu{"NVIDIA Test", 9, 0, std::int64_t{80} << 30, 132}, ""};

std::string fault_of(std::string_view requested, const GpuQuery& found) {
  try {
    (void)choose_device(requested, found);
  } catch (const Fault& fault) {
    return fault.what();
  }
  return "no fault";
}

TEST(ChooseDevice, CpuAsksNothingAndSaysNothing) {
  const DeviceChoice choice = choose_device("cpu");
  EXPECT_EQ(choice.device, Device::kCpu);
  EXPECT_EQ(choice.note, "");
}

TEST(ChooseDevice, AutoWithoutAGpuSaysWhyAndTakesTheCpu) {
  const DeviceChoice choice = choose_device("auto", kNoDriver);
  EXPECT_EQ(choice.device, Device::kCpu);
  EXPECT_EQ(choice.note, "no GPU: no NVIDIA driver is installed; training on the CPU");
}

TEST(ChooseDevice, CudaWithoutAGpuIsAFaultWithItsRemedy) {
  EXPECT_EQ(fault_of("cuda", kNoDriver),
            "KT-SYS-001: device = \"cuda\": no GPU: no NVIDIA driver is installed; set device = "
            "\"auto\" or \"cpu\" to train on the CPU");
}

TEST(ChooseDevice, AGpuThatTrainingCannotUseYetIsNamed) {
  const DeviceChoice choice = choose_device("auto", kSome);
  EXPECT_EQ(choice.device, Device::kCpu);
  EXPECT_THAT(choice.note, HasSubstr("NVIDIA Test is not used: a training step still has kernels"));
  EXPECT_THAT(fault_of("cuda", kSome),
              HasSubstr("KT-SYS-003: device = \"cuda\": found NVIDIA Test"));
}

TEST(ChooseDevice, AnotherWordIsAFault) {
  EXPECT_EQ(fault_of("gpu", kSome), "KT-SYS-004: device = \"gpu\": wanted auto, cpu or cuda");
}

// On whatever machine the test runs: auto never throws and never stays silent about the CPU.
TEST(ChooseDevice, AutoOnThisMachine) {
  const DeviceChoice choice = choose_device("auto");
  EXPECT_TRUE(choice.device == Device::kCuda || !choice.note.empty());
}

#if !KT_CUDA_ENABLED
TEST(ChooseDevice, ABuildWithoutCudaSaysThatItIsOne) {
  EXPECT_THAT(choose_device("auto").note, HasSubstr("built without CUDA (KT_CUDA=OFF)"));
}
#endif

}  // namespace
}  // namespace ktrain
