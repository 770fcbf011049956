// Graphs: what is recorded, what may not be, and that every call is counted.
#include "kernels/device/graph.h"

#include <cstring>
#include <memory>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/device/calls.h"
#include "kernels/device/memory.h"
#include "kernels/elementwise.h"
#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using testing::HasSubstr;

TEST(DeviceGraph, RecordsWithoutRunningAndRunsAsOftenAsItIsLaunched) {
  KT_NEEDS_GPU();
  const Stream stream;
  const test::DeviceView<float> x(stream.get(), {1, 2, 3}), y(stream.get(), {0, 0, 0});
  const Graph graph(stream.get(), [&] {
    cuda::accumulate<float>(stream.get(), x.span(), y.span());
    cuda::scale(stream.get(), y.span(), y.span(), 2.0);
  });
  EXPECT_EQ(graph.nodes(), 2);
  EXPECT_EQ(y.to_host(stream.get()), std::vector<float>({0, 0, 0}));
  const DeviceCalls before = device_calls();
  graph.launch(stream.get());
  graph.launch(stream.get());
  const DeviceCalls calls = device_calls() - before;
  EXPECT_EQ(calls[DeviceCall::kGraphLaunch], 2);
  EXPECT_EQ(calls[DeviceCall::kLaunch], 0);
  EXPECT_EQ(calls[DeviceCall::kSynchronize], 0);
  EXPECT_EQ(y.to_host(stream.get()), std::vector<float>({6, 12, 18}));
}

TEST(DeviceGraph, CopiesPinnedMemoryAsItIsAtEachLaunch) {
  KT_NEEDS_GPU();
  const Stream stream;
  const PinnedBuffer in(4), out(4);
  const DeviceBuffer<float> x(1);
  const Graph graph(stream.get(), [&] {
    copy_to_device(stream.get(), in.data(), x.data(), 4);
    cuda::scale(stream.get(), x.span(), x.span(), 3.0);
    copy_to_host_later(stream.get(), x.data(), out.data(), 4);
  });
  Event done;
  for (const float value : {1.0f, 5.0f}) {
    std::memcpy(in.data(), &value, sizeof value);
    graph.launch(stream.get());
    done.record(stream.get());
    done.wait();
    float got = 0;
    std::memcpy(&got, out.data(), sizeof got);
    EXPECT_EQ(got, 3 * value);
  }
}

TEST(DeviceGraph, WaitingInsideIsAnErrorAndLeavesNoGraph) {
  KT_NEEDS_GPU();
  const Stream stream;
  const std::string message =
      test::message_of([&] { const Graph graph(stream.get(), [&] { stream.synchronize(); }); });
  EXPECT_THAT(message, HasSubstr("not permitted when stream is capturing"));
  const test::DeviceView<float> y(5);  // the stream works again
  cuda::fill(stream.get(), y.span(), 2.0);
  EXPECT_EQ(y.to_host(stream.get()), std::vector<float>(5, 2.0f));
}

TEST(DeviceGraph, HoldsTheWorkOfAStreamThatWasForkedAndJoined) {
  KT_NEEDS_GPU();
  const Stream main, side;
  Event fork, join;
  const test::DeviceView<float> x(main.get(), {1, 2}), y(main.get(), {3, 4});
  const Graph graph(main.get(), [&] {
    cuda::scale(main.get(), x.span(), x.span(), 2.0);
    fork.record(main.get());
    fork.hold(side.get());
    cuda::scale(main.get(), y.span(), y.span(), 10.0);
    cuda::accumulate(side.get(), x.in(), x.span());
    join.record(side.get());
    join.hold(main.get());
    cuda::accumulate(main.get(), x.in(), y.span());
  });
  EXPECT_EQ(graph.nodes(), 4);
  graph.launch(main.get());
  EXPECT_EQ(y.to_host(main.get()), std::vector<float>({34, 48}));
}

TEST(DeviceGraph, WorkOfAStreamThatWasNotJoinedIsAnError) {
  KT_NEEDS_GPU();
  const Stream main, side;
  Event fork;
  const test::DeviceView<float> x(main.get(), {1, 2});
  EXPECT_THAT(test::message_of([&] {
                const Graph graph(main.get(), [&] {
                  fork.record(main.get());
                  fork.hold(side.get());
                  cuda::scale(side.get(), x.span(), x.span(), 2.0);
                });
              }),
              HasSubstr("unjoined work"));
  EXPECT_EQ(x.to_host(main.get()), std::vector<float>({1, 2}));
}

// What `work` calls, by kind.
template <class Work>
DeviceCalls counted(Work&& work) {
  const DeviceCalls before = device_calls();
  work();
  return device_calls() - before;
}

TEST(DeviceCalls, EveryKindIsCounted) {
  KT_NEEDS_GPU();
  const Stream stream;
  std::unique_ptr<DeviceBuffer<float>> buffer;
  EXPECT_EQ(
      counted([&] { buffer = std::make_unique<DeviceBuffer<float>>(8); })[DeviceCall::kAllocate],
      1);
  const std::vector<float> host(4, 1.0f);
  const DeviceCalls copied = counted([&] {
    copy_to_device(stream.get(), host.data(), buffer->data(), 16);
    copy_on_device(stream.get(), buffer->data(), buffer->data() + 4, 16);
    fill_device(stream.get(), buffer->data(), 0, 16);
    float back = 0;
    copy_to_host(stream.get(), buffer->data() + 4, &back, 4);
    EXPECT_EQ(back, 1.0f);
  });
  EXPECT_EQ(copied[DeviceCall::kCopyToDevice], 1);
  EXPECT_EQ(copied[DeviceCall::kCopyOnDevice], 1);
  EXPECT_EQ(copied[DeviceCall::kFill], 1);
  EXPECT_EQ(copied[DeviceCall::kCopyToHost], 1);
  EXPECT_EQ(copied[DeviceCall::kSynchronize], 1);
  const DeviceCalls launched = counted([&] { cuda::fill(stream.get(), buffer->span(), 2.0); });
  EXPECT_EQ(launched[DeviceCall::kLaunch], 1);
  EXPECT_STREQ(last_launch(), "fill");
  EXPECT_EQ(counted([&] { buffer.reset(); })[DeviceCall::kFree], 1);
  Event event;
  const DeviceCalls waited = counted([&] {
    event.record(stream.get());
    event.wait();
    stream.synchronize();
  });
  EXPECT_EQ(waited[DeviceCall::kRecordEvent], 1);
  EXPECT_EQ(waited[DeviceCall::kWaitEvent], 1);
  EXPECT_EQ(waited[DeviceCall::kSynchronize], 1);
}

}  // namespace
}  // namespace ktrain
