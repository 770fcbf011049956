// The CUDA batch normalisation against the CPU's, in double and in float.
#include "kernels/norm.h"

#include <array>
#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/device/calls.h"
#include "tests/support/boxes.h"
#include "tests/support/close.h"
#include "tests/support/cuda.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::DeviceView;
using Floats = std::vector<float>;

constexpr double kEps = 1e-5;
constexpr double kMomentum = 0.1;

struct Case {
  std::int64_t rows, cols;
};

template <class T>
struct Numbers {
  std::vector<T> x, dy, gamma, beta, running_mean, running_var;
};

// Every channel has a mean and a spread of its own.
Numbers<float> numbers_of(Case c) {
  Numbers<float> n{test::random_floats(c.rows * c.cols, 1), test::random_floats(c.rows * c.cols, 2),
                   test::random_floats(c.cols, 3, 0.5, 2),  test::random_floats(c.cols, 4),
                   test::random_floats(c.cols, 5),          test::random_floats(c.cols, 6, 0.5, 2)};
  for (std::int64_t r = 0; r < c.rows; ++r)
    for (std::int64_t k = 0; k < c.cols; ++k) {
      float& x = n.x[static_cast<std::size_t>(r * c.cols + k)];
      x = static_cast<float>(k % 7 - 3) + x * static_cast<float>(1 + k % 3);
    }
  return n;
}

template <class To>
Numbers<To> cast(const Numbers<float>& n) {
  return {test::cast<To>(n.x),    test::cast<To>(n.dy),           test::cast<To>(n.gamma),
          test::cast<To>(n.beta), test::cast<To>(n.running_mean), test::cast<To>(n.running_var)};
}

template <class T>
struct Trained {
  std::vector<T> y, mean, inv, running_mean, running_var, dx, dgamma, dbeta;
};

template <class T>
Trained<T> on_cpu(const Numbers<float>& from, Case c) {
  Numbers<T> n = cast<T>(from);
  const auto channels = static_cast<std::size_t>(c.cols);
  Trained<T> r{std::vector<T>(n.x.size()),
               std::vector<T>(channels),
               std::vector<T>(channels),
               n.running_mean,
               n.running_var,
               std::vector<T>(n.x.size()),
               std::vector<T>(channels),
               std::vector<T>(channels)};
  std::vector<std::byte> scratch(
      static_cast<std::size_t>(norm_train_scratch_bytes(c.rows, c.cols)));
  const auto in = [&](const std::vector<T>& v) { return Rows<const T>{v.data(), c.rows, c.cols}; };
  const auto out = [&](std::vector<T>& v) { return Rows<T>{v.data(), c.rows, c.cols}; };
  const std::vector<T>&gamma = n.gamma, &beta = n.beta, &mean = r.mean, &inv = r.inv;
  cpu::norm_train_forward<T>(in(n.x), {test::span(gamma), test::span(beta)}, test::span(scratch),
                             {test::span(r.mean), test::span(r.inv), test::span(r.running_mean),
                              test::span(r.running_var)},
                             out(r.y), kEps, kMomentum);
  cpu::norm_train_backward<T>(in(n.dy), {in(n.x), test::span(mean), test::span(inv)},
                              test::span(gamma), test::span(scratch),
                              {out(r.dx), test::span(r.dgamma), test::span(r.dbeta)});
  return r;
}

struct Place {
  std::int64_t offset = 0;
  bool in_place = false;
  bool wants_dx = true;
};

Trained<float> on_device(const Numbers<float>& n, Case c, Place place = {}) {
  const Stream stream;
  CudaStream const s = stream.get();
  const std::int64_t size = c.rows * c.cols, offset = place.offset;
  const DeviceView<float> x(s, n.x, offset), dy(s, n.dy, offset), gamma(s, n.gamma, offset),
      beta(s, n.beta, offset), mean(c.cols, offset), inv(c.cols, offset),
      running_mean(s, n.running_mean, offset), running_var(s, n.running_var, offset),
      y_own(size, offset), dx_own(size, offset), dgamma(c.cols, offset), dbeta(c.cols, offset);
  const DeviceView<std::byte> scratch(norm_train_scratch_bytes(c.rows, c.cols));
  const DeviceView<float>& dx = place.in_place ? dy : dx_own;
  const auto rows = [&](const DeviceView<float>& v) {
    return Rows<float>{v.data(), c.rows, c.cols};
  };
  Trained<float> r;
  const auto forward = [&](const DeviceView<float>& y) {
    cuda::norm_train_forward<float>(
        s, rows(x), {gamma.in(), beta.in()}, scratch.span(),
        {mean.span(), inv.span(), running_mean.span(), running_var.span()}, rows(y), kEps,
        kMomentum);
    r.y = y.to_host(s);
  };
  forward(y_own);
  r.mean = mean.to_host(s);
  r.inv = inv.to_host(s);
  r.running_mean = running_mean.to_host(s);
  r.running_var = running_var.to_host(s);
  cuda::norm_train_backward<float>(
      s, rows(dy), {rows(x), mean.in(), inv.in()}, gamma.in(), scratch.span(),
      {place.wants_dx ? rows(dx) : Rows<float>{}, dgamma.span(), dbeta.span()});
  if (place.wants_dx) r.dx = dx.to_host(s);
  r.dgamma = dgamma.to_host(s);
  r.dbeta = dbeta.to_host(s);
  if (place.in_place) forward(x);
  return r;
}

