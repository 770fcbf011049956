#include "models/auxiliary/macl.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/elementwise.h"
#include "tests/support/tape.h"

namespace ktrain {
namespace {

constexpr std::int64_t kChannels = 4, kRegions = 4, kImages = 2;

// Two images of 64x64, two positive regions and a negative in each, the fourth row padding.
class Macl : public testing::Test {
 protected:
  Macl() {
    detector_.channels = kChannels;
    detection_.visible.emplace(pyramid(1));
    detection_.thermal.emplace(pyramid(50));
    std::vector<float> rois;
    for (int n = 0; n < 2; ++n)
      rois.insert(rois.end(), {0, 0, 20, 40, 34, 8, 60, 50, 5, 5, 30, 30, 0, 0, 0, 0});
    detection_.rois.rois = Tensor::from<float>(context_, {kImages * kRegions, 4}, rois);
    detection_.rois.labels = ints({0, 0, 1, -1, 0, 0, 1, -1});
    detection_.rois.targets = ints({0, 1, -1, -1, 0, 1, -1, -1});
    batch_.identity = Tensor::from<std::int32_t>(context_, {2, 3}, std::vector{7, 0, 1, 9, 1, 1});
    batch_.sizes = Tensor::from<std::int32_t>(context_, {2, 2}, std::vector{64, 64, 64, 64});
    options_.embedding = {PairLevel::kRoi, 3, 2, 8, 6};
  }
  Pyramid pyramid(unsigned seed) {
    Pyramid levels;
    for (std::size_t i = 0; i < kPyramidLevels; ++i) {
      const std::int64_t side = std::max<std::int64_t>(1, 16 >> i);
      levels[i] = test::random_leaf(context_, {kImages, side, side, kChannels},
                                    seed + static_cast<unsigned>(i));
    }
    return levels;
  }
  Tensor ints(const std::vector<std::int32_t>& values) {
    return Tensor::from<std::int32_t>(context_, {static_cast<std::int64_t>(values.size())}, values);
  }
  // Left half black, right half grey (brightness 0.196 of 0.25: quality 0.78); the second image
  // black.
  void set_images() {
    std::vector<std::uint8_t> bytes;
    for (int n = 0; n < 2; ++n)
      for (int i = 0; i < 64 * 64 * 3; ++i) bytes.push_back(n == 0 && i % (64 * 3) >= 96 ? 100 : 0);
    batch_.visible = Tensor::from<std::uint8_t>(context_, {2, 64, 64, 3}, bytes);
  }
  MaclTerm term() {
    return MaclTerm(Maker(context_, parameters_, 3) / "aux" / "macl", detector_, options_);
  }
  [[nodiscard]] AuxiliaryResult loss(const MaclTerm& macl) const {
    return macl.loss({batch_, detection_, 0});
  }
  static double side(const AuxiliaryResult& result, const std::string& name) {
    for (const SideNumber& number : side_numbers(result))
      if (number.name == name) return number.read();
    ADD_FAILURE() << "no " << name;
    return NAN;
  }
  // Whether any gradient reaches the finest level of a stream.
  static bool reaches(const AuxiliaryResult& result, const Pyramid& pyramid) {
    const Tensor one = filled(result.value.context(), {1}, 1);
    const auto found = gradients({&result.value, 1}, {&one, 1}, {pyramid.data(), 1});
    if (!found[0].defined()) return false;
    for (const float x : found[0].to_vector<float>())
      if (x != 0) return true;
    return false;
  }

