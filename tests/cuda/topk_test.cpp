// The CUDA top-k must equal the CPU's, ties, NaN and signed zeros included.
#include "kernels/topk.h"

#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/boxes.h"
#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using Floats = std::vector<float>;
using Ints = std::vector<std::int32_t>;

Ints on_device(const Floats& scores, std::int64_t rows, std::int64_t k, std::int64_t offset = 0) {
  const Stream stream;
  const auto cols = static_cast<std::int64_t>(scores.size()) / rows;
  const DeviceView<float> dscores(stream.get(), scores, offset);
  const DeviceView<std::int32_t> indices(rows * k);
  const DeviceView<std::byte> scratch(cuda::topk_scratch_bytes(rows, k));
  cuda::topk(stream.get(), {dscores.data(), rows, cols}, {indices.data(), rows, k}, scratch.span());
  return indices.to_host(stream.get());
}

template <class T>
Ints on_cpu(const Floats& scores, std::int64_t rows, std::int64_t k) {
  const std::vector<T> values = test::cast<T>(scores);
  Ints indices(static_cast<std::size_t>(rows * k));
  cpu::topk<T>({values.data(), rows, static_cast<std::int64_t>(scores.size()) / rows},
               {indices.data(), rows, k});
  return indices;
}

struct Case {
  std::int64_t rows, cols, k;
};
class TopkCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, TopkCuda,
                         testing::Values(Case{1, 0, 0}, Case{1, 1, 1}, Case{3, 5, 0},
                                         Case{2, 1000, 1}, Case{3, 240, 240}, Case{2, 4096, 1000},
                                         Case{2, 4097, 4096}, Case{1, 9000, 2000},
                                         Case{2, 5001, 5000}, Case{1, test::large(61440), 100}));

TEST_P(TopkCuda, EqualsTheCpu) {
  KT_NEEDS_GPU();
  const auto [rows, cols, k] = GetParam();
  const Floats scores = test::random_floats(rows * cols, 1, -8, 3);
  const Ints got = on_device(scores, rows, k);
  EXPECT_EQ(got, on_cpu<float>(scores, rows, k));
  EXPECT_EQ(got, on_cpu<double>(scores, rows, k));
  EXPECT_EQ(got, on_device(scores, rows, k, 1));
}

// Scores of a few values, so that the k-th is one of many, of very different sizes.
TEST_P(TopkCuda, TiesEqualTheCpu) {
  KT_NEEDS_GPU();
  const auto [rows, cols, k] = GetParam();
  const Floats values = {0.0f, -0.0f, NAN, -INFINITY, INFINITY, 1e-40f, -1e-40f, 1.0f, -3.0f};
  for (const std::size_t different : {std::size_t{1}, std::size_t{2}, values.size()}) {
    Floats scores;
    for (std::int64_t i = 0; i < rows * cols; ++i)
      scores.push_back(values[static_cast<std::size_t>(i * 7919 % 104729) % different]);
    EXPECT_EQ(on_device(scores, rows, k), on_cpu<float>(scores, rows, k));
  }
}

TEST(TopkCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const DeviceView<float> scores(12);
  const DeviceView<std::int32_t> indices(12);
  const auto message = [&](std::int64_t rows, std::int64_t k) {
    return test::message_of([&] {
      cuda::topk(nullptr, {scores.data(), 3, 4}, {indices.data(), rows, k}, Span<std::byte>{});
    });
  };
  EXPECT_THAT(message(2, 4), testing::StartsWith("topk: scores has 3 rows, indices 2"));
  EXPECT_THAT(message(3, 5), testing::StartsWith("topk: 5 of 4 scores asked"));
}

}  // namespace
}  // namespace ktrain
