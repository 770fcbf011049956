#include "kernels/conv2d.h"

#include <cmath>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/parallel.h"
#include "tests/support/close.h"
#include "tests/support/gradcheck.h"
#include "tests/support/gradient_end.h"
#include "tests/support/message.h"

namespace ktrain {
namespace {

using test::all_close;
using test::message_of;
using test::random_vec;
using test::Vec;

struct Case {
  std::int64_t batch, height, width, channels, filters, taps, stride, pad;
};

// Sizes below, at and past a vector; one and several channels; maps smaller than the filter's
// padding; strides that leave pixels over; the stem.
const std::vector<Case> kCases = {
    {1, 1, 1, 1, 1, 1, 1, 0},     {2, 5, 4, 3, 5, 3, 1, 1},   {1, 7, 6, 16, 17, 3, 2, 1},
    {2, 9, 11, 3, 8, 7, 2, 3},    {1, 4, 6, 33, 31, 1, 1, 0}, {2, 5, 7, 32, 48, 1, 2, 0},
    {1, 2, 3, 16, 16, 3, 1, 1},   {1, 6, 5, 4, 2, 3, 1, 0},   {3, 8, 10, 64, 3, 1, 1, 0},
    {1, 13, 18, 24, 40, 3, 1, 1}, {1, 3, 3, 2, 2, 5, 3, 2},   {2, 16, 20, 32, 32, 3, 1, 1},
    {1, 1, 1, 32, 32, 3, 1, 1},   {2, 7, 5, 32, 64, 3, 1, 0}, {1, 6, 9, 96, 32, 3, 1, 2},
    {2, 16, 16, 4, 8, 1, 2, 0},   {1, 17, 16, 1, 3, 1, 2, 0}, {1, 7, 9, 6, 5, 1, 3, 0},
};

enum Part : unsigned { kScale = 1, kShift = 2, kResidual = 4, kRelu = 8 };

template <class T>
struct Problem {
  Case c;
  unsigned parts;
  Conv2dOptions options;
  std::int64_t out_height, out_width;
  std::vector<T> x, w, scale, shift, residual;

  Problem(const Case& of, unsigned with, ConvEngine engine)
      : c(of),
        parts(with),
        options{of.stride, of.pad, (with & kRelu) != 0, engine},
        out_height(conv2d_out_size(of.height, of.taps, options)),
        out_width(conv2d_out_size(of.width, of.taps, options)) {
    x = draw(c.batch * c.height * c.width * c.channels, 1);
    w = draw(c.filters * c.taps * c.taps * c.channels, 2);
    if (parts & kScale) scale = draw(c.filters, 3);
    if (parts & kShift) shift = draw(c.filters, 4);
    if (parts & kResidual) residual = draw(out_size(), 5);
  }

