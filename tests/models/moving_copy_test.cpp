#include "models/auxiliary/moving_copy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/layers.h"
#include "tests/support/close.h"
#include "tests/support/tape.h"

namespace ktrain {
namespace {

// A convolution with a normalisation, and a layer that has no copy.
struct Model {
  ContextPtr context = make_cpu_context();
  ParameterSet set;
  Maker root{context, set, 7};
  ConvNorm conv = made(root / "thermal");
  Linear other{root / "other", 2, 2, normal(1)};

  static ConvNorm made(const Maker& maker) {
    return ConvNorm(maker, "conv1", "bn1", {3, 4, 1, 1}, Norm::kBatch, Activation::kNone);
  }
  void add(const std::string& name, float by) {
    Tensor& value = set.find(name)->value;
    std::vector<float> now = value.to_vector<float>();
    for (float& v : now) v += by;
    value.copy_from<float>(now);
  }
};

std::vector<float> of(const std::vector<NamedTensor>& state, const std::string& name) {
  for (const NamedTensor& own : state)
    if (own.name == name) return own.tensor.to_vector<float>();
  ADD_FAILURE() << "no " << name;
  return {};
}

TEST(MovingCopy, FollowsByTheFormulaAndCopiesStatistics) {
  Model model;
  MovingCopy copy(model.root, 0.75);
  const ConvNorm twin = Model::made(copy.maker() / "thermal");
  copy.bind();
  const auto weight = [&] {
    return model.set.find("thermal.conv1.weight")->value.to_vector<float>();
  };
  copy.follow(true);
  EXPECT_EQ(of(copy.state("m"), "m.thermal.conv1.weight"), weight());
  std::vector<double> want;
  for (const float w : weight()) want.push_back(w);
  for (int t = 0; t < 4; ++t) {
    model.add("thermal.conv1.weight", 0.5f * static_cast<float>(t + 1));
    model.add("thermal.bn1.running_var", 1);
    copy.follow(false);
    const auto now = weight();
    for (std::size_t i = 0; i < want.size(); ++i) want[i] = 0.75 * want[i] + 0.25 * double{now[i]};
    // Four roundings of numbers up to 6.
    EXPECT_TRUE(test::all_close(of(copy.state("m"), "m.thermal.conv1.weight"), want, 2e-6, 0));
    EXPECT_EQ(of(copy.state("m"), "m.thermal.bn1.running_var"),
              model.set.find("thermal.bn1.running_var")->value.to_vector<float>());
  }
}

TEST(MovingCopy, IsNoParameterAndGetsNoGradient) {
  Model model;
  const std::size_t before = model.set.all().size();
  MovingCopy copy(model.root, 0.9);
  const ConvNorm twin = Model::made(copy.maker() / "thermal");
  copy.bind();
  EXPECT_EQ(model.set.all().size(), before);
  EXPECT_EQ(copy.state("m").size(), 5u);  // the filter and four of the normalisation
  for (const NamedTensor& own : copy.state("m")) EXPECT_FALSE(own.tensor.requires_grad());
  const Tensor x = test::random_leaf(model.context, {1, 2, 2, 3}, 1).detached();
  EXPECT_FALSE(twin(x, {}, Mode::kEval).requires_grad());
  EXPECT_TRUE(model.conv(x, {}, Mode::kEval).requires_grad());
}

TEST(MovingCopy, ComputesWhatTheModelDoesOnceItIsEqual) {
  Model model;
  model.add("thermal.conv1.weight", 0.3f);
  model.add("thermal.bn1.running_mean", 0.2f);
  MovingCopy copy(model.root, 0.9);
  const ConvNorm twin = Model::made(copy.maker() / "thermal");
  copy.bind();
  copy.follow(true);
  const Tensor x = test::random_leaf(model.context, {1, 2, 2, 3}, 1).detached();
  EXPECT_EQ(twin(x, {}, Mode::kEval).to_vector<float>(),
            model.conv(x, {}, Mode::kEval).to_vector<float>());
}

TEST(MovingCopy, RefusesWhatItCannotFollow) {
  Model model;
  MovingCopy copy(model.root, 0.9);
  const Linear stranger(copy.maker() / "nowhere", 2, 2, normal(1));
  EXPECT_THAT([&] { copy.bind(); }, testing::ThrowsMessage<Error>(testing::HasSubstr(
                                        "the model has no parameter 'nowhere.weight'")));
  EXPECT_THROW(MovingCopy(model.root, 1.0), Error);
}

}  // namespace
}  // namespace ktrain
