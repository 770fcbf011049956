// The CUDA contrast with a queue and its gradient against the CPU's, in double and in float.
#include "kernels/queue_contrast.h"

#include <cmath>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/boxes.h"
#include "tests/support/close.h"
#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using test::span;
using Floats = std::vector<float>;
using Ints = std::vector<std::int32_t>;

struct Input {
  std::int64_t rows, negatives, entries, channels;
  Floats queries, positive, queue;
  Ints indices, marks;
  ContrastOptions options;
};

template <class T>
struct Result {
  std::vector<T> slope, row_loss, count, loss, dq;
};

constexpr float kDloss = -1.3f;

Result<float> on_device(const Input& in, std::int64_t offset = 0) {
  const Stream stream;
  CudaStream const s = stream.get();
  const std::int64_t n = in.rows, d = in.channels, columns = in.negatives + 1;
  const DeviceView<float> queries(s, in.queries, offset), positive(s, in.positive, offset),
      queue(s, in.queue, offset), dloss(s, {kDloss}), slope(n * columns), row_loss(n), count(1),
      loss(1), dq(n * d, offset);
  const DeviceView<std::int32_t> indices(s, in.indices), marks(s, in.marks);
  const ContrastInputs<float> views{{queries.data(), n, d},
                                    {positive.data(), in.positive.empty() ? 0 : n, d},
                                    {queue.data(), in.entries, d},
                                    {indices.data(), n, in.negatives},
                                    marks.in()};
  cuda::queue_contrast_forward(s, views, {slope.data(), n, columns}, row_loss.span(), count.span(),
                               loss.span(), in.options);
  cuda::queue_contrast_backward(s, views, {slope.data(), n, columns}, count.in(), dloss.in(),
                                {dq.data(), n, d}, in.options);
  return {slope.to_host(s), row_loss.to_host(s), count.to_host(s), loss.to_host(s), dq.to_host(s)};
}

template <class T>
Result<T> on_cpu(const Input& in) {
  const std::int64_t n = in.rows, d = in.channels, columns = in.negatives + 1;
  const std::vector<T> queries = test::cast<T>(in.queries), positive = test::cast<T>(in.positive),
                       queue = test::cast<T>(in.queue), dloss = {kDloss};
  const ContrastInputs<T> views{{queries.data(), n, d},
                                {positive.data(), in.positive.empty() ? 0 : n, d},
                                {queue.data(), in.entries, d},
                                {in.indices.data(), n, in.negatives},
                                span(in.marks)};
  const auto rows = static_cast<std::size_t>(n);
  Result<T> r{std::vector<T>(rows * static_cast<std::size_t>(columns)), std::vector<T>(rows),
              std::vector<T>(1), std::vector<T>(1), std::vector<T>(queries.size())};
  cpu::queue_contrast_forward<T>(views, {r.slope.data(), n, columns}, span(r.row_loss),
                                 span(r.count), span(r.loss), in.options);
  cpu::queue_contrast_backward<T>(views, {r.slope.data(), n, columns}, span(std::as_const(r.count)),
                                  span(dloss), {r.dq.data(), n, d}, in.options);
  return r;
}

struct Case {
  std::int64_t rows, negatives, entries, channels;
  ContrastForm form;
};

Input make(const Case& c) {
  Input in{c.rows,
           c.negatives,
           c.entries,
           c.channels,
           test::random_floats(c.rows * c.channels, 1),
           {},
           test::random_floats(c.entries * c.channels, 3),
           {},
           {},
           {c.form, 0.5, 0.75}};
  if (c.form == ContrastForm::kInfoNce) in.positive = test::random_floats(c.rows * c.channels, 2);
  for (std::int64_t r = 0; r < c.rows; ++r) {
    in.marks.push_back(r % 5 == 3 ? -1 : static_cast<std::int32_t>(r));
    // Full rows, shorter ones and empty ones; what stands behind a -1 is not read.
    const std::int64_t end = r % 4 == 1 ? c.negatives / 2 : r % 4 == 2 ? 0 : c.negatives;
    for (std::int64_t k = 0; k < c.negatives; ++k)
      in.indices.push_back(k == end ? -1 : static_cast<std::int32_t>((r * 3 + k * 7) % c.entries));
  }
  return in;
}

