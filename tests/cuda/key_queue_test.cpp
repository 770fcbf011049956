// The CUDA ring of keys and its mining must equal the CPU's: indices, places, counts and keys.
#include "kernels/key_queue.h"

#include <cmath>
#include <random>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/boxes.h"
#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using test::span;
using Floats = std::vector<float>;
using Ints = std::vector<std::int32_t>;

Rows<const std::int32_t> places(const Ints& values) {
  return {values.data(), std::ssize(values) / kKeyColumns, kKeyColumns};
}

// Images, groups, frames and targets of few values, so that every rule finds something; some rows
// do not count, some entries were never filled.
Ints random_places(std::int64_t rows, unsigned seed, std::int32_t now, bool of_step) {
  std::mt19937 engine(seed);
  const auto draw = [&](std::int32_t low, std::int32_t high) {
    return std::uniform_int_distribution<std::int32_t>(low, high)(engine);
  };
  Ints values;
  for (std::int64_t r = 0; r < rows; ++r)
    values.insert(values.end(), {draw(-1, 30), draw(-1, 5), draw(0, 60), draw(0, 3),
                                 of_step ? now : draw(-20, now)});
  return values;
}

struct Case {
  std::int64_t rows, entries, count;
  double guard = 0;
};

class MineCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, MineCuda,
                         testing::Values(Case{0, 9, 3}, Case{1, 1, 1}, Case{3, 40, 0},
                                         Case{5, 31, 7, .3}, Case{4, 33, 50, .9},
                                         Case{2, 4097, 300, .2}, Case{1, 5700, 5000, .1},
                                         Case{test::large(64), 700, 20, .05},
                                         Case{2, test::large(65536), 256, .125}));

Ints mined_on_device(const Floats& similarity, const Ints& rows, const Ints& entries,
                     std::int64_t count, const MiningRule& rule, std::int64_t offset = 0) {
  const Stream stream;
  const std::int64_t n = places(rows).rows, size = places(entries).rows;
  const DeviceView<float> scores(stream.get(), similarity, offset);
  const DeviceView<std::int32_t> drows(stream.get(), rows, offset),
      dentries(stream.get(), entries, offset), indices(n * count, offset);
  const DeviceView<std::byte> scratch(cuda::mine_scratch_bytes(n, size, count));
  cuda::mine_negatives(stream.get(), {scores.data(), n, size}, {drows.data(), n, kKeyColumns},
                       {dentries.data(), size, kKeyColumns}, {indices.data(), n, count},
                       scratch.span(), rule);
  return indices.to_host(stream.get());
}

template <class T>
Ints mined_on_cpu(const Floats& similarity, const Ints& rows, const Ints& entries,
                  std::int64_t count, const MiningRule& rule) {
  const std::int64_t n = places(rows).rows, size = places(entries).rows;
  const std::vector<T> values = test::cast<T>(similarity);
  Ints indices(static_cast<std::size_t>(n * count), -7);
  std::vector<std::byte> scratch(static_cast<std::size_t>(cpu::mine_scratch_bytes(n, size)));
  cpu::mine_negatives<T>({values.data(), n, size}, places(rows), places(entries),
                         {indices.data(), n, count}, span(scratch), rule);
  return indices;
}

TEST_P(MineCuda, EqualsTheCpu) {
  KT_NEEDS_GPU();
  const auto [n, size, count, guard] = GetParam();
  const Ints rows = random_places(n, 1, 100, true), entries = random_places(size, 2, 100, false);
  Floats similarity = test::random_floats(n * size, 3);
  for (const bool tied : {false, true}) {
    if (tied)  // a few values, signed zeros and NaN: places decide
      for (std::size_t i = 0; i < similarity.size(); ++i)
        similarity[i] = Floats{0.5f, 0.0f, -0.0f, NAN, -INFINITY, -1.0f}[i * 7919 % 104729 % 6];
    for (const MiningRule& rule : {MiningRule{true, true, 4, 60, true, guard},
                                   MiningRule{false, false, -1, 0, false, guard}}) {
      const Ints got = mined_on_device(similarity, rows, entries, count, rule);
      EXPECT_EQ(got, mined_on_cpu<float>(similarity, rows, entries, count, rule));
      EXPECT_EQ(got, mined_on_cpu<double>(similarity, rows, entries, count, rule));
      EXPECT_EQ(got, mined_on_device(similarity, rows, entries, count, rule, 1));
    }
  }
}

class StatisticsCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, StatisticsCuda,
                         testing::Values(Case{0, 1, 3}, Case{1, 1, 1}, Case{3, 40, 0},
                                         Case{5, 31, 7}, Case{40, 33, 32}, Case{7, 2000, 65},
                                         Case{test::large(640), 700, 33}));

TEST_P(StatisticsCuda, EqualTheCpus) {
  KT_NEEDS_GPU();
  const Stream stream;
  const auto [n, size, count, guard] = GetParam();
  const Ints rows = random_places(n, 1, 100, true), entries = random_places(size, 2, 100, false);
  Ints indices;  // full rows, shorter ones and empty ones; what stands behind a -1 does not count
  for (std::int64_t r = 0; r < n; ++r)
    for (std::int64_t c = 0; c < count; ++c)
      indices.push_back(c == r % (count + 2) ? -1 : static_cast<std::int32_t>((r * 3 + c) % size));
  const Ints now = {100, 7};
  Floats want(kMiningNumbers);
  cpu::mining_statistics<float>(places(rows), places(entries), {indices.data(), n, count},
                                span(now), span(want), 4);
  const DeviceView<std::int32_t> drows(stream.get(), rows), dentries(stream.get(), entries),
      dindices(stream.get(), indices), dnow(stream.get(), now);
  for (int run = 0; run < 2; ++run) {
    const DeviceView<float> got(kMiningNumbers);
    cuda::mining_statistics(stream.get(), {drows.data(), n, kKeyColumns},
                            {dentries.data(), size, kKeyColumns}, {dindices.data(), n, count},
                            dnow.in(), got.span(), 4);
    EXPECT_EQ(got.to_host(stream.get()), want);
  }
}

