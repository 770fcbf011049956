// The CUDA suppression must keep what the CPU's keeps, in its order.
#include "kernels/nms.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/topk.h"
#include "tests/support/boxes.h"
#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using Floats = std::vector<float>;
using Ints = std::vector<std::int32_t>;

struct Lists {
  Floats boxes, scores;
  Ints counts;  // or empty: all real
  std::int64_t batch, capacity;
};

struct Kept {
  Ints indices, counts;
  friend bool operator==(const Kept&, const Kept&) = default;
};

Kept on_device(const Lists& in, std::int64_t most, float threshold, std::int64_t offset = 0) {
  const Stream stream;
  const DeviceView<float> boxes(stream.get(), in.boxes, offset),
      scores(stream.get(), in.scores, offset);
  const DeviceView<std::int32_t> counts(stream.get(), in.counts), kept(in.batch * most),
      kept_counts(in.batch);
  const DeviceView<std::byte> scratch(cuda::nms_scratch_bytes(in.batch, in.capacity));
  cuda::nms(stream.get(),
            {boxes.data(), in.counts.empty() ? nullptr : counts.data(), in.batch, in.capacity},
            {scores.data(), in.batch, in.capacity}, {kept.data(), in.batch, most},
            kept_counts.span(), scratch.span(), threshold);
  return {kept.to_host(stream.get()), kept_counts.to_host(stream.get())};
}

Kept on_cpu(const Lists& in, std::int64_t most, float threshold) {
  Kept kept{Ints(static_cast<std::size_t>(in.batch * most)),
            Ints(static_cast<std::size_t>(in.batch))};
  std::vector<std::byte> scratch(
      static_cast<std::size_t>(cpu::nms_scratch_bytes<float>(in.batch, in.capacity)));
  cpu::nms<float>(
      {in.boxes.data(), in.counts.empty() ? nullptr : in.counts.data(), in.batch, in.capacity},
      {in.scores.data(), in.batch, in.capacity}, {kept.indices.data(), in.batch, most},
      test::span(kept.counts), test::span(scratch), threshold);
  return kept;
}

Lists random_lists(std::int64_t batch, std::int64_t capacity, double size, const Ints& counts) {
  const std::int64_t total = batch * capacity;
  return {test::random_boxes<float>(static_cast<std::size_t>(total), 1, size, 60),
          test::random_floats(total, 2), counts, batch, capacity};
}

struct Case {
  std::int64_t capacity;
  Ints counts;  // of three lists, or empty
  double size;  // of the image: how crowded it is
  std::int64_t most;
};
class NmsCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, NmsCuda,
                         testing::Values(Case{0, {}, 100, 5}, Case{1, {1, 0, 1}, 100, 1},
                                         Case{63, {}, 100, 63}, Case{64, {64, 63, 1}, 100, 64},
                                         Case{65, {}, 100, 10}, Case{200, {}, 100, 0},
                                         Case{300, {300, 129, 0}, 150, 300},
                                         Case{1000, {1000, 999, 513}, 400, 100},
                                         Case{450, {}, 600, 450}));

TEST_P(NmsCuda, EqualsTheCpu) {
  KT_NEEDS_GPU();
  const auto& [capacity, counts, size, most] = GetParam();
  const Lists in = random_lists(3, capacity, size, counts);
  for (const float threshold : {0.7f, 0.3f, 0.0f}) {
    const Kept got = on_device(in, most, threshold);
    EXPECT_EQ(got, on_cpu(in, most, threshold));
    EXPECT_EQ(got, on_device(in, most, threshold, 1));
  }
}

TEST(NmsCudaLarge, ListsThatAreSortedInDeviceMemory) {
  KT_NEEDS_GPU();
  const Lists in = random_lists(1, 4100, 700, {});
  EXPECT_EQ(on_device(in, 4100, 0.5f), on_cpu(in, 4100, 0.5f));
}

// Boxes that lie on each other, scores that are equal, and overlaps that are the threshold itself.
TEST(NmsCudaTies, EqualTheCpu) {
  KT_NEEDS_GPU();
  Lists in = random_lists(2, 400, 40, {});
  for (std::size_t i = 0; i < in.scores.size(); ++i) {
    in.scores[i] = static_cast<float>(i * 7 % 5);
    for (std::size_t c = 0; c < 4; ++c)
      in.boxes[i * 4 + c] = std::round(in.boxes[i * 4 + c] / 8) * 8;
  }
  for (const float threshold : {0.5f, 0.25f, 1.0f / 3.0f, 0.6f, 0.1f, 1.0f})
    EXPECT_EQ(on_device(in, 400, threshold), on_cpu(in, 400, threshold));
}

TEST(NmsCudaValues, BrokenBoxesAndThresholds) {
  KT_NEEDS_GPU();
  Lists in = random_lists(1, 130, 60, {});
  const Floats odd = {NAN, INFINITY, -INFINITY, 1e30f, -1e30f, 1e-30f, 0.0f, -0.0f};
  for (std::size_t i = 0; i < in.boxes.size(); i += 5) in.boxes[i] = odd[i / 5 % odd.size()];
  for (std::size_t i = 0; i < in.scores.size(); i += 3) in.scores[i] = odd[i / 3 % odd.size()];
  for (const float threshold : {0.5f, 0.0f, -1.0f, 1e-35f, 2.0f, NAN})
    EXPECT_EQ(on_device(in, 130, threshold), on_cpu(in, 130, threshold));
}

TEST(NmsCudaValues, SortedListsNeedNoScores) {
  KT_NEEDS_GPU();
  Lists in = random_lists(2, 150, 80, {150, 70});
  for (std::size_t i = 0; i < in.scores.size(); ++i) in.scores[i] = -static_cast<float>(i);
  const Stream stream;
  const DeviceView<float> boxes(stream.get(), in.boxes);
  const DeviceView<std::int32_t> counts(stream.get(), in.counts), kept(2 * 60), kept_counts(2);
  const DeviceView<std::byte> scratch(cuda::nms_sorted_scratch_bytes(2, 150));
  cuda::nms_sorted(stream.get(), {boxes.data(), counts.data(), 2, 150}, {kept.data(), 2, 60},
                   kept_counts.span(), scratch.span(), 0.4f);
  const Kept got{kept.to_host(stream.get()), kept_counts.to_host(stream.get())};
  EXPECT_EQ(got, on_cpu(in, 60, 0.4f));
}

TEST(NmsCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const DeviceView<float> x(16);
  const DeviceView<std::int32_t> kept(4);
  const auto message = [&](std::int64_t capacity, std::int64_t scores, std::int64_t lists) {
    return test::message_of([&] {
      cuda::nms(nullptr, {x.data(), nullptr, 2, capacity}, {x.data(), 2, scores},
                {kept.data(), lists, 2}, {kept.data(), 2}, Span<std::byte>{}, 0.5f);
    });
  };
  EXPECT_THAT(message(2, 2, 3), testing::StartsWith("nms: 2 lists of 2 boxes, kept 3x2"));
  EXPECT_THAT(message(2, 3, 2), testing::StartsWith("nms: 2 lists of 2 boxes, scores 2x3"));
  EXPECT_THAT(message(70000, 2, 2), testing::HasSubstr("at most 65536 on CUDA"));
  EXPECT_THAT(message(2, 2, 2), testing::StartsWith("scratch has 0 bytes"));
}

}  // namespace
}  // namespace ktrain
