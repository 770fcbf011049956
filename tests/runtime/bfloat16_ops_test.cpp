// Convolution and linear layers of Bfloat16 maps with float weights: on the CPU they are the layers
// in float of rounded operands, each map rounded once. So every bit of a result and of a gradient
// is known from the layers in float, which are compared with central differences elsewhere.
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/ops.h"
#include "runtime/ops_alignment.h"
#include "runtime/weight_casts.h"
#include "tests/support/tape.h"

namespace ktrain {
namespace {

using test::random_leaf;
using Floats = std::vector<float>;

Floats numbers(const Tensor& x) { return cast(x, DType::kF32).to_vector<float>(); }

// The nearest numbers of Bfloat16, as floats.
Tensor rounded(const Tensor& x) {
  const NoGradScope no_grad;
  return cast(cast(x.detached(), DType::kBf16), DType::kF32);
}
Tensor leaf(Tensor x) {
  x.set_requires_grad(true);
  return x;
}

struct Taken {
  Floats y;
  std::vector<Floats> gradients;
};

// Result and gradients of all `inputs` for the cotangent `dy`, given in y's type.
Taken take(const Tensor& y, const Tensor& dy, const std::vector<Tensor>& inputs) {
  const Tensor cotangent = cast(dy, y.dtype());
  const std::vector<Tensor> found = gradients({&y, 1}, {&cotangent, 1}, inputs);
  Taken taken{numbers(y), {}};
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].dtype(), inputs[i].dtype()) << i;
    taken.gradients.push_back(numbers(found[i]));
  }
  return taken;
}

Floats rounded(const Floats& values) {
  Floats result;
  for (const float v : values) result.push_back(to_float(to_bfloat16(v)));
  return result;
}

TEST(Bfloat16Ops, CastRoundsAndItsGradientGoesBackInTheOldType) {
  const ContextPtr c = make_cpu_context();
  const Tensor x = random_leaf(c, {37}, 1), dy = rounded(random_leaf(c, {37}, 2));
  const Tensor y = cast(x, DType::kBf16);
  EXPECT_EQ(y.dtype(), DType::kBf16);
  const Taken taken = take(y, dy, {x});
  EXPECT_EQ(taken.y, rounded(x.to_vector<float>()));
  EXPECT_EQ(taken.gradients[0], dy.to_vector<float>());
  EXPECT_TRUE(cast(x, DType::kF32).shares_memory(x)) << "nothing to do";
}

// Without a scale, whose product with the filters is rounded in the data gradient: below.
TEST(Bfloat16Ops, ConvolutionIsTheFloatOneOfRoundedOperands) {
  const ContextPtr c = make_cpu_context();
  for (const OutputType output : {OutputType::kAsInput, OutputType::kFloat})
    for (const bool relu : {false, true}) {
      const Tensor x = rounded(random_leaf(c, {2, 7, 6, 5}, 1)),
                   w = random_leaf(c, {4, 3, 3, 5}, 2), shift = random_leaf(c, {4}, 3),
                   residual = rounded(random_leaf(c, {2, 7, 6, 4}, 4)),
                   dy = rounded(random_leaf(c, {2, 7, 6, 4}, 5));
      const Conv2dOptions options = {.pad = 1, .relu = relu};
      const Tensor wide_x = leaf(x.clone()), wide_w = leaf(rounded(w)),
                   wide_residual = leaf(residual.clone());
      const Taken want =
          take(conv2d(wide_x, wide_w, {.shift = shift, .residual = wide_residual}, options), dy,
               {wide_x, wide_w, shift, wide_residual});
      const Tensor low_x = cast(leaf(x.clone()), DType::kBf16),
                   low_residual = cast(leaf(residual.clone()), DType::kBf16);
      const Tensor y =
          conv2d(low_x, w, {.shift = shift, .residual = low_residual}, options, output);
      EXPECT_EQ(y.dtype(), output == OutputType::kFloat ? DType::kF32 : DType::kBf16);
      const Taken got = take(y, dy, {low_x, w, shift, low_residual});
      EXPECT_EQ(got.y, output == OutputType::kFloat ? want.y : rounded(want.y));
      EXPECT_EQ(got.gradients[0], rounded(want.gradients[0])) << "of the map";
      EXPECT_EQ(got.gradients[1], want.gradients[1]) << "of the weights: in float";
      EXPECT_EQ(got.gradients[2], want.gradients[2]) << "of the shift: in float";
      EXPECT_EQ(got.gradients[3], want.gradients[3]) << "of the residual: dy behind the ReLU";
    }
}