class NormCuda : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Shapes, NormCuda,
                         testing::Values(Case{1, 1}, Case{1, 8}, Case{2, 3}, Case{7, 5},
                                         Case{64, 4}, Case{65, 33}, Case{300, 64}, Case{257, 260},
                                         Case{20, 1028}, Case{70, test::large(16385)},
                                         Case{test::large(40000), 4}));

template <class T>
void expect_close(const Trained<float>& got, const Trained<T>& want, std::int64_t rows) {
  // Sums are exact but for 1e-16 by term; a statistic is rounded once, 6e-8. In float the CPU adds
  // up to 256 distances below 8 before it changes to double: 256 roundings of 6e-8, mostly random.
  const double slack = sizeof(T) == 4 ? 20 : 1;
  EXPECT_TRUE(test::all_close(got.mean, want.mean, 6e-7 * slack, 1.2e-7));
  EXPECT_TRUE(test::all_close(got.running_mean, want.running_mean, 1.2e-7 * slack, 1.2e-7));
  // An x below 8 has 5e-7, the mean as much; inv of one row is 316, else below 20.
  const double steep = rows < 3 ? 320 : 20;
  EXPECT_TRUE(test::all_close(got.y, want.y, 2e-6 * steep * slack, 1e-6));
  if (rows < 3) return;  // two rows may be as close as they like: see the values' tests
  EXPECT_TRUE(test::all_close(got.inv, want.inv, 0, 4e-6 * slack));
  EXPECT_TRUE(test::all_close(got.running_var, want.running_var, 0, 1e-6 * slack));
  // Of `rows` terms below 4 each, of which some are known to 1e-6 by n.
  const double terms = 1e-6 * std::sqrt(static_cast<double>(rows)) * slack;
  EXPECT_TRUE(test::all_close(got.dbeta, want.dbeta, terms, 1.2e-7));
  EXPECT_TRUE(test::all_close(got.dgamma, want.dgamma, 8 * terms, 1e-6));
  EXPECT_TRUE(test::all_close(got.dx, want.dx, 2e-5 * slack, 1e-5));
}

TEST_P(NormCuda, TrainingAgreesWithTheCpu) {
  KT_NEEDS_GPU();
  const Case c = GetParam();
  const Numbers<float> n = numbers_of(c);
  const Trained<float> got = on_device(n, c);
  expect_close(got, on_cpu<double>(n, c), c.rows);
  expect_close(got, on_cpu<float>(n, c), c.rows);
}

TEST_P(NormCuda, TrainingIsTheSameToTheBitAgainElsewhereAndInPlace) {
  KT_NEEDS_GPU();
  const Case c = GetParam();
  const Numbers<float> n = numbers_of(c);
  const Trained<float> first = on_device(n, c);
  for (const Place place : {Place{}, Place{1}, Place{0, true}}) {
    const Trained<float> again = on_device(n, c, place);
    EXPECT_TRUE(test::same_bits(again.y, first.y));
    EXPECT_TRUE(test::same_bits(again.inv, first.inv));
    EXPECT_TRUE(test::same_bits(again.dx, first.dx));
    EXPECT_TRUE(test::same_bits(again.dgamma, first.dgamma));
    EXPECT_TRUE(test::same_bits(again.dbeta, first.dbeta));
    if (place.in_place) continue;  // forward ran twice
    EXPECT_TRUE(test::same_bits(again.running_var, first.running_var));
  }
}

TEST(NormCudaValues, ALargeMeanDoesNotCancel) {
  KT_NEEDS_GPU();
  const Case c{600, 1};
  Numbers<float> n = numbers_of(c);
  n.x = test::random_floats(600, 1, 999, 1001);
  const Trained<float> got = on_device(n, c);
  const Trained<double> want = on_cpu<double>(n, c);
  // The device's sums are exact: what is left is one rounding of the variance.
  EXPECT_TRUE(test::all_close(got.inv, want.inv, 0, 1.2e-7));
  n.x[0] = -1e6f;  // the first row, around which they are taken, far from all others
  EXPECT_TRUE(test::all_close(on_device(n, c).inv, on_cpu<double>(n, c).inv, 0, 1.2e-7));
}

