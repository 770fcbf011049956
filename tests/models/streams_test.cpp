// Trunks and necks of several streams, layer by layer side by side, against each alone: the CPU's
// convolutions have the same bits either way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/fpn.h"
#include "tests/support/tape.h"

namespace ktrain {
namespace {

struct Streams {
  ContextPtr context = make_cpu_context();
  ParameterSet parameters;
  Maker root{context, parameters, 7};
  std::vector<ResNet> trunks;
  std::vector<Fpn> necks;
  std::vector<Tensor> images;

  explicit Streams(const ResNetOptions& options) {
    for (const char* const name : {"visible", "thermal"}) {
      trunks.emplace_back(root / name / "backbone", options);
      necks.emplace_back(root / name / "neck", trunks.back().channels(), 8);
      images.push_back(
          test::random_leaf(context, {2, 64, 96, 3}, static_cast<unsigned>(images.size()))
              .detached());
    }
  }
  // All trainable parameters.
  [[nodiscard]] std::vector<Tensor> leaves() const {
    std::vector<Tensor> all;
    for (const Parameter& parameter : parameters.all())
      if (parameter.trainable) all.push_back(parameter.value);
    return all;
  }
  [[nodiscard]] std::vector<Pyramid> alone() const {
    std::vector<Pyramid> all;
    for (std::size_t i = 0; i < trunks.size(); ++i)
      all.push_back(necks[i](trunks[i](images[i], Mode::kTrain)));
    return all;
  }
  [[nodiscard]] std::vector<Pyramid> together() const {
    return Fpn::each({&necks[0], &necks[1]},
                     ResNet::each({&trunks[0], &trunks[1]}, images, Mode::kTrain));
  }
};

using Values = std::vector<std::vector<float>>;

// Every level, then the gradients of all parameters from all levels.
Values values(const std::vector<Pyramid>& pyramids, const Streams& streams) {
  Values all;
  std::vector<Tensor> outputs, cotangents;
  for (const Pyramid& pyramid : pyramids)
    for (const Tensor& level : pyramid) {
      all.push_back(level.to_vector<float>());
      outputs.push_back(level);
      cotangents.push_back(test::random_leaf(streams.context, level.shape(),
                                             40 + static_cast<unsigned>(outputs.size()))
                               .detached());
    }
  for (const Tensor& gradient : gradients(outputs, cotangents, streams.leaves()))
    all.push_back(gradient.defined() ? gradient.to_vector<float>() : std::vector<float>{});
  return all;
}

class StreamsTogether : public testing::TestWithParam<ResNetOptions> {};
INSTANTIATE_TEST_SUITE_P(Options, StreamsTogether,
                         testing::Values(ResNetOptions{18, 0.125, 1, Norm::kFrozen},
                                         ResNetOptions{50, 0.0625, -1, Norm::kFrozen},
                                         ResNetOptions{18, 0.125, -1, Norm::kBatch},
                                         ResNetOptions{50, 0.0625, 0, Norm::kBatch}));

TEST_P(StreamsTogether, AreEachAloneToTheBit) {
  // Running statistics move with each pass: two equal models.
  const Streams one(GetParam()), other(GetParam());
  const Values want = values(one.alone(), one), got = values(other.together(), other);
  ASSERT_EQ(got.size(), want.size());
  ASSERT_GT(want.size(), 10u + 40u);
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_EQ(got[i], want[i]) << "tensor " << i;
  for (std::size_t i = 0; i < one.parameters.all().size(); ++i)
    EXPECT_EQ(other.parameters.all()[i].value.to_vector<float>(),
              one.parameters.all()[i].value.to_vector<float>())
        << one.parameters.all()[i].name;
}

TEST(StreamsTogether, OfSeveralKindsAreRefused) {
  const Streams deep({50, 0.0625, 1, Norm::kFrozen}), wide({50, 0.125, 1, Norm::kFrozen});
  EXPECT_THAT(
      [&] {
        (void)ResNet::each({&deep.trunks[0], &wide.trunks[0]}, deep.images, Mode::kEval);
      },
      testing::ThrowsMessage<Error>(testing::HasSubstr("layers of several kinds as one")));
  EXPECT_THAT([&] { (void)ResNet::each({&deep.trunks[0]}, deep.images, Mode::kEval); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("1 trunks of 2 batches")));
}

}  // namespace
}  // namespace ktrain