  static std::vector<T> draw(std::int64_t size, unsigned seed) {
    const Vec values = random_vec(static_cast<std::size_t>(size), seed);
    return std::vector<T>(values.begin(), values.end());
  }
  std::int64_t out_size() const { return c.batch * out_height * out_width * c.filters; }
  template <class P>
  Nhwc<P> in(P* data) const {
    return {data, c.batch, c.height, c.width, c.channels};
  }
  template <class P>
  Nhwc<P> out(P* data) const {
    return {data, c.batch, out_height, out_width, c.filters};
  }
  template <class P>
  Krsc<P> filters(P* data) const {
    return {data, c.filters, c.taps, c.taps, c.channels};
  }
  static Span<const T> span(const std::vector<T>& v) {
    return {v.data(), static_cast<std::int64_t>(v.size())};
  }
  Conv2dEpilogue<T> epilogue() const {
    return {span(scale), span(shift),
            residual.empty() ? Nhwc<const T>{} : out<const T>(residual.data())};
  }
};

// Scratch full of NaN: whoever reads before writing is found out.
template <class T>
std::vector<T> poisoned(std::int64_t size) {
  return std::vector<T>(static_cast<std::size_t>(size), static_cast<T>(NAN));
}

template <class T>
Span<T> span(std::vector<T>& v) {
  return {v.data(), static_cast<std::int64_t>(v.size())};
}

template <class T>
std::vector<T> forward(const Problem<T>& p) {
  std::vector<T> y = poisoned<T>(p.out_size());
  const auto x = p.template in<const T>(p.x.data());
  const auto w = p.template filters<const T>(p.w.data());
  std::vector<T> workspace = poisoned<T>(cpu::conv2d_forward_workspace<T>(
      x, w, p.epilogue(), p.template out<const T>(y.data()), p.options));
  cpu::conv2d_forward<T>(x, w, p.epilogue(), span(workspace), p.template out<T>(y.data()),
                         p.options);
  return y;
}

template <class T>
struct Gradients {
  std::vector<T> dx, dw, dscale;
};

template <class T>
Gradients<T> backward(const Problem<T>& p, const std::vector<T>& cotangent) {
  Gradients<T> out{poisoned<T>(static_cast<std::int64_t>(p.x.size())),
                   poisoned<T>(static_cast<std::int64_t>(p.w.size())),
                   poisoned<T>(static_cast<std::int64_t>(p.scale.size()))};
  const auto x = p.template in<const T>(p.x.data());
  const auto w = p.template filters<const T>(p.w.data());
  const auto g = p.template out<const T>(cotangent.data());
  const auto dx = p.template in<T>(out.dx.data());
  const auto dw = p.template filters<T>(out.dw.data());
  std::vector<T> workspace =
      poisoned<T>(cpu::conv2d_backward_data_workspace<T>(g, w, p.span(p.scale), dx, p.options));
  cpu::conv2d_backward_data<T>(g, w, p.span(p.scale), span(workspace), dx, p.options);
  workspace = poisoned<T>(cpu::conv2d_backward_weights_workspace<T>(x, g, dw, {}, p.options));
  cpu::conv2d_backward_weights<T>(x, g, {w, p.span(p.scale)}, span(workspace), dw, span(out.dscale),
                                  {}, p.options);
  return out;
}

// Rounding of a sum of `terms` products of numbers in [-1, 1], in any order, with a safety of 4 on
// the random-walk bound: |error| <= 4 * eps * terms (worst case is terms^2 eps / 2).
double sum_tolerance(std::int64_t terms) { return 4 * 1.2e-7 * static_cast<double>(terms + 4); }

bool winograd_fits(const Case& c) {
  return c.taps == 3 && c.stride == 1 && c.channels % 32 == 0 && c.filters % 32 == 0;
}

// The engines that compute this convolution in float.
std::vector<ConvEngine> engines_of(const Case& c) {
  std::vector<ConvEngine> engines = {ConvEngine::kReference, ConvEngine::kOneDnn,
                                     ConvEngine::kAuto};
  if (winograd_fits(c)) engines.push_back(ConvEngine::kWinograd);
  return engines;
}

TEST(Conv2dOutSize, FollowsTheFormula) {
  EXPECT_EQ(conv2d_out_size(512, 7, {.stride = 2, .pad = 3}), 256);
  EXPECT_EQ(conv2d_out_size(640, 1, {.stride = 2}), 320);
  EXPECT_EQ(conv2d_out_size(641, 1, {.stride = 2}), 321);
  EXPECT_EQ(conv2d_out_size(2, 3, {}), 0);
  EXPECT_EQ(conv2d_out_size(0, 3, {.pad = 1}), 0);
}

TEST(Conv2dForward, AgreesWithAHandComputedMap) {
  // 3x3 ones over a 2x3 map with padding 1: sums of the neighbourhood, by hand.
  const std::vector<double> x = {1, 2, 3, 4, 5, 6}, w(9, 1.0), scale = {2}, shift = {-30};
  std::vector<double> y(6);
  cpu::conv2d_forward<double>({x.data(), 1, 2, 3, 1}, {w.data(), 1, 3, 3, 1},
                              {{scale.data(), 1}, {shift.data(), 1}, {}}, {},
                              {y.data(), 1, 2, 3, 1}, {.pad = 1, .relu = true});
  EXPECT_EQ(y, (std::vector<double>{0, 12, 2, 0, 12, 2}));
}

TEST(Conv2dForward, EnginesAgreeOnEveryEpilogue) {
  for (const Case& c : kCases)
    for (unsigned parts = 0; parts < 16; ++parts) {
      const auto want = forward(Problem<double>(c, parts, ConvEngine::kReference));
      const double tolerance = sum_tolerance(c.taps * c.taps * c.channels);
      for (const auto engine : engines_of(c))
        EXPECT_TRUE(all_close(forward(Problem<float>(c, parts, engine)), want, tolerance, 1e-6))
            << "taps " << c.taps << " stride " << c.stride << " channels " << c.channels << " to "
            << c.filters << " parts " << parts << " engine " << static_cast<int>(engine);
    }
}

TEST(Conv2dBackward, EnginesAgree) {
  for (const Case& c : kCases)
    for (const unsigned parts : {0U, 1U * kScale}) {
      const Problem<double> exact(c, parts, ConvEngine::kReference);
      const Vec g = random_vec(static_cast<std::size_t>(exact.out_size()), 9);
      const auto want = backward(exact, g);
      const std::vector<float> g_float(g.begin(), g.end());
      const auto pixels = c.batch * exact.out_height * exact.out_width;
      for (const auto engine : engines_of(c)) {
        const auto got = backward(Problem<float>(c, parts, engine), g_float);
        const auto where = ::testing::Message() << "taps " << c.taps << " stride " << c.stride
                                                << " channels " << c.channels << " to " << c.filters
                                                << " engine " << static_cast<int>(engine);
        EXPECT_TRUE(all_close(got.dx, want.dx, sum_tolerance(c.taps * c.taps * c.filters), 1e-6))
            << where;
        EXPECT_TRUE(all_close(got.dw, want.dw, sum_tolerance(pixels), 1e-6)) << where;
        // A sum over taps of sums over pixels, the errors of which add up like a random walk.
        const double walk = std::sqrt(static_cast<double>(c.taps * c.taps * c.channels));
        EXPECT_TRUE(all_close(got.dscale, want.dscale, 4 * walk * sum_tolerance(pixels), 1e-6))
            << where;
      }
    }
}

// dx, dw and dscale against central differences; 1e-6 covers the cancellation of a step of 1e-5 in
// sums of at most a few hundred terms.
TEST(Conv2dBackward, IsTheDerivativeOfForward) {
  for (const Case& c : {kCases[1], kCases[7], kCases[10], Case{2, 5, 6, 3, 4, 1, 2, 0}}) {
    const Problem<double> p(c, kScale | kShift, ConvEngine::kAuto);
    const Vec dy = random_vec(static_cast<std::size_t>(p.out_size()), 11);
    const auto got = backward(p, dy);
    const auto run = [&](auto member) {
      return [&p, member](const Vec& v) {
        Problem<double> moved = p;
        moved.*member = v;
        return forward(moved);
      };
    };
    EXPECT_LT(test::gradient_error(run(&Problem<double>::x), p.x, dy, got.dx), 1e-6);
    EXPECT_LT(test::gradient_error(run(&Problem<double>::w), p.w, dy, got.dw), 1e-6);
    EXPECT_LT(test::gradient_error(run(&Problem<double>::scale), p.scale, dy, got.dscale), 1e-6);
  }
}

// Separate passes over the gradient that comes without an end.
template <class T>
void expect_ends(const Problem<T>& p) {
  const std::vector<T> cotangent = Problem<T>::draw(p.out_size(), 6);
  const std::vector<T> plain = backward(p, cotangent).dx,
                       add = Problem<T>::draw(static_cast<std::int64_t>(plain.size()), 7);
  std::vector<T> positive = Problem<T>::draw(static_cast<std::int64_t>(plain.size()), 8);
  test::plant_borders(positive);
  for (const unsigned parts : {1u, 2u, 3u}) {
    GradientEnd<T> end;
    if (parts & test::kAdd) end.add = p.span(add);
    if (parts & test::kPositive) end.positive = p.span(positive);
    const auto g = p.template out<const T>(cotangent.data());
    const auto w = p.template filters<const T>(p.w.data());
    std::vector<T> got = poisoned<T>(static_cast<std::int64_t>(plain.size()));
    const auto dx = p.template in<T>(got.data());
    std::vector<T> workspace =
        poisoned<T>(cpu::conv2d_backward_data_workspace<T>(g, w, p.span(p.scale), dx, p.options));
    cpu::conv2d_backward_data<T>(g, w, p.span(p.scale), span(workspace), dx, p.options, end);
    EXPECT_EQ(got, test::with_end(plain, add, positive, parts)) << "parts " << parts;
  }
}

TEST(Conv2dBackward, EndsHaveTheBitsOfSeparatePasses) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(testing::PrintToString(&c - kCases.data()));
    for (const ConvEngine engine : engines_of(c)) expect_ends(Problem<float>(c, kScale, engine));
    expect_ends(Problem<double>(c, kScale, ConvEngine::kReference));
  }
}

