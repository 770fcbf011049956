// The CUDA InfoNCE and its gradients against the CPU's, in double and in float.
#include "kernels/info_nce.h"

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

struct Input {
  std::int64_t n, d;
  Floats u, v, scale, valid, weight;
  std::vector<std::uint8_t> exclude;
  InfoNceOptions options;
};

template <class T>
struct Result {
  std::vector<T> logits, row, col, factor, stats, loss, du, dv, dscale;
  std::vector<std::int32_t> anchors;
};

constexpr float kDloss = -1.3f;

Result<float> on_device(const Input& in, std::int64_t offset = 0) {
  const Stream stream;
  CudaStream const s = stream.get();
  const std::int64_t n = in.n, d = in.d;
  const DeviceView<float> u(s, in.u, offset), v(s, in.v, offset), scale(s, in.scale),
      valid(s, in.valid), weight(s, in.weight), dloss(s, {kDloss});
  const DeviceView<std::uint8_t> exclude(s, in.exclude, offset);
  const DeviceView<float> logits(n * n), row(n), col(n), factor(n), stats(kNumInfoNceStats),
      loss(1), du(n * d, offset), dv(n * d, offset), dscale(1);
  const DeviceView<std::int32_t> anchors(1);
  const DeviceView<std::byte> scratch(info_nce_scratch_bytes(n)), second(info_nce_scratch_bytes(n));
  const InfoNceInputs<float> views{
      {u.data(), n, d}, {v.data(), n, d}, scale.in(),
      valid.in(),       weight.in(),      {exclude.data(), in.exclude.empty() ? 0 : n, n}};
  cuda::info_nce_forward(s, views, {{logits.data(), n, n}, row.span(), col.span(), factor.span()},
                         stats.span(), anchors.span(), loss.span(), scratch.span(), in.options);
  cuda::info_nce_backward(s, views, {{logits.data(), n, n}, row.in(), col.in(), factor.in()},
                          dloss.in(), {{du.data(), n, d}, {dv.data(), n, d}, dscale.span()},
                          second.span(), in.options);
  return {logits.to_host(s), row.to_host(s), col.to_host(s), factor.to_host(s), stats.to_host(s),
          loss.to_host(s),   du.to_host(s),  dv.to_host(s),  dscale.to_host(s), anchors.to_host(s)};
}

template <class T>
Result<T> on_cpu(const Input& in) {
  const std::int64_t n = in.n, d = in.d;
  const auto size = static_cast<std::size_t>(n);
  const std::vector<T> u = test::cast<T>(in.u), v = test::cast<T>(in.v),
                       scale = test::cast<T>(in.scale), valid = test::cast<T>(in.valid),
                       weight = test::cast<T>(in.weight), dloss = {kDloss};
  const InfoNceInputs<T> views{
      {u.data(), n, d}, {v.data(), n, d}, span(scale),
      span(valid),      span(weight),     {in.exclude.data(), in.exclude.empty() ? 0 : n, n}};
  Result<T> r{std::vector<T>(size * size),
              std::vector<T>(size),
              std::vector<T>(size),
              std::vector<T>(size),
              std::vector<T>(kNumInfoNceStats),
              std::vector<T>(1),
              std::vector<T>(u.size()),
              std::vector<T>(u.size()),
              std::vector<T>(1),
              std::vector<std::int32_t>(1)};
  cpu::info_nce_forward<T>(views,
                           {{r.logits.data(), n, n}, span(r.row), span(r.col), span(r.factor)},
                           span(r.stats), span(r.anchors), span(r.loss), {}, in.options);
  const Result<T>& kept = r;
  cpu::info_nce_backward<T>(
      views, {{kept.logits.data(), n, n}, span(kept.row), span(kept.col), span(kept.factor)},
      span(dloss), {{r.du.data(), n, d}, {r.dv.data(), n, d}, span(r.dscale)}, {}, in.options);
  return r;
}

struct Case {
  std::int64_t n, d;
  bool plain;  // no padded rows, no weights, nothing excluded
  InfoNceOptions options;
};

Input make(const Case& c) {
  Input in{c.n,
           c.d,
           test::random_floats(c.n * c.d, 1),
           test::random_floats(c.n * c.d, 2),
           {c.options.raw_temperature ? 0.6f : 0.7f},
           Floats(static_cast<std::size_t>(c.n), 1.0f),
           {},
           {},
           c.options};
  if (c.plain) return in;
  in.weight = test::random_floats(c.n, 3, 0.1, 1);
  const auto n = static_cast<std::size_t>(c.n);
  in.exclude.assign(n * n, 0);
  for (std::size_t i = 0; i < n; ++i) {
    if (i % 5 == 2) in.valid[i] = 0;
    if (i % 7 == 3) in.weight[i] = 0;
    for (std::size_t j = 0; j < n; ++j) in.exclude[i * n + j] = (i * j + i + j) % 4 == 1 ? 1 : 0;
  }
  // A row without negatives.
  for (std::size_t j = 0; j < n; ++j) in.exclude[j] = in.exclude[j * n] = 1;
  return in;
}

class InfoNceCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, InfoNceCuda,
                         testing::Values(Case{0, 4, true, {}}, Case{1, 3, true, {}},
                                         Case{2, 1, true, {}}, Case{7, 5, false, {}},
                                         Case{31, 17, false, {1, true, false}},
                                         Case{33, 16, true, {1, false, true}},
                                         Case{40, 129, false, {3, false, false}},
                                         Case{65, 33, false, {1, true, true}},
                                         Case{test::large(1600) / 16 + 3, 20, false, {}}));

TEST_P(InfoNceCuda, AgreesWithTheCpu) {
  KT_NEEDS_GPU();
  const Input in = make(GetParam());
  const Result<float> got = on_device(in), narrow = on_cpu<float>(in);
  const Result<double> wide = on_cpu<double>(in);
  EXPECT_EQ(got.anchors, narrow.anchors);
  for (const int i : {kStatAnchors, kStatRows, kStatLeastNegatives, kStatFirst})
    EXPECT_EQ(got.stats[static_cast<std::size_t>(i)], narrow.stats[static_cast<std::size_t>(i)]);
  // Everything between the floats that are kept is taken in double: a rounding of each to either
  // side of the CPU's.
  EXPECT_TRUE(test::all_close(got.stats, narrow.stats, 0, 1.2e-7));
  EXPECT_TRUE(test::all_close(got.logits, narrow.logits, 0, 1.2e-7));
  EXPECT_TRUE(test::same_bits(got.factor, narrow.factor));
  // Logits below 2 sqrt(d) ... 2 d = 258 / 0.6, that much larger than what is left of them.
  const double size = 4.0 * static_cast<double>(in.d) + 4;
  EXPECT_TRUE(test::all_close(got.row, narrow.row, 1.2e-7 * size, 0));
  EXPECT_TRUE(test::all_close(got.col, narrow.col, 1.2e-7 * size, 0));
  EXPECT_TRUE(test::all_close(got.loss, narrow.loss, 2.4e-7 * size, 1.2e-7));
  EXPECT_TRUE(test::all_close(got.loss, wide.loss, 2.4e-7 * size, 1.2e-7));
  // exp of differences of logits has their error; up to 2 n terms of u or v below 1 times s < 3.
  const double error = 3e-7 * size * 6;
  EXPECT_TRUE(test::all_close(got.du, narrow.du, error, 1e-6));
  EXPECT_TRUE(test::all_close(got.dv, narrow.dv, error, 1e-6));
  EXPECT_TRUE(test::all_close(got.du, wide.du, error, 1e-6));
  EXPECT_TRUE(test::all_close(got.dv, wide.dv, error, 1e-6));
  EXPECT_TRUE(test::all_close(got.dscale, wide.dscale, error * size, 1e-6));
}

TEST_P(InfoNceCuda, IsTheSameToTheBitAgainAndAtAnotherAddress) {
  KT_NEEDS_GPU();
  const Input in = make(GetParam());
  const Result<float> first = on_device(in);
  for (const std::int64_t offset : {0, 1}) {
    const Result<float> again = on_device(in, offset);
    EXPECT_TRUE(test::same_bits(again.loss, first.loss));
    EXPECT_TRUE(test::same_bits(again.stats, first.stats));
    EXPECT_TRUE(test::same_bits(again.du, first.du));
    EXPECT_TRUE(test::same_bits(again.dv, first.dv));
    EXPECT_TRUE(test::same_bits(again.dscale, first.dscale));
  }
}

TEST(InfoNceCudaValues, WithoutAnAnchorAllIsZeroAndABrokenRowShows) {
  KT_NEEDS_GPU();
  Input in = make({6, 4, true, {6, false, false}});  // nobody has six negatives
  Result<float> r = on_device(in);
  EXPECT_EQ(r.loss[0], 0);
  EXPECT_EQ(r.anchors[0], 0);
  EXPECT_EQ(r.du, Floats(24, 0.0f));
  in.options.least_negatives = 1;
  in.u[4] = NAN;
  EXPECT_TRUE(std::isnan(on_device(in).loss[0]));
  in.valid[1] = 0;
  r = on_device(in);
  EXPECT_FALSE(std::isnan(r.loss[0]) || std::isnan(r.dv[0]));
}

TEST(InfoNceCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  Input in = make({3, 2, true, {}});
  in.valid.pop_back();
  EXPECT_EQ(test::message_of([&] {
              (void)on_device(in);
            }).rfind("info_nce_forward: 3 rows, scale 1, valid 2, weight 0, exclude 0x3", 0),
            0u);
}

}  // namespace
}  // namespace ktrain