TEST(Bfloat16Ops, AScaleIsAppliedInFloatForwardAndRoundedIntoTheFiltersBackward) {
  const ContextPtr c = make_cpu_context();
  const Tensor x = rounded(random_leaf(c, {1, 5, 4, 3}, 1)), w = random_leaf(c, {4, 3, 3, 3}, 2),
               scale = random_leaf(c, {4}, 3), dy = rounded(random_leaf(c, {1, 5, 4, 4}, 4));
  const Conv2dOptions options = {.pad = 1};
  const Tensor wide_x = leaf(x.clone()), wide_w = leaf(rounded(w)),
               low_x = cast(leaf(x), DType::kBf16);
  const Taken want =
      take(conv2d(wide_x, wide_w, {.scale = scale}, options), dy, {wide_x, wide_w, scale});
  const Taken got = take(conv2d(low_x, w, {.scale = scale}, options), dy, {low_x, w, scale});
  EXPECT_EQ(got.y, rounded(want.y));
  EXPECT_EQ(got.gradients[1], want.gradients[1]);
  EXPECT_EQ(got.gradients[2], want.gradients[2]);
  Floats filters = rounded(w).to_vector<float>();
  for (std::size_t i = 0; i < filters.size(); ++i)
    filters[i] = to_float(to_bfloat16(filters[i] * scale.to_vector<float>()[i / 27]));
  const Tensor scaled = Tensor::from<float>(c, w.shape(), filters);
  EXPECT_EQ(got.gradients[0],
            rounded(take(conv2d(wide_x, scaled, {}, options), dy, {wide_x}).gradients[0]));
}

TEST(Bfloat16Ops, LinearIsTheFloatOneOfRoundedOperands) {
  const ContextPtr c = make_cpu_context();
  for (const OutputType output : {OutputType::kAsInput, OutputType::kFloat})
    for (const bool relu : {false, true}) {
      const Tensor x = rounded(random_leaf(c, {9, 13}, 1)), w = random_leaf(c, {6, 13}, 2),
                   bias = random_leaf(c, {6}, 3), dy = rounded(random_leaf(c, {9, 6}, 4));
      const Tensor wide_x = leaf(x.clone()), wide_w = leaf(rounded(w)),
                   low_x = cast(leaf(x.clone()), DType::kBf16);
      const Taken want = take(linear(wide_x, wide_w, bias, relu), dy, {wide_x, wide_w, bias});
      const Taken got = take(linear(low_x, w, bias, relu, output), dy, {low_x, w, bias});
      EXPECT_EQ(got.y, output == OutputType::kFloat ? want.y : rounded(want.y));
      EXPECT_EQ(got.gradients[0], rounded(want.gradients[0]));
      EXPECT_EQ(got.gradients[1], want.gradients[1]);
      EXPECT_EQ(got.gradients[2], want.gradients[2]);
    }
}

// A gradient in float that comes to a layer of Bfloat16: its sum by column is not rounded, what is
// multiplied is.
TEST(Bfloat16Ops, AFloatGradientIsRoundedOnlyWhereItIsMultiplied) {
  const ContextPtr c = make_cpu_context();
  const Tensor x = rounded(random_leaf(c, {9, 13}, 1)), w = random_leaf(c, {6, 13}, 2),
               bias = random_leaf(c, {6}, 3), dy = random_leaf(c, {9, 6}, 4).detached();
  const Tensor wide_x = leaf(x.clone()), wide_w = leaf(rounded(w)),
               low_x = cast(leaf(x.clone()), DType::kBf16);
  const auto run = [&](const Tensor& in, const Tensor& weight, const Tensor& cotangent) {
    return take(linear(in, weight, bias, false, OutputType::kFloat), cotangent, {in, weight, bias});
  };
  const Taken got = run(low_x, w, dy), exact = run(wide_x, wide_w, dy),
              want = run(wide_x, wide_w, rounded(dy));
  EXPECT_EQ(got.gradients[2], exact.gradients[2]);
  EXPECT_EQ(got.gradients[1], want.gradients[1]);
  EXPECT_EQ(got.gradients[0], rounded(want.gradients[0]));
}

