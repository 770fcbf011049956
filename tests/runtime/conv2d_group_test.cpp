#include "kernels/conv2d_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/profile.h"
#include "runtime/ops.h"
#include "tests/support/tape.h"

namespace ktrain {
namespace {

using test::random_leaf;

// Three levels of two images, 8 channels onto 5.
struct Levels {
  ContextPtr context = make_cpu_context();
  std::vector<Tensor> xs, ws, scales, shifts, residuals;

  explicit Levels(bool own, std::int64_t taps = 3, std::int64_t stride = 1) {
    for (const std::int64_t size : {7, 4, 1}) {
      const auto seed = static_cast<unsigned>(size);
      xs.push_back(random_leaf(context, {2, size, size + 1, 8}, seed));
      residuals.push_back(
          random_leaf(context, {2, (size - 1) / stride + 1, size / stride + 1, 5}, 70 + seed));
    }
    for (unsigned i = 0; i < (own ? 3u : 1u); ++i) {
      ws.push_back(random_leaf(context, {5, taps, taps, 8}, 20 + i, -0.3f, 0.3f));
      scales.push_back(random_leaf(context, {5}, 10 + i));
      shifts.push_back(random_leaf(context, {5}, 30 + i));
    }
  }
  [[nodiscard]] std::vector<Tensor> leaves() const {
    std::vector<Tensor> all = xs;
    for (const auto* more : {&ws, &shifts, &scales, &residuals})
      all.insert(all.end(), more->begin(), more->end());
    return all;
  }
};

TEST(Conv2dGroup, GradientsReachEveryInput) {
  for (const bool own : {false, true}) {
    const Levels levels(own);
    const auto op = [&](const std::vector<Tensor>& t) {
      const auto count = std::ssize(levels.ws);
      const auto w = t.begin() + 3, shift = w + count, scale = shift + count,
                 residual = scale + count;
      return concat_columns(conv2d_group(
          {t.begin(), w}, {w, shift},
          {.scales = {scale, residual}, .shifts = {shift, scale}, .residuals = {residual, t.end()}},
          {.pad = 1}));
    };
    EXPECT_LT(test::tape_error(op, levels.leaves()), 5e-3) << own;
  }
}

struct Case {
  bool own, relu;
  DType maps;
  OutputType output;
  bool all = false;  // scale and residual too
  std::int64_t stride = 1;
};
// Readable in a failure.
void PrintTo(const Case& c, std::ostream* out) {
  *out << (c.own ? "own" : "shared") << (c.relu ? " relu " : " ") << name(c.maps)
       << (c.output == OutputType::kFloat ? " to float" : "") << (c.all ? " scale residual" : "")
       << " stride " << c.stride;
}

class Conv2dGroupBits : public testing::TestWithParam<Case> {};

using Values = std::vector<std::vector<float>>;

Values values(const std::vector<Tensor>& tensors) {
  Values all;
  for (const Tensor& t : tensors)
    all.push_back(t.defined() ? cast(t.detached(), DType::kF32).to_vector<float>()
                              : std::vector<float>{});
  return all;
}

// The results, then the gradients of all leaves from those levels that `reached` says.
Values walked(const Levels& levels, const std::vector<Tensor>& ys,
              const std::vector<bool>& reached) {
  Values all = values(ys);
  std::vector<Tensor> outputs, cotangents;
  for (std::size_t i = 0; i < ys.size(); ++i) {
    if (!reached[i]) continue;
    outputs.push_back(ys[i]);
    cotangents.push_back(
        cast(random_leaf(levels.context, ys[i].shape(), 40 + static_cast<unsigned>(i)).detached(),
             ys[i].dtype()));
  }
  for (auto& gradient : values(gradients(outputs, cotangents, levels.leaves())))
    all.push_back(std::move(gradient));
  return all;
}

TEST_P(Conv2dGroupBits, AreThoseOfEveryConvolutionAlone) {
  const Case c = GetParam();
  const Levels levels(c.own, 3, c.stride);
  const Conv2dOptions options = {.stride = c.stride, .pad = 1, .relu = c.relu};
  std::vector<Tensor> xs, alone;
  for (const Tensor& x : levels.xs) xs.push_back(cast(x, c.maps));
  Conv2dGroupInputs inputs{.shifts = levels.shifts};
  if (c.all) {
    inputs.scales = levels.scales;
    for (const Tensor& residual : levels.residuals)
      inputs.residuals.push_back(cast(residual, c.maps));
  }
  for (std::size_t i = 0; i < xs.size(); ++i) {
    const std::size_t own = c.own ? i : 0;
    Conv2dInputs epilogue{.shift = levels.shifts[own]};
    if (c.all) epilogue.scale = levels.scales[own], epilogue.residual = inputs.residuals[i];
    alone.push_back(conv2d(xs[i], levels.ws[own], epilogue, options, c.output));
  }
  const std::vector<Tensor> group = conv2d_group(xs, levels.ws, inputs, options, c.output);
  for (const std::vector<bool>& reached :
       {std::vector{true, true, true}, {true, false, true}, {false, true, false}}) {
    const Values want = walked(levels, alone, reached), got = walked(levels, group, reached);
    ASSERT_EQ(want.size(), got.size());
    for (std::size_t i = 0; i < want.size(); ++i) EXPECT_EQ(want[i], got[i]) << "tensor " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, Conv2dGroupBits,
    testing::Values(Case{false, true, DType::kF32, OutputType::kAsInput},
                    Case{false, false, DType::kF32, OutputType::kAsInput},
                    Case{true, true, DType::kF32, OutputType::kAsInput},
                    Case{true, false, DType::kBf16, OutputType::kAsInput},
                    Case{false, true, DType::kBf16, OutputType::kAsInput},
                    Case{false, false, DType::kBf16, OutputType::kFloat},
                    Case{true, true, DType::kBf16, OutputType::kFloat},
                    Case{true, true, DType::kF32, OutputType::kAsInput, true},
                    Case{false, true, DType::kF32, OutputType::kAsInput, true},
                    Case{true, true, DType::kF32, OutputType::kAsInput, true, 2},
                    Case{true, false, DType::kF32, OutputType::kAsInput, false, 2},
                    Case{true, true, DType::kBf16, OutputType::kAsInput, true, 2},
                    Case{false, true, DType::kBf16, OutputType::kAsInput, true}));

TEST(Conv2dGroup, IsOneCallWithTheWorkOfAll) {
  const Levels levels(false);
  Profile profile;
  levels.context->queue.profile = &profile;
  const std::vector<Tensor> ys =
      conv2d_group(levels.xs, levels.ws, {.shifts = levels.shifts}, {.pad = 1});
  const std::vector<Tensor> cotangents(ys.begin(), ys.end());
  (void)gradients(ys, cotangents, levels.leaves());
  // 56, 20 and 2 pixels of two images, 5 filters of 72 taps, two operations each.
  const double flops = 2.0 * 2 * (56 + 20 + 2) * 5 * 72;
  for (const char* const kernel :
       {"conv2d_group_forward", "conv2d_group_backward_data", "conv2d_group_backward_weights"}) {
    EXPECT_EQ(profile.entries().at(kernel).calls, 1) << kernel;
    EXPECT_DOUBLE_EQ(profile.entries().at(kernel).flops, flops) << kernel;
  }
  profile.clear();
  (void)gradients(ys, cotangents, std::vector<Tensor>{levels.shifts[0], levels.xs[1]});
  EXPECT_EQ(profile.entries().count("conv2d_group_backward_weights"), 0u);
  EXPECT_DOUBLE_EQ(profile.entries().at("conv2d_group_backward_data").flops, 2.0 * 2 * 20 * 5 * 72)
      << "only of the map that is asked for";
  levels.context->queue.profile = nullptr;
}

// What the walk lets ops take over of it (InputEnd) is taken over for every map: sums of what two
// users give, and the mask of the ReLU that made it.
TEST(Conv2dGroup, TakesOverSumsAndMasksWithTheSameBits) {
  for (const DType maps : {DType::kF32, DType::kBf16}) {
    const Levels levels(true);
    const Tensor cls = random_leaf(levels.context, {3, 1, 1, 5}, 50),
                 reg = random_leaf(levels.context, {2, 3, 3, 5}, 51);
    std::vector<Tensor> xs;
    for (const Tensor& x : levels.xs) xs.push_back(cast(x, maps));
    const std::vector<Tensor> hidden = conv2d_group(xs, levels.ws, {}, {.pad = 1, .relu = true});
    std::vector<Tensor> ys = conv2d_group(hidden, {cls}, {}, {}, OutputType::kFloat);
    // The last level has one user alone.
    for (const Tensor& y : conv2d_group({hidden[0], hidden[1]}, {reg}, {}, {.pad = 1}))
      ys.push_back(cast(y, DType::kF32));
    CotangentSet set;
    for (const Tensor& y : ys) set.push_back(random_leaf(levels.context, y.shape(), 60).detached());
    std::vector<Tensor> wrt = levels.xs;
    wrt.insert(wrt.end(), levels.ws.begin(), levels.ws.end());
    wrt.insert(wrt.end(), {cls, reg});
    Profile profile;
    levels.context->queue.profile = &profile;
    const auto calls = [&](const char* kernel) {
      const auto entry = profile.entries().find(kernel);
      return entry == profile.entries().end() ? 0 : entry->second.calls;
    };
    const auto gradients_of_all = [&](bool takeovers) {
      MultiWalk multi;
      multi.outputs = ys;
      multi.sets = {&set, 1};
      multi.wrt = wrt;
      multi.takeovers = takeovers;
      profile.clear();
      return values(multi_gradients(multi));
    };
    for (const bool takeovers : {false, true}) {
      (void)gradients_of_all(takeovers);
      EXPECT_EQ(calls("bias_relu_backward"), takeovers ? 0 : 3);
      EXPECT_EQ(calls("accumulate") + calls("add"), takeovers ? 0 : 2);
    }
    EXPECT_EQ(gradients_of_all(false), gradients_of_all(true));
    // Somebody asks for the gradient before the mask.
    wrt.push_back(hidden[1]);
    EXPECT_EQ(gradients_of_all(false), gradients_of_all(true));
    levels.context->queue.profile = nullptr;
  }
}

// Sums that a consumer takes over all that it is told of keep their order, and so their bits.
TEST(Conv2dGroup, IsMetInTheOrderOfConvolutionsAlone) {
  for (const bool own : {false, true}) {
    const Levels levels(own);
    const auto told = [&](const std::vector<Tensor>& ys) {
      CotangentSet set;
      for (const Tensor& y : ys) set.push_back(filled(levels.context, y.shape(), 1));
      const std::vector<Tensor> leaves = levels.leaves();
      std::vector<std::size_t> entries;
      MultiWalk walk;
      walk.outputs = ys;
      walk.sets = {&set, 1};
      walk.wrt = leaves;
      walk.consumer = [&](std::size_t entry, int, std::span<Tensor>) { entries.push_back(entry); };
      (void)multi_gradients(walk);
      return entries;
    };
    std::vector<Tensor> alone;
    for (std::size_t i = 0; i < 3; ++i)
      alone.push_back(conv2d(levels.xs[i], levels.ws[own ? i : 0],
                             {.shift = levels.shifts[own ? i : 0]}, {.pad = 1}));
    EXPECT_EQ(told(conv2d_group(levels.xs, levels.ws, {.shifts = levels.shifts}, {.pad = 1})),
              told(alone));
  }
}

// A map that is there twice gets what both give, however many others have ends of their own.
TEST(Conv2dGroup, OneMapTwice) {
  const Levels levels(true);
  const Tensor x = relu(levels.xs[0]), z = relu(levels.xs[1]);
  const std::vector<Tensor> ys = conv2d_group({x, x, z}, levels.ws, {}, {.pad = 1}),
                            alone = {conv2d(x, levels.ws[0], {}, {.pad = 1}),
                                     conv2d(x, levels.ws[1], {}, {.pad = 1}),
                                     conv2d(z, levels.ws[2], {}, {.pad = 1})};
  CotangentSet set;
  for (const Tensor& y : ys) set.push_back(random_leaf(levels.context, y.shape(), 60).detached());
  const std::vector<Tensor> wrt = {levels.xs[0], levels.xs[1], levels.ws[0], levels.ws[1]};
  EXPECT_EQ(values(gradients(ys, set, wrt)), values(gradients(alone, set, wrt)));
}

TEST(Conv2dGroup, WithoutShifts) {
  const Levels levels(false, 1);
  const std::vector<Tensor> ys = conv2d_group(levels.xs, levels.ws, {}, {});
  for (std::size_t i = 0; i < ys.size(); ++i)
    EXPECT_EQ(values({ys[i]}), values({conv2d(levels.xs[i], levels.ws[0], {}, {})}));
}

TEST(Conv2dGroup, RefusesWhatIsNoGroup) {
  const Levels levels(true);
  const auto expect = [](const auto& call, const char* text) {
    EXPECT_THAT(call, testing::ThrowsMessage<Error>(testing::HasSubstr(text)));
  };
  const std::vector<Tensor>&xs = levels.xs, &ws = levels.ws, &shifts = levels.shifts;
  expect([&] { (void)conv2d_group({}, ws, {.shifts = shifts}, {}); }, "0 maps, wanted 1 to 8");
  expect([&] { (void)conv2d_group(std::vector<Tensor>(9, xs[0]), {ws[0]}, {}, {}); },
         "9 maps, wanted 1 to 8");
  expect([&] { (void)conv2d_group(xs, {ws[0], ws[1]}, {}, {}); }, "2 filters for 3 maps");
  expect(
      [&] {
        (void)conv2d_group(xs, ws, {.shifts = {shifts[0], shifts[1]}}, {});
      },
      "2 shifts for 3 maps");
  expect([&] { (void)conv2d_group(xs, {}, {}, {}); }, "0 filters for 3 maps");
  expect([&] { (void)conv2d_group(xs, ws, {.scales = {shifts[0]}}, {}); },
         "1 scales for 3 filters");
  expect([&] { (void)conv2d_group(xs, ws, {.residuals = {xs[0]}}, {}); }, "1 residuals for 3 maps");
  expect(
      [&] {
        (void)conv2d_group({xs[0], cast(xs[1], DType::kBf16)}, {ws[0]}, {}, {.pad = 1});
      },
      "maps of f32 and bf16");
}

}  // namespace
}  // namespace ktrain
