#include "runtime/replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/device/calls.h"
#include "kernels/elementwise.h"
#include "runtime/ops.h"
#include "runtime/readback.h"
#include "runtime/staging.h"
#include "tests/support/message.h"

namespace ktrain::test {
namespace {

constexpr std::int64_t kBytes = 1 << 20;

std::int64_t graphs_made(const DeviceCalls& before) {
  return (device_calls() - before)[DeviceCall::kCapture];
}

TEST(Replay, RunsTwiceRecordsOnceAndReplays) {
  const ContextPtr context = make_cuda_context(kBytes);
  Tensor sum = Tensor::zeros(context, {3});
  Replay replay(context);
  int called = 0;
  const auto work = [&] {
    ++called;
    accumulate_into(sum, filled(context, {3}, 1));
  };
  const DeviceCalls before = device_calls();
  for (int i = 0; i < 7; ++i) replay.run(1, work);
  EXPECT_EQ(called, 3) << "twice as it is, once to be recorded";
  EXPECT_EQ(graphs_made(before), 1);
  EXPECT_EQ(replay.nodes(), 2);
  EXPECT_EQ(sum.to_vector<float>(), std::vector<float>(3, 7));
  replay.run(2, work);
  EXPECT_EQ(replay.graphs(), 1) << "other work has a warm-up of its own";
}

TEST(Replay, IsRecordedAnewWhenOtherBlocksLive) {
  const ContextPtr context = make_cuda_context(kBytes);
  Tensor sum = Tensor::zeros(context, {1000});
  Replay replay(context);
  const auto work = [&] { accumulate_into(sum, filled(context, {1000}, 1)); };
  for (int i = 0; i < 4; ++i) replay.run(1, work);
  const DeviceCalls before = device_calls();
  {
    // Where the graph's own memory was.
    const Tensor kept = filled(context, {1000}, -5);
    replay.run(1, work);
    EXPECT_EQ(graphs_made(before), 1);
    EXPECT_EQ(kept.to_vector<float>(), std::vector<float>(1000, -5));
  }
  replay.run(1, work);
  EXPECT_EQ(graphs_made(before), 2);
  EXPECT_EQ(sum.to_vector<float>(), std::vector<float>(1000, 6));
}

TEST(Replay, WorkThatReadsBackOrKeepsMemoryIsRefused) {
  const ContextPtr context = make_cuda_context(kBytes);
  const Tensor x = Tensor::zeros(context, {1});
  std::vector<Tensor> kept;
  Replay reads(context), keeps(context);
  const auto read = [&] { (void)x.item(); };
  const auto keep = [&] { kept.push_back(filled(context, {4}, 1)); };
  for (int i = 0; i < Replay::kWarmUps; ++i) {
    reads.run(1, read);
    keeps.run(1, keep);
  }
  EXPECT_THAT(message_of([&] { reads.run(1, read); }),
              testing::HasSubstr("not permitted when stream is capturing"));
  EXPECT_THAT(message_of([&] { keeps.run(1, keep); }),
              testing::HasSubstr("the work left memory behind"));
}

TEST(Staging, EveryRoundArrivesThoughTheHostIsAhead) {
  for (const ContextPtr& context : {make_cpu_context(), make_cuda_context(kBytes)}) {
    Tensor x = Tensor::zeros(context, {2}), n = Tensor::zeros(context, {1}, DType::kI32);
    Staging staging;
    const std::size_t floats = staging.add(x), integers = staging.add(n);
    for (std::int32_t round = 1; round <= 5; ++round) {
      const auto value = static_cast<float>(round);
      staging.begin();
      staging.write<float>(floats, std::vector<float>{value, -value});
      if (round % 2 == 1) staging.write<std::int32_t>(integers, std::vector<std::int32_t>{round});
      staging.send();
      EXPECT_EQ(x.to_vector<float>(), std::vector<float>({value, -value}));
      EXPECT_EQ(n.to_vector<std::int32_t>()[0], round % 2 == 1 ? round : round - 1)
          << "what is not written stays";
    }
    EXPECT_THROW(staging.write<float>(integers, std::vector<float>{1}), Error);
    EXPECT_THROW((void)staging.add(x), Error);
  }
}

TEST(Readback, KeepsTheLastRoundsForALateReader) {
  for (const ContextPtr& context : {make_cpu_context(), make_cuda_context(kBytes)}) {
    Readback readback(context, 2);
    Tensor numbers = readback.numbers();
    std::vector<std::int64_t> sent;
    for (int round = 0; round < Readback::kRounds + 1; ++round) {
      const auto value = static_cast<float>(round);
      numbers.copy_from<float>(std::vector<float>{value, 2 * value});
      sent.push_back(readback.send());
    }
    const DeviceCalls before = device_calls();
    EXPECT_EQ(readback.read(sent[2]), std::vector<float>({2, 4}));
    EXPECT_EQ(readback.read(sent.back()), std::vector<float>({4, 8}));
    EXPECT_EQ((device_calls() - before)[DeviceCall::kSynchronize], 0);
    EXPECT_THROW((void)readback.read(sent[0]), Error);
    EXPECT_THROW((void)readback.read(99), Error);
  }
}

}  // namespace
}  // namespace ktrain::test