TEST(Conv2d, AnEmptyBatchGivesZeroGradients) {
  const Case c{0, 4, 4, 3, 2, 3, 1, 1};
  for (const auto engine : {ConvEngine::kReference, ConvEngine::kOneDnn}) {
    const Problem<float> p(c, kScale, engine);
    EXPECT_TRUE(forward(p).empty());
    const auto got = backward(p, {});
    EXPECT_EQ(got.dw, std::vector<float>(p.w.size(), 0.0F));
    EXPECT_EQ(got.dscale, std::vector<float>(2, 0.0F));
  }
}

TEST(Conv2d, TheSameCallGivesTheSameBits) {
  const Case c{2, 16, 20, 32, 48, 3, 1, 1};
  const Problem<float> p(c, 15, ConvEngine::kAuto);
  const Vec draw = random_vec(static_cast<std::size_t>(p.out_size()), 9);
  const std::vector<float> g(draw.begin(), draw.end());
  const auto y = forward(p);
  const auto first = backward(p, g);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(forward(p), y);
    const auto again = backward(p, g);
    EXPECT_EQ(again.dx, first.dx);
    EXPECT_EQ(again.dw, first.dw);
    EXPECT_EQ(again.dscale, first.dscale);
  }
}

TEST(Conv2d, BitsOfWinogradDoNotDependOnTheThreadCount) {
  const Problem<float> p({2, 30, 25, 32, 64, 3, 1, 1}, 15, ConvEngine::kWinograd);
  const Vec draw = random_vec(static_cast<std::size_t>(p.out_size()), 9);
  const std::vector<float> g(draw.begin(), draw.end());
  const int before = num_threads();
  set_num_threads(1);
  const auto y = forward(p);
  const auto one = backward(p, g);
  set_num_threads(3);
  EXPECT_EQ(forward(p), y);
  const auto three = backward(p, g);
  set_num_threads(before);
  EXPECT_EQ(three.dx, one.dx);
  EXPECT_EQ(three.dw, one.dw);
}