// Through all ops on maps: types are kept, gradients reach every input in its type.
TEST(Bfloat16Ops, MapsStayMapsThroughEveryOp) {
  const ContextPtr c = make_cpu_context();
  const Tensor x = random_leaf(c, {1, 8, 8, 4}, 1), gamma = random_leaf(c, {4}, 2),
               beta = random_leaf(c, {4}, 3), gate_w = random_leaf(c, {4}, 4),
               gate_b = random_leaf(c, {1}, 5), strength = random_leaf(c, {1}, 6);
  const Tensor mean = filled(c, {4}, 0), var = filled(c, {4}, 1);
  const auto forward = [&](DType type) {
    Tensor map = relu(batch_norm(cast(x, type), {gamma, beta, mean, var}, 1e-5, 0.1));
    const Tensor small = max_pool(map, {});
    map = add(upsample_add(small, map), map);
    map = gate(map, map, pixel_gate(map, gate_w, gate_b, strength));
    EXPECT_EQ(map.dtype(), type);
    const Tensor boxes = Tensor::from<float>(c, {2, 4}, Floats{1, 2, 25, 29, 0, 0, 31, 31});
    const Tensor image = Tensor::from<std::int32_t>(c, {2}, std::vector<std::int32_t>{0, 0});
    const Tensor regions = roi_align({map, small, small, small}, boxes, image, 3);
    EXPECT_EQ(regions.dtype(), type);
    const Tensor means = mean_pixels(regions);
    EXPECT_EQ(means.dtype(), DType::kF32) << "means are in float";
    return means;
  };
  const std::vector<Tensor> inputs = {x, gamma, beta, gate_w, gate_b, strength};
  const Tensor dy = random_leaf(c, {2, 4}, 7).detached();
  const Taken want = take(forward(DType::kF32), dy, inputs),
              got = take(forward(DType::kBf16), dy, inputs);
  // Ten maps lie on the longest way there and back; each rounding is off by 2^-8 of the largest
  // number of its map at most, and no op here amplifies a map's largest number but the
  // normalisation, whose statistics see it whole.
  constexpr double kRoundings = 20, kUnit = 1.0 / 256;
  const auto expect_close = [&](const Floats& a, const Floats& b, const char* what) {
    ASSERT_EQ(a.size(), b.size());
    double largest = 0, off = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      largest = std::max(largest, static_cast<double>(std::abs(b[i])));
      off = std::max(off, static_cast<double>(std::abs(a[i] - b[i])));
    }
    EXPECT_LE(off, kRoundings * kUnit * largest) << what;
    EXPECT_GT(largest, 0) << what;
  };
  expect_close(got.y, want.y, "y");
  for (std::size_t i = 0; i < inputs.size(); ++i)
    expect_close(got.gradients[i], want.gradients[i], "gradient");
}

TEST(WeightCasts, OneCopyAWeightInAScopeAndNoneThatOutlivesIt) {
  const ContextPtr c = make_cpu_context();
  Tensor w = random_leaf(c, {6, 13}, 2);
  const Tensor outside = weight_as(w, DType::kBf16);
  EXPECT_FALSE(outside.shares_memory(weight_as(w, DType::kBf16))) << "without a scope";
  {
    const WeightCastScope scope;
    const Tensor first = weight_as(w, DType::kBf16);
    EXPECT_TRUE(first.shares_memory(weight_as(w, DType::kBf16)));
    {
      const WeightCastScope inner;
      EXPECT_TRUE(first.shares_memory(weight_as(w, DType::kBf16)));
    }
    EXPECT_TRUE(first.shares_memory(weight_as(w, DType::kBf16))) << "the outer one lives on";
    EXPECT_EQ(numbers(weight_as(w.slice(2, 4), DType::kBf16)), numbers(first.slice(2, 4)))
        << "a part is another weight";
    EXPECT_TRUE(weight_as(w, DType::kF32).shares_memory(w));
  }
  // An update between two passes.
  w.copy_from<float>(Floats(static_cast<std::size_t>(w.size()), 0.5f));
  const WeightCastScope scope;
  EXPECT_THAT(numbers(weight_as(w, DType::kBf16)), testing::Each(0.5f));
}

TEST(WeightCasts, ManyAtOnceAreWhatEachIsAlone) {
  const ContextPtr c = make_cpu_context();
  const std::vector<Tensor> weights = {random_leaf(c, {6, 13}, 2), random_leaf(c, {5}, 3)};
  const Tensor other = random_leaf(c, {4}, 4);
  std::vector<Floats> want;
  for (const Tensor& w : weights) want.push_back(numbers(weight_as(w, DType::kBf16)));
  const WeightCastScope scope(weights, DType::kBf16);
  const std::int64_t before = c->memory.usage().live_bytes;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    EXPECT_EQ(numbers(weight_as(weights[i], DType::kBf16)), want[i]);
    EXPECT_FALSE(weight_as(weights[i], DType::kBf16).requires_grad());
  }
  EXPECT_EQ(c->memory.usage().live_bytes, before) << "they were there";
  EXPECT_TRUE(weight_as(other, DType::kBf16).shares_memory(weight_as(other, DType::kBf16)));
  const std::int64_t with_other = c->memory.usage().live_bytes;
  EXPECT_GT(with_other, before);
  const WeightCastScope inner(weights, DType::kBf16);
  EXPECT_EQ(c->memory.usage().live_bytes, with_other) << "the outer one serves";
}

TEST(WeightCasts, FloatsStayAsTheyAre) {
  const ContextPtr c = make_cpu_context();
  const std::vector<Tensor> weights = {random_leaf(c, {6, 13}, 2)};
  const std::int64_t before = c->memory.usage().live_bytes;
  const WeightCastScope scope(weights, DType::kF32);
  EXPECT_TRUE(weight_as(weights[0], DType::kF32).shares_memory(weights[0]));
  EXPECT_EQ(c->memory.usage().live_bytes, before);
}

TEST(Bfloat16Ops, WrongTypesAreErrors) {
  const ContextPtr c = make_cpu_context();
  const Tensor x = random_leaf(c, {4}, 1), low = cast(x, DType::kBf16);
  EXPECT_ANY_THROW((void)add(x, low));
  EXPECT_ANY_THROW((void)relu(Tensor::zeros(c, {4}, DType::kI32)));
}

}  // namespace
}  // namespace ktrain