class QueueContrastCuda : public testing::TestWithParam<Case> {};
constexpr auto kPull = ContrastForm::kInfoNce, kPush = ContrastForm::kRepel;
INSTANTIATE_TEST_SUITE_P(Shapes, QueueContrastCuda,
                         testing::Values(Case{0, 3, 5, 4, kPull}, Case{1, 1, 1, 1, kPull},
                                         Case{4, 0, 5, 3, kPush}, Case{7, 9, 11, 33, kPull},
                                         Case{7, 9, 11, 31, kPush}, Case{9, 300, 64, 40, kPull},
                                         Case{5, 270, 400, 129, kPush},
                                         Case{test::large(1600) / 16, 20, 50, 8, kPull}));

TEST_P(QueueContrastCuda, AgreesWithTheCpu) {
  KT_NEEDS_GPU();
  const Input in = make(GetParam());
  const Result<float> got = on_device(in), narrow = on_cpu<float>(in);
  const Result<double> wide = on_cpu<double>(in);
  EXPECT_TRUE(test::same_bits(got.count, narrow.count));
  // Logits are kept as floats and below 2 * channels: known to that times 2^-24 on each side, and
  // so are slopes, relative to themselves, and losses. All else is taken in double.
  const double error = 2.4e-7 * static_cast<double>(in.channels);
  EXPECT_TRUE(test::all_close(got.slope, narrow.slope, 1e-12, error + 1.2e-7));
  EXPECT_TRUE(test::all_close(got.row_loss, narrow.row_loss, error, 1.2e-7));
  EXPECT_TRUE(test::all_close(got.loss, narrow.loss, error, 1.2e-7));
  EXPECT_TRUE(test::all_close(got.loss, wide.loss, error, 1.2e-7));
  // Slopes of a row add up to 2 at most, keys are below 1, the factor below 2.
  EXPECT_TRUE(test::all_close(got.dq, narrow.dq, 4 * error, 1.2e-7));
  EXPECT_TRUE(test::all_close(got.dq, wide.dq, 4 * error, 1.2e-7));
}

TEST_P(QueueContrastCuda, IsTheSameToTheBitAgainAndAtAnotherAddress) {
  KT_NEEDS_GPU();
  const Input in = make(GetParam());
  const Result<float> first = on_device(in);
  for (const std::int64_t offset : {0, 1}) {
    const Result<float> again = on_device(in, offset);
    EXPECT_TRUE(test::same_bits(again.slope, first.slope));
    EXPECT_TRUE(test::same_bits(again.loss, first.loss));
    EXPECT_TRUE(test::same_bits(again.dq, first.dq));
  }
}

TEST(QueueContrastCudaValues, BrokenKeysAndIndicesShow) {
  KT_NEEDS_GPU();
  for (const ContrastForm form : {kPull, kPush}) {
    Input in = make({1, 3, 5, 4, form});
    in.indices[1] = 5;  // the queue has five
    Result<float> r = on_device(in);
    EXPECT_TRUE(std::isnan(r.loss[0]) && std::isnan(r.dq[0]));
    in.indices[1] = 4;
    EXPECT_FALSE(std::isnan(on_device(in).loss[0]));
    in.queue[16] = NAN;
    EXPECT_TRUE(std::isnan(on_device(in).loss[0]));
  }
}

TEST(QueueContrastCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  Input in = make({2, 3, 5, 4, kPull});
  in.options.temperature = 0;
  EXPECT_EQ(test::message_of([&] {
              (void)on_device(in);
            }).rfind("queue_contrast_forward: temperature is 0", 0),
            0u);
}

}  // namespace
}  // namespace ktrain