TEST(NormCudaValues, ASpreadOfNothingGivesBeta) {
  KT_NEEDS_GPU();
  const Case c{90, 4};
  Numbers<float> n = numbers_of(c);
  for (std::size_t i = 0; i < n.x.size(); ++i) n.x[i] = 0.1f * static_cast<float>(i % 4);
  const Trained<float> got = on_device(n, c);
  for (std::size_t i = 0; i < n.x.size(); ++i) EXPECT_EQ(got.y[i], n.beta[i % 4]);
  EXPECT_THAT(got.inv, testing::Each(static_cast<float>(1 / std::sqrt(kEps))));
}

TEST(NormCudaValues, OneRowLeavesTheRunningVarianceAndNoRowsEverything) {
  KT_NEEDS_GPU();
  const Numbers<float> one = numbers_of({1, 5}), none = numbers_of({0, 5});
  EXPECT_EQ(on_device(one, {1, 5}).running_var, one.running_var);
  const Trained<float> got = on_device(none, {0, 5});
  EXPECT_EQ(got.running_mean, none.running_mean);
  EXPECT_EQ(got.running_var, none.running_var);
  EXPECT_THAT(got.dgamma, testing::Each(0.0f));
  EXPECT_THAT(got.dbeta, testing::Each(0.0f));
  EXPECT_TRUE(on_device(numbers_of({5, 0}), {5, 0}).y.empty());
}

TEST(NormCudaValues, GradientsOfTheVectorsAloneAndNansShow) {
  KT_NEEDS_GPU();
  const Case c{70, 8};
  Numbers<float> n = numbers_of(c);
  const Trained<float> first = on_device(n, c);
  const Trained<float> alone = on_device(n, c, {0, false, false});
  EXPECT_TRUE(test::same_bits(alone.dgamma, first.dgamma));
  EXPECT_TRUE(test::same_bits(alone.dbeta, first.dbeta));
  n.x[3 * 8 + 5] = NAN;
  const Trained<float> broken = on_device(n, c);
  for (std::size_t k = 0; k < 8; ++k) {
    EXPECT_EQ(std::isnan(broken.inv[k]), k == 5);
    EXPECT_EQ(std::isnan(broken.y[k]), k == 5);
    EXPECT_EQ(std::isnan(broken.running_var[k]), k == 5);
  }
}

// None, an empty one, one, blocks that end short, more than a launch takes.
std::vector<std::vector<std::int64_t>> lists_of_norms() {
  std::vector<std::int64_t> many;
  for (std::int64_t k = 0; k < 130; ++k) many.push_back(1 + k * 37 % 311);
  return {{}, {0}, {1}, {256}, {33, 0, 257, 1025, 0}, many};
}

std::int64_t launches(std::int64_t norms) { return (norms + 59) / 60; }

// What is on the host, or on the device, of some norms; both gradients, or one of them.
template <class Array>
struct Frozen {
  Array gamma, beta, mean, var, dscale, dshift;
};

Frozen<Floats> frozen_of(std::int64_t size, unsigned seed) {
  return {test::random_floats(size, seed),     test::random_floats(size, seed + 1),
          test::random_floats(size, seed + 2), test::random_floats(size, seed + 3, 0.001, 3),
          test::random_floats(size, seed + 4), test::random_floats(size, seed + 5)};
}

bool has_dscale(std::size_t norm) { return norm % 3 != 1; }
bool has_dshift(std::size_t norm) { return norm % 3 != 2; }

// Results of all norms in a row.
struct FoldResults {
  Floats scale, shift, dgamma;
};

void append(Floats& to, const Floats& values) { to.insert(to.end(), values.begin(), values.end()); }

FoldResults fold_on_cpu(const std::vector<Frozen<Floats>>& norms) {
  FoldResults r;
  for (std::size_t k = 0; k < norms.size(); ++k) {
    const Frozen<Floats>& n = norms[k];
    Floats scale(n.gamma.size()), shift(n.gamma.size()), dgamma(n.gamma.size());
    const NormFold<float> fold{test::span(n.gamma), test::span(n.beta), test::span(n.mean),
                               test::span(n.var),   test::span(scale),  test::span(shift)};
    cpu::norm_fold_forward<float>({&fold, 1}, kEps);
    const NormFoldGradient<float> gradient{
        has_dscale(k) ? test::span(n.dscale) : Span<const float>{},
        has_dshift(k) ? test::span(n.dshift) : Span<const float>{}, test::span(n.mean),
        test::span(n.var), test::span(dgamma)};
    cpu::norm_fold_backward<float>({&gradient, 1}, kEps);
    append(r.scale, scale);
    append(r.shift, shift);
    append(r.dgamma, dgamma);
  }
  return r;
}