// Root mean square error over root mean square value, against double: the bound that conv2d.h
// states, with a factor of two to spare.
TEST(Conv2d, WinogradIsAccurateToAFewUnits) {
  const Case c{1, 16, 16, 256, 32, 3, 1, 1};
  const Problem<double> exact(c, 0, ConvEngine::kReference);
  const Vec g = random_vec(static_cast<std::size_t>(exact.out_size()), 9);
  const std::vector<float> g_float(g.begin(), g.end());
  const Problem<float> p(c, 0, ConvEngine::kWinograd);
  const auto relative = [](const std::vector<float>& got, const Vec& want) {
    double error = 0, size = 0;
    for (std::size_t i = 0; i < want.size(); ++i) {
      error += (static_cast<double>(got[i]) - want[i]) * (static_cast<double>(got[i]) - want[i]);
      size += want[i] * want[i];
    }
    return std::sqrt(error / size);
  };
  EXPECT_LT(relative(forward(p), forward(exact)), 2e-6);
  const auto want = backward(exact, g);
  const auto got = backward(p, g_float);
  EXPECT_LT(relative(got.dx, want.dx), 2e-6);
  EXPECT_LT(relative(got.dw, want.dw), 2e-6);
}

TEST(Conv2d, ThreadsMayShareAShape) {
  const Problem<float> p({1, 12, 14, 16, 16, 3, 1, 1}, 15, ConvEngine::kAuto);
  const auto want = forward(p);
  std::vector<std::vector<float>> got(4);
  std::vector<std::thread> threads;
  for (auto& y : got)
    threads.emplace_back([&p, &y] {
      for (int i = 0; i < 20; ++i) y = forward(p);
    });
  for (auto& thread : threads) thread.join();
  for (const auto& y : got) EXPECT_EQ(y, want);
}

