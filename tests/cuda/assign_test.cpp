// The CUDA assignment: what it gives each candidate must equal the CPU's, ties and all.
#include "kernels/assign.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/boxes.h"
#include "tests/support/close.h"
#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using Floats = std::vector<float>;
using Ints = std::vector<std::int32_t>;

// Lists of one capacity, padded with what would show if it were looked at.
struct Lists {
  Floats boxes;
  Ints counts;
  std::int64_t capacity;

  template <class T>
  [[nodiscard]] BoxList<const T> on(const T* data, const std::int32_t* count) const {
    return {data, count, static_cast<std::int64_t>(counts.size()), capacity};
  }
};

Lists random_lists(const Ints& counts, std::int64_t capacity, unsigned seed, double largest) {
  const std::size_t total = counts.size() * static_cast<std::size_t>(capacity);
  return {test::random_boxes<float>(total, seed, 200, largest), counts, capacity};
}

struct Problem {
  Lists candidates;  // one list for all images when `shared`
  bool shared;
  std::vector<std::uint8_t> valid;  // or empty
  Lists targets, ignored;
  [[nodiscard]] std::int64_t images() const {
    return static_cast<std::int64_t>(targets.counts.size());
  }
};

template <class T>
struct Answer {
  Ints match;
  std::vector<T> overlap;
};

Answer<float> on_device(const Problem& p, const AssignRule& rule, std::int64_t offset = 0) {
  const Stream stream;
  const DeviceView<float> boxes(stream.get(), p.candidates.boxes, offset),
      targets(stream.get(), p.targets.boxes), ignored(stream.get(), p.ignored.boxes);
  const DeviceView<std::int32_t> counts(stream.get(), p.candidates.counts),
      target_counts(stream.get(), p.targets.counts), ignored_counts(stream.get(), p.ignored.counts);
  const DeviceView<std::uint8_t> valid(stream.get(), p.valid);
  AssignInput<float> in;
  in.boxes = p.candidates.on<float>(boxes.data(), p.shared ? nullptr : counts.data());
  if (!p.valid.empty()) in.valid = {valid.data(), p.images(), p.candidates.capacity};
  in.targets = p.targets.on<float>(targets.data(), target_counts.data());
  in.ignored = p.ignored.on<float>(ignored.data(), ignored_counts.data());
  const std::int64_t size = p.images() * p.candidates.capacity;
  const DeviceView<std::int32_t> match(size);
  const DeviceView<float> overlap(size);
  const DeviceView<std::byte> scratch(
      assign_scratch_bytes<float>(p.images(), p.candidates.capacity, p.targets.capacity));
  cuda::assign(stream.get(), in, {match.data(), p.images(), p.candidates.capacity},
               {overlap.data(), p.images(), p.candidates.capacity}, scratch.span(), rule);
  return {match.to_host(stream.get()), overlap.to_host(stream.get())};
}

template <class T>
Answer<T> on_cpu(const Problem& p, const AssignRule& rule) {
  const std::vector<T> boxes = test::cast<T>(p.candidates.boxes),
                       targets = test::cast<T>(p.targets.boxes),
                       ignored = test::cast<T>(p.ignored.boxes);
  AssignInput<T> in;
  in.boxes = p.candidates.on<T>(boxes.data(), p.shared ? nullptr : p.candidates.counts.data());
  if (!p.valid.empty()) in.valid = test::rows(p.valid, p.candidates.capacity);
  in.targets = p.targets.on<T>(targets.data(), p.targets.counts.data());
  in.ignored = p.ignored.on<T>(ignored.data(), p.ignored.counts.data());
  const auto size = static_cast<std::size_t>(p.images() * p.candidates.capacity);
  Answer<T> answer{Ints(size), std::vector<T>(size)};
  std::vector<std::byte> scratch(static_cast<std::size_t>(
      assign_scratch_bytes<T>(p.images(), p.candidates.capacity, p.targets.capacity)));
  cpu::assign(in, Rows<std::int32_t>{answer.match.data(), p.images(), p.candidates.capacity},
              Rows<T>{answer.overlap.data(), p.images(), p.candidates.capacity},
              test::span(scratch), rule);
  return answer;
}