FoldResults fold_on_device(const std::vector<Frozen<Floats>>& norms, std::int64_t offset) {
  const Stream stream;
  CudaStream const s = stream.get();
  std::vector<Frozen<DeviceView<float>>> in;
  std::vector<std::array<DeviceView<float>, 3>> out;
  std::vector<NormFold<float>> folds;
  std::vector<NormFoldGradient<float>> gradients;
  in.reserve(norms.size()), out.reserve(norms.size());
  std::int64_t filled = 0;
  for (const Frozen<Floats>& n : norms) {
    const auto view = [&](const Floats& values) { return DeviceView<float>(s, values, offset); };
    const std::size_t k = in.size();
    in.push_back(
        {view(n.gamma), view(n.beta), view(n.mean), view(n.var), view(n.dscale), view(n.dshift)});
    const std::int64_t size = std::ssize(n.gamma);
    out.push_back({DeviceView<float>(size, offset), DeviceView<float>(size, offset),
                   DeviceView<float>(size, offset)});
    filled += size > 0;
    const auto& x = in.back();
    folds.push_back({x.gamma.in(), x.beta.in(), x.mean.in(), x.var.in(), out.back()[0].span(),
                     out.back()[1].span()});
    gradients.push_back({has_dscale(k) ? x.dscale.in() : Span<const float>{},
                         has_dshift(k) ? x.dshift.in() : Span<const float>{}, x.mean.in(),
                         x.var.in(), out.back()[2].span()});
  }
  const DeviceCalls before = device_calls();
  cuda::norm_fold_forward(s, folds, kEps);
  cuda::norm_fold_backward(s, gradients, kEps);
  EXPECT_EQ((device_calls() - before)[DeviceCall::kLaunch], 2 * launches(filled));
  FoldResults r;
  for (const auto& views : out) {
    append(r.scale, views[0].to_host(s));
    append(r.shift, views[1].to_host(s));
    append(r.dgamma, views[2].to_host(s));
  }
  return r;
}

// The same operations in the same order, division and root rounded as they must be: the same bits.
TEST(FrozenNormCuda, AgreesToTheBit) {
  KT_NEEDS_GPU();
  for (const std::vector<std::int64_t>& sizes : lists_of_norms()) {
    std::vector<Frozen<Floats>> norms;
    for (const std::int64_t size : sizes)
      norms.push_back(frozen_of(size, static_cast<unsigned>(6 * norms.size())));
    const FoldResults want = fold_on_cpu(norms);
    for (const std::int64_t offset : {0, 0, 1}) {
      const FoldResults got = fold_on_device(norms, offset);
      EXPECT_TRUE(test::same_bits(got.scale, want.scale));
      EXPECT_TRUE(test::same_bits(got.shift, want.shift));
      EXPECT_TRUE(test::same_bits(got.dgamma, want.dgamma));
    }
  }
}

TEST(NormCudaErrors, AreNamed) {
  KT_NEEDS_GPU();
  const Stream stream;
  const DeviceView<float> two(2), three(3), x(6);
  const DeviceView<std::byte> small(8);
  const auto forward = [&](Span<const float> beta) {
    return test::message_of([&] {
      cuda::norm_train_forward<float>(
          stream.get(), {x.data(), 3, 2}, {two.in(), beta}, small.span(),
          {two.span(), two.span(), two.span(), two.span()}, {x.data(), 3, 2}, kEps, kMomentum);
    });
  };
  EXPECT_THAT(forward(three.in()),
              testing::StartsWith("norm_train_forward: beta has 3 elements, wanted 2"));
  EXPECT_THAT(forward(two.in()), testing::HasSubstr("scratch has 8 bytes, 64 or more wanted"));
  const NormFold<float> fold{two.in(), three.in(), two.in(), two.in(), two.span(), two.span()};
  EXPECT_THAT(test::message_of([&] {
                cuda::norm_fold_forward(stream.get(), {&fold, 1}, kEps);
              }),
              testing::StartsWith("norm_fold_forward: beta has 3 elements, wanted 2"));
  const NormFoldGradient<float> gradient{{}, {}, two.in(), two.in(), two.span()};
  EXPECT_THAT(test::message_of([&] {
                cuda::norm_fold_backward(stream.get(), {&gradient, 1}, kEps);
              }),
              testing::StartsWith("norm_fold_backward: neither dscale nor dshift of 2 channels"));
}

}  // namespace
}  // namespace ktrain
