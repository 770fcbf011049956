// Memory, streams and the clock of the device.
#include "kernels/device/memory.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/device/timer.h"
#include "kernels/elementwise.h"
#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

TEST(DeviceMemory, GoesThereAndBack) {
  KT_NEEDS_GPU();
  const Stream stream;
  const std::vector<float> values = test::random_floats(1001, 1);
  DeviceBuffer<float> a(stream.get(), values), b(0);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a.data()) % 256, 0u);
  EXPECT_TRUE(test::same_bits(a.to_host(stream.get()), values));
  b = std::move(a);
  EXPECT_TRUE(test::same_bits(b.to_host(stream.get()), values));
  poison_device(stream.get(), b.data(), 4 * sizeof(float));
  const std::vector<float> poisoned = b.to_host(stream.get());
  EXPECT_TRUE(std::isnan(poisoned[3]));
  EXPECT_EQ(poisoned[4], values[4]);
}

TEST(DeviceMemory, WantingTooMuchIsAnErrorThatSaysHowMuch) {
  KT_NEEDS_GPU();
  const std::string message =
      test::message_of([] { (void)device_allocate(std::int64_t{1} << 50); });
  EXPECT_EQ(message.rfind("device_allocate: 1125899906842624 bytes: out of memory", 0), 0u)
      << message;
}

TEST(DeviceMemory, WhatAnErrorLeavesBehindIsNotFoundByTheNextCall) {
  KT_NEEDS_GPU();
  const Stream stream;
  (void)test::message_of([] { (void)device_allocate(std::int64_t{1} << 50); });
  const test::DeviceView<float> y(5);
  cuda::fill(stream.get(), y.span(), 2.0);
  EXPECT_EQ(y.to_host(stream.get()), std::vector<float>(5, 2.0f));
}

TEST(GpuTimer, MeasuresWhatTheStreamDoes) {
  KT_NEEDS_GPU();
  const Stream stream;
  const test::DeviceView<float> y(100000);
  GpuTimer timer;
  timer.start(stream.get());
  cuda::fill(stream.get(), y.span(), 1.0);
  timer.stop(stream.get());
  stream.synchronize();
  EXPECT_GT(timer.seconds(), 0.0);
  EXPECT_LT(timer.seconds(), 10.0);
}

}  // namespace
}  // namespace ktrain
