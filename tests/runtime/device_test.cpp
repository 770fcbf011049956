#include "runtime/device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/fault.h"

namespace ktrain {
namespace {

using testing::HasSubstr;

const GpuQuery kNoDriver{{}, "no NVIDIA driver is installed"};
const GpuQuery kSome{Gpu{"NVIDIA Test", 9, 0, std::int64_t{80} << 30, 132}, ""};

std::string fault_of(std::string_view requested, const GpuQuery& found,
                     std::string_view refusal = "") {
  try {
    (void)choose_device(requested, found, refusal);
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

TEST(ChooseDevice, AGpuIsTaken) {
  for (const char* const requested : {"auto", "cuda"}) {
    const DeviceChoice choice = choose_device(requested, kSome);
    EXPECT_EQ(choice.device, Device::kCuda);
    EXPECT_EQ(choice.note, "NVIDIA Test");
  }
}

TEST(ChooseDevice, AGpuThatThePlanCannotUseIsNamedWithTheReason) {
  const DeviceChoice choice = choose_device("auto", kSome, "drift is measured on the CPU only");
  EXPECT_EQ(choice.device, Device::kCpu);
  EXPECT_EQ(choice.note,
            "NVIDIA Test is not used: drift is measured on the CPU only; training on the CPU");
  EXPECT_EQ(fault_of("cuda", kSome, "drift is measured on the CPU only"),
            "KT-SYS-003: device = \"cuda\": found NVIDIA Test, but drift is measured on the CPU "
            "only; set device = \"auto\" or \"cpu\" to train on the CPU");
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