  ContextPtr context_ = make_cpu_context();
  ParameterSet parameters_;
  DetectorOptions detector_;
  DetectorInput batch_;
  DetectorLosses detection_;
  MaclOptions options_;
};

TEST_F(Macl, ComparesThePositivesOfBothStreams) {
  const MaclTerm macl = term();
  const AuxiliaryResult result = loss(macl);
  EXPECT_EQ(side(result, "macl_pairs"), 4);
  EXPECT_EQ(side(result, "macl_anchors"), 4);
  EXPECT_EQ(side(result, "macl_negatives_min"), 3);
  EXPECT_EQ(result.rows.to_vector<std::int32_t>()[0], 4);
  EXPECT_NEAR(side(result, "macl_rel"), result.value.item() / std::log(4.0), 1e-6);
  EXPECT_NEAR(side(result, "macl_temperature"), 0.07, 1e-6);
  EXPECT_TRUE(reaches(result, *detection_.visible));
  EXPECT_TRUE(reaches(result, *detection_.thermal));
  EXPECT_EQ(parameters_.all().size(), 8u) << "two layers for each stream";
  EXPECT_NE(parameters_.find("aux.macl.thermal.fc1.bias"), nullptr);
}

// T15: whatever the features are, equal embeddings score ln N.
TEST_F(Macl, EqualEmbeddingsAreAtChance) {
  const MaclTerm macl = term();
  for (Parameter& parameter : parameters_.all()) {
    Tensor value = parameter.value;
    const bool bias = parameter.name.ends_with("fc1.bias");
    KT_RUN(value.queue(), fill, value.mutable_span<float>(), bias ? 1.0 : 0.0);
  }
  const AuxiliaryResult result = loss(macl);
  EXPECT_NEAR(result.value.item(), std::log(4.0), 1e-6);
  EXPECT_NEAR(side(result, "macl_rel"), 1, 1e-6);
}

TEST_F(Macl, ThePairDrawnTwiceIsNoNegative) {
  batch_.identity = Tensor::from<std::int32_t>(context_, {2, 3}, std::vector{7, 0, 1, 7, 0, 1});
  EXPECT_EQ(side(loss(term()), "macl_negatives_min"), 1);
}

TEST_F(Macl, ABatchWithoutTwoRegionsIsWorthNothingAndSaysSo) {
  detection_.rois.labels = ints({0, 1, 1, -1, 1, 1, 1, -1});
  const MaclTerm macl = term();
  const AuxiliaryResult result = loss(macl);
  EXPECT_EQ(result.value.item(), 0);
  EXPECT_TRUE(result.value.requires_grad());
  EXPECT_EQ(result.rows.to_vector<std::int32_t>()[0], 0);
  EXPECT_EQ(side(result, "macl_pairs"), 1);
  EXPECT_TRUE(std::isnan(side(result, "macl_rel")));
  EXPECT_FALSE(reaches(result, *detection_.visible));
}

// T15: s stays within [0, ln 100].
TEST_F(Macl, ALearnedScaleIsTrainedAndHeld) {
  options_.learned_temperature = true;
  MaclTerm macl = term();
  Parameter* const scale = parameters_.find("aux.macl.log_scale");
  ASSERT_NE(scale, nullptr);
  EXPECT_NEAR(scale->value.item(), 2.659, 1e-3);
  const AuxiliaryResult result = loss(macl);
  const auto g = backward(result.value, parameters_);
  EXPECT_NE(g.back().item(), 0);
  for (const auto& [moved, held] : {std::pair(9.0, std::log(100.0)), {-0.5, 0.0}}) {
    KT_RUN(scale->value.queue(), fill, scale->value.mutable_span<float>(), moved);
    macl.after_step(batch_, result, 0);
    EXPECT_FLOAT_EQ(scale->value.item(), static_cast<float>(held));
  }
  EXPECT_TRUE(scale->value.requires_grad()) << "the handle in the set is the one that trains";
}

TEST_F(Macl, QualityWeighsPairs) {
  set_images();
  const double plain = loss(term()).value.item();
  options_.quality_weighting = true;
  ParameterSet again;
  const MaclTerm weighted(Maker(context_, again, 3) / "aux" / "macl", detector_, options_);
  const AuxiliaryResult result = loss(weighted);
  EXPECT_GT(side(result, "macl_quality"), 0.3) << "one usable image of two";
  EXPECT_LT(side(result, "macl_quality"), 0.5);
  EXPECT_LT(result.value.item(), plain) << "the black image does not count";
  EXPECT_GT(result.value.item(), 0);
}

TEST_F(Macl, TheBetterModalityIsHeldStill) {
  set_images();
  options_.stop_better = true;
  for (const double threshold : {0.0, 1.0}) {
    options_.quality_threshold = threshold;
    ParameterSet again;
    const MaclTerm macl(Maker(context_, again, 3) / "aux" / "macl", detector_, options_);
    const AuxiliaryResult result = loss(macl);
    EXPECT_EQ(reaches(result, *detection_.visible), threshold == 1) << "dark: visible follows";
    EXPECT_EQ(reaches(result, *detection_.thermal), threshold == 0) << "bright: thermal follows";
  }
}

// Both streams see the same and have the same head, so that every pair is its own nearest: u = v.
// With partners shuffled a row's sum is over the same similarities, and only its own pair's 1 is
// exchanged for the similarity to the row that follows: the loss grows by the mean of
// 1 - <u_i, u_next>.
TEST_F(Macl, ShuffledPairsAreTheWrongOnes) {
  detection_.thermal = detection_.visible;
  options_.temperature = 1;
  std::vector<float> u;
  const auto with_control = [&](MaclControl control) {
    options_.control = control;
    ParameterSet own;
    const MaclTerm macl(Maker(context_, own, 3) / "aux" / "macl", detector_, options_);
    for (const Parameter& parameter : own.all()) {
      if (!parameter.name.starts_with("aux.macl.thermal.")) continue;
      std::string twin = parameter.name;
      twin.replace(twin.find("thermal"), 7, "visible");
      Tensor value = parameter.value;
      value.copy_from<float>(own.find(twin)->value.to_vector<float>());
    }
    const PairRows rows = macl.embedding()->rows({batch_, detection_, 0});
    const auto valid = rows.valid.to_vector<float>();
    const auto all = macl.embedding()->visible(*detection_.visible, rows).to_vector<float>();
    const std::size_t columns = all.size() / valid.size();
    u.clear();
    for (std::size_t i = 0; i < valid.size(); ++i)
      if (valid[i] != 0)
        u.insert(u.end(), all.begin() + static_cast<std::ptrdiff_t>(i * columns),
                 all.begin() + static_cast<std::ptrdiff_t>((i + 1) * columns));
    return loss(macl);
  };
  const AuxiliaryResult right = with_control(MaclControl::kNone);
  const AuxiliaryResult wrong = with_control(MaclControl::kShuffled);
  EXPECT_EQ(side(right, "macl_first"), 1);
  EXPECT_EQ(side(wrong, "macl_first"), 0);
  EXPECT_EQ(side(wrong, "macl_pairs"), 4);
  EXPECT_EQ(side(wrong, "macl_anchors"), side(right, "macl_anchors"));
  EXPECT_EQ(side(wrong, "macl_negatives_mean"), 3) << "nothing is excluded here";
  const std::size_t columns = u.size() / 4;
  double grown = 1;
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t c = 0; c < columns; ++c)
      grown -= double{u[i * columns + c]} * double{u[(i + 1) % 4 * columns + c]} / 4;
  EXPECT_GT(grown, 0.01);
  EXPECT_NEAR(wrong.value.item() - right.value.item(), grown, 2e-6);
}

TEST_F(Macl, WholeImagesAreOneRowEach) {
  options_.embedding.level = PairLevel::kImage;
  const AuxiliaryResult result = loss(term());
  EXPECT_EQ(side(result, "macl_anchors"), 2);
  EXPECT_TRUE(reaches(result, *detection_.thermal));
}

TEST_F(Macl, OneStreamIsNotEnough) {
  detector_.streams = Streams::kVisible;
  EXPECT_THROW((void)term(), Error);
}

}  // namespace
}  // namespace ktrain