TEST(Conv2d, ANaNInTheInputReachesTheOutput) {
  for (const auto engine : engines_of({1, 8, 8, 32, 32, 3, 1, 1})) {
    Problem<float> p({1, 8, 8, 32, 32, 3, 1, 1}, 0, engine);
    p.x[0] = NAN;
    EXPECT_TRUE(std::isnan(forward(p)[0])) << static_cast<int>(engine);
  }
}

TEST(Conv2d, WrongCallsSayWhatWasWanted) {
  using ::testing::HasSubstr;
  std::vector<float> data(4096), y(4096);
  const Nhwc<const float> x{data.data(), 1, 6, 6, 3};
  const Krsc<const float> w{data.data(), 4, 3, 3, 3};
  const auto run = [&](Conv2dEpilogue<float> epilogue, Nhwc<float> out, Span<float> workspace,
                       Conv2dOptions options) {
    return message_of([&] { cpu::conv2d_forward<float>(x, w, epilogue, workspace, out, options); });
  };
  const Conv2dOptions padded{.pad = 1, .engine = ConvEngine::kReference};
  EXPECT_THAT(run({}, {y.data(), 1, 6, 5, 4}, {}, padded),
              HasSubstr("conv2d_forward: y is 1x6x5x4, wanted 1x6x6x4"));
  EXPECT_THAT(run({{data.data(), 3}, {}, {}}, {y.data(), 1, 6, 6, 4}, {}, padded),
              HasSubstr("scale has 3 elements, wanted 4 or none"));
  EXPECT_THAT(run({{}, {}, {data.data(), 1, 6, 6, 3}}, {y.data(), 1, 6, 6, 4}, {}, padded),
              HasSubstr("residual is 1x6x6x3, y 1x6x6x4"));
  EXPECT_THAT(run({}, {y.data(), 1, 6, 6, 4}, {}, {.stride = 0}), HasSubstr("stride is 0"));
  EXPECT_THAT(run({}, {y.data(), 1, 6, 6, 4}, {}, {.pad = 1, .engine = ConvEngine::kOneDnn}),
              HasSubstr("workspace has 0 elements, wanted"));
  const std::vector<double> wide(512);
  std::vector<double> wide_y(144);
  EXPECT_THAT(message_of([&] {
                cpu::conv2d_forward<double>({wide.data(), 1, 6, 6, 3}, {wide.data(), 4, 3, 3, 3},
                                            {}, {}, {wide_y.data(), 1, 6, 6, 4},
                                            {.pad = 1, .engine = ConvEngine::kOneDnn});
              }),
              HasSubstr("engines onednn and winograd compute in float only"));
  EXPECT_THAT(run({}, {y.data(), 1, 6, 6, 4}, {}, {.pad = 1, .engine = ConvEngine::kWinograd}),
              HasSubstr("engine winograd computes 3x3 filters of stride 1"));
  EXPECT_THAT(message_of([&] {
                cpu::conv2d_backward_weights<float>(x, {data.data(), 1, 6, 6, 4}, {}, {},
                                                    {y.data(), 4, 3, 3, 3}, {y.data(), 4}, {},
                                                    padded);
              }),
              HasSubstr("dscale is asked for without a scale"));
}

}  // namespace
}  // namespace ktrain