void expect_equal(const Problem& p, const AssignRule& rule) {
  const Answer<float> got = on_device(p, rule), want = on_cpu<float>(p, rule);
  EXPECT_EQ(got.match, want.match);
  EXPECT_TRUE(test::same_bits(got.overlap, want.overlap));
  // Areas of 1 or more made of corners up to 300.
  EXPECT_TRUE(test::all_close(got.overlap, on_cpu<double>(p, rule).overlap, 5e-3, 0));
  const Answer<float> again = on_device(p, rule, 1);
  EXPECT_EQ(again.match, got.match);
  EXPECT_TRUE(test::same_bits(again.overlap, got.overlap));
}

struct Case {
  std::int64_t candidates;
  int most_targets;
};
class AssignCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, AssignCuda,
                         testing::Values(Case{1, 1}, Case{511, 3}, Case{512, 32}, Case{513, 5},
                                         Case{test::large(8000), 7}, Case{520, 40}));

TEST_P(AssignCuda, EqualsTheCpu) {
  KT_NEEDS_GPU();
  const auto [size, most] = GetParam();
  Problem p;
  p.targets = random_lists({most, 0, most / 2, 1}, most, 2, 80);
  p.ignored = random_lists({2, 1, 0, 3}, 3, 3, 40);
  p.shared = false;
  const auto part = static_cast<std::int32_t>(size / 2);
  p.candidates = random_lists({static_cast<std::int32_t>(size), part, part, 0}, size, 4, 80);
  for (const AssignRule& rule : {kRpnAssign, kRoiAssign, AssignRule{0.4, 0.2, 0, true, 0.3}})
    expect_equal(p, rule);
  p.shared = true;
  p.candidates = random_lists({0}, size, 5, 80);
  for (std::int64_t i = 0; i < p.images() * size; ++i)
    p.valid.push_back(i % 7 != 0 ? std::uint8_t{1} : std::uint8_t{0});
  for (const AssignRule& rule : {kRpnAssign, kRoiAssign}) expect_equal(p, rule);
}

// Candidates that repeat, and targets that repeat: every tie there is.
TEST(AssignCudaTies, EqualTheCpu) {
  KT_NEEDS_GPU();
  Problem p;
  p.shared = true;
  p.candidates = random_lists({0}, 600, 1, 60);
  for (std::size_t i = 300 * 4; i < p.candidates.boxes.size(); ++i)
    p.candidates.boxes[i] = p.candidates.boxes[i - 300 * 4];
  p.targets = {Floats(p.candidates.boxes.begin(), p.candidates.boxes.begin() + 10 * 4), {10}, 10};
  std::copy_n(p.targets.boxes.begin(), 5 * 4, p.targets.boxes.begin() + 5 * 4);
  p.ignored = {{}, {0}, 0};
  expect_equal(p, kRpnAssign);
  expect_equal(p, {0.7, 0.3, 0, true, 0.5});  // targets take whoever reaches their best, 0 included
}

TEST(AssignCudaValues, NoTargetsNoCandidatesAndBrokenBoxes) {
  KT_NEEDS_GPU();
  Problem p;
  p.shared = true;
  p.targets = {{}, {0, 0}, 0};
  p.ignored = random_lists({1, 0}, 1, 3, 200);
  p.candidates = random_lists({0}, 5, 1, 60);
  p.candidates.boxes[0] = NAN;
  p.candidates.boxes[4 + 2] = INFINITY;
  p.candidates.boxes[8 + 2] = p.candidates.boxes[8];
  expect_equal(p, kRpnAssign);
  p.targets = random_lists({2, 1}, 2, 4, 60);
  expect_equal(p, kRpnAssign);
  p.candidates = {{}, {0}, 0};
  expect_equal(p, kRpnAssign);
}

TEST(AssignCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const DeviceView<std::int32_t> match(8);
  const DeviceView<float> overlap(8);
  AssignInput<float> in;
  in.boxes = {overlap.data(), nullptr, 1, 4};
  const auto message = [&](std::int64_t cols, std::int64_t scratch) {
    return test::message_of([&] {
      cuda::assign(nullptr, in, {match.data(), 2, cols}, {overlap.data(), 2, cols},
                   Span<std::byte>{nullptr, scratch}, kRpnAssign);
    });
  };
  EXPECT_THAT(message(3, 0), testing::StartsWith("assign: 1 lists of 4 candidates, match 2x3"));
  in.targets = {overlap.data(), match.data(), 1, 2};
  EXPECT_THAT(message(4, 0), testing::StartsWith("assign: 2 images, 1 lists of targets"));
  in.targets.batch = 2;
  EXPECT_THAT(message(4, 0), testing::StartsWith("scratch has 0 bytes"));
}

}  // namespace
}  // namespace ktrain
