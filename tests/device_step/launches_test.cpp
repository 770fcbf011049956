// How many kernels a step starts.
#include <cstdio>

#include <gtest/gtest.h>

#include "kernels/device/calls.h"
#include "tests/device_step/stage.h"

namespace ktrain::test {
namespace {

class DeviceLaunches : public DeviceStage {};

// Two streams of 53 convolutions each, whatever their width: both streams, the levels of a pyramid,
// all frozen norms and all weights that are rounded share their launches.
TEST_F(DeviceLaunches, OfTwoDeepStreamsAreFew) {
  struct Case {
    const char* precision;
    std::int64_t most;
  };
  for (const auto& [precision, most] : {Case{"float", 390}, Case{"bf16", 495}}) {
    Stage stage(tiny_, {"model.depth=50", "model.norm=frozen", "model.width=0.0625",
                        std::string("train.precision=") + precision});
    Side device(stage, gpu(stage));
    (void)device.run(0);
    const DeviceCalls before = device_calls();
    (void)device.run(1);
    const std::int64_t launches = (device_calls() - before)[DeviceCall::kLaunch];
    std::printf("two R50 streams in %s: %lld kernels a step\n", precision,
                static_cast<long long>(launches));
    EXPECT_LE(launches, most) << precision;
    EXPECT_GT(launches, 106) << "one for each convolution of a stream, there and back";
  }
}

}  // namespace
}  // namespace ktrain::test