TEST(StatisticsCudaValues, AQueueThatWasNeverFilledHasNoAge) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<std::int32_t> entries(stream.get(), Ints(10, -1)), now(stream.get(), Ints{5});
  const DeviceView<float> got(kMiningNumbers);
  cuda::mining_statistics(stream.get(), {nullptr, 0, kKeyColumns}, {entries.data(), 2, kKeyColumns},
                          {nullptr, 0, 3}, now.in(), got.span(), 4);
  EXPECT_EQ(got.to_host(stream.get()), Floats(kMiningNumbers, 0.0f));
}

struct Ring {
  Floats keys;
  Ints places, cursor;
  bool operator==(const Ring&) const = default;
};

Ring enqueued_on_device(const Ring& before, const Floats& keys, const Ints& rows) {
  const Stream stream;
  const std::int64_t n = places(rows).rows, size = places(before.places).rows;
  const std::int64_t d = std::ssize(before.keys) / size;
  const DeviceView<float> dkeys(stream.get(), keys, 1), queue(stream.get(), before.keys, 1);
  const DeviceView<std::int32_t> drows(stream.get(), rows), entries(stream.get(), before.places),
      cursor(stream.get(), before.cursor);
  cuda::enqueue_keys(stream.get(), {dkeys.data(), n, d}, {drows.data(), n, kKeyColumns},
                     {queue.data(), size, d}, {entries.data(), size, kKeyColumns}, cursor.span());
  return {queue.to_host(stream.get()), entries.to_host(stream.get()), cursor.to_host(stream.get())};
}

Ring enqueued_on_cpu(Ring ring, const Floats& keys, const Ints& rows) {
  const std::int64_t n = places(rows).rows, size = places(ring.places).rows;
  const std::int64_t d = std::ssize(ring.keys) / size;
  cpu::enqueue_keys<float>({keys.data(), n, d}, places(rows), {ring.keys.data(), size, d},
                           {ring.places.data(), size, kKeyColumns}, span(ring.cursor));
  return ring;
}

TEST(EnqueueCuda, EqualsTheCpuRoundAndRound) {
  KT_NEEDS_GPU();
  for (const std::int64_t d : {1, 300}) {
    for (const std::int64_t size : {1, 7, 310}) {
      Ring ring{Floats(static_cast<std::size_t>(size * d), 0.0f),
                Ints(static_cast<std::size_t>(size * kKeyColumns), -1), Ints{0}};
      for (const std::int64_t n : {0, 1, 20, 300}) {
        const Floats keys = test::random_floats(n * d, static_cast<unsigned>(n));
        const Ints rows = random_places(n, static_cast<unsigned>(n + size), 9, true);
        const Ring next = enqueued_on_cpu(ring, keys, rows);
        ASSERT_EQ(enqueued_on_device(ring, keys, rows), next) << n << " rows into " << size;
        ring = next;
      }
    }
  }
}

TEST(EnqueueCuda, ACursorOutsideTheQueueShowsInEveryKey) {
  KT_NEEDS_GPU();
  for (const std::int32_t cursor : {-1, 3}) {
    const Ring ring{{1, 2, 3, 4, 5, 6}, Ints(15, 2), {cursor}};
    const Ring got = enqueued_on_device(ring, {7, 8}, {1, 1, 1, 1, 1});
    for (const float key : got.keys) EXPECT_TRUE(std::isnan(key));
    EXPECT_EQ(got.cursor, ring.cursor);
    EXPECT_EQ(got.places, ring.places);
  }
}

TEST(KeyPlacesCuda, EqualTheCpus) {
  KT_NEEDS_GPU();
  const Stream stream;
  for (const std::int64_t n : {0, 1, 3, 700}) {
    Ints marks;
    for (std::int32_t i = 0; i < n * 4; ++i) marks.push_back(i * 7919 % 97 - 1);
    const Ints now = {12, 99};
    Ints want(static_cast<std::size_t>(n * kKeyColumns));
    cpu::key_places({marks.data(), n, 4}, span(now), {want.data(), n, kKeyColumns});
    const DeviceView<std::int32_t> dmarks(stream.get(), marks), dnow(stream.get(), now),
        got(n * kKeyColumns);
    cuda::key_places(stream.get(), {dmarks.data(), n, 4}, dnow.in(), {got.data(), n, kKeyColumns});
    EXPECT_EQ(got.to_host(stream.get()), want);
  }
}

TEST(KeyQueueCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const DeviceView<std::int32_t> ints(100);
  const DeviceView<float> floats(100);
  const auto message = [&](std::int64_t scored, double guard) {
    return test::message_of([&] {
      cuda::mine_negatives(nullptr, {floats.data(), 1, scored}, {ints.data(), 1, kKeyColumns},
                           {ints.data(), 8, kKeyColumns}, {ints.data(), 1, 2}, {},
                           {true, true, 0, 0, true, guard});
    });
  };
  EXPECT_THAT(message(7, 0), testing::HasSubstr("similarity is 1x7, 1 rows, 8 entries"));
  EXPECT_THAT(message(8, 1), testing::StartsWith("mine_negatives: guard is 1"));
  EXPECT_THAT(message(8, 0), testing::StartsWith("scratch has 0 bytes"));
}

}  // namespace
}  // namespace ktrain
