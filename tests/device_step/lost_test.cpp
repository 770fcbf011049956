// What follows when a kernel has done something that a GPU does not forgive.
#include "kernels/device/lost.h"

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/device/calls.h"
#include "kernels/device/emulation/breakage.h"
#include "kernels/device/graph.h"
#include "kernels/device/memory.h"
#include "kernels/device/stream.h"
#include "runtime/ops.h"
#include "runtime/replay.h"
#include "tests/support/tiny_run.h"
#include "train/cli.h"

namespace ktrain::test {
namespace {

using testing::HasSubstr;

class DeviceLostTest : public testing::Test {
 protected:
  ~DeviceLostTest() override { emulation::break_device(cudaSuccess); }

  // What the DeviceLost says that `call` ends with.
  template <class Call>
  static std::string lost(Call&& call) {
    try {
      call();
    } catch (const DeviceLost& error) {
      return error.what();
    }
    return "not lost";
  }
};

TEST_F(DeviceLostTest, EveryLaterCallSaysSoWithTheLastKernelAndTheRemedy) {
  const ContextPtr context = make_cuda_context(1 << 20);
  const Tensor x = filled(context, {1}, 2);
  Tensor sum = Tensor::zeros(context, {1});
  accumulate_into(sum, x);
  Event event;
  emulation::break_device(cudaErrorIllegalAddress);
  const auto says = testing::AllOf(
      HasSubstr("the GPU has stopped: an illegal memory access was encountered "
                "(cudaErrorIllegalAddress), told by "),
      HasSubstr("the last kernel given to it was 'accumulate'; run again with KT_SYNC_LAUNCH=1"));
  const std::function<void()> calls[] = {
      [&] { (void)x.item(); },
      [&] { context->stream->synchronize(); },
      [&] { event.record(context->queue.stream); },
      [&] { event.wait(); },
      [&] { (void)device_memory(); },
      [&] { (void)device_allocate(8); },
      [&] { (void)pinned_allocate(8); },
      [&] { (void)make_cuda_context(1 << 20); },
      [&] { const Graph graph(context->queue.stream, [] {}); },
  };
  for (const auto& call : calls) EXPECT_THAT(lost(call), says);
  const std::string refused = lost([&] { (void)filled(context, {1}, 2); });
  EXPECT_THAT(refused, says) << "a kernel that was refused was not given";
  EXPECT_THAT(refused, HasSubstr("told by the launch of 'fill'"));
}

TEST_F(DeviceLostTest, OfAGraphItsLastKernelIsNamed) {
  const ContextPtr context = make_cuda_context(1 << 20);
  const Tensor x = filled(context, {1}, 2);
  Tensor sum = Tensor::zeros(context, {1});
  Replay replay(context);
  const auto work = [&] { accumulate_into(sum, x); };
  for (int i = 0; i < Replay::kWarmUps + 1; ++i) replay.run(1, work);
  (void)filled(context, {1}, 3);
  emulation::break_device(cudaErrorIllegalAddress, 1);
  replay.run(1, work);  // the host has not waited for it
  EXPECT_THAT(lost([&] { replay.run(1, work); }),
              HasSubstr("the last kernel given to it was 'accumulate', the end of a graph; run "
                        "again with KT_SYNC_LAUNCH=1"));
}

TEST_F(DeviceLostTest, WhereEachKernelWasWaitedForNothingMoreIsAdvised) {
  const ContextPtr context = make_cuda_context(1 << 20);
  (void)filled(context, {1}, 2);
  emulation::break_device(cudaErrorIllegalAddress);
  setenv("KT_SYNC_LAUNCH", "1", 1);
  const std::string message = lost([&] { context->stream->synchronize(); });
  unsetenv("KT_SYNC_LAUNCH");
  EXPECT_THAT(message, testing::EndsWith("the last kernel given to it was 'fill'"));
}

TEST_F(DeviceLostTest, AnErrorThatDoesNotStayIsAnOrdinaryOne) {
  const ContextPtr context = make_cuda_context(1 << 20);
  emulation::break_device(cudaErrorInvalidValue);
  try {
    context->stream->synchronize();
    FAIL() << "no error";
  } catch (const DeviceLost&) {
    FAIL() << "not lost";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("invalid argument"));
  }
}

// The whole process: `ktrain run` in the middle of its last epoch, then once more.
TEST_F(DeviceLostTest, ARunEndsWithItsExitCodeAndGoesOnFromTheLastCheckpoint) {
  const auto train = [](const TinyRun& tiny, std::string& errors) {
    std::ostringstream out, err;
    const int code = run(
        {"run", tiny.plan(), "--runs", tiny.runs(), "--set", "device=cuda", "--set", "threads=1"},
        out, err);
    errors = err.str();
    return code;
  };
  TinyRun whole, cut;
  std::string errors;
  const DeviceCalls before = device_calls();
  ASSERT_EQ(train(whole, errors), 0) << errors;
  const std::int64_t graphs = (device_calls() - before)[DeviceCall::kGraphLaunch];
  ASSERT_GE(graphs, 6) << "of twelve steps";

  emulation::break_device(cudaErrorIllegalAddress, static_cast<int>(graphs) - 1);
  EXPECT_EQ(train(cut, errors), static_cast<int>(Exit::kUnavailable));
  EXPECT_THAT(errors, HasSubstr("ktrain: error KT-SYS-005: the GPU has stopped: an illegal memory "
                                "access was encountered (cudaErrorIllegalAddress)"));
  EXPECT_THAT(errors, HasSubstr("the last kernel given to it was '"));
  EXPECT_THAT(errors, HasSubstr("KT_SYNC_LAUNCH=1"));
  EXPECT_THAT(errors, HasSubstr("ktrain: exit 69 "));
  const std::string folder = cut.run_folder();
  EXPECT_EQ(TinyRun::state_hash(folder, 8), TinyRun::state_hash(whole.run_folder(), 8));
  EXPECT_FALSE(std::filesystem::exists(folder + "/weights/" + TinyRun::step_name(12)));

  emulation::break_device(cudaSuccess);
  ASSERT_EQ(train(cut, errors), 0) << errors;
  EXPECT_EQ(TinyRun::state_hash(folder, 12), TinyRun::state_hash(whole.run_folder(), 12));
}

}  // namespace
}  // namespace ktrain::test
