// The whole detector against PyTorch: losses, features, proposals, every parameter's gradient and
// detections, from the numbers of tests/reference/expect_detector.py.
#include <gtest/gtest.h>

#include "tests/models/expected.h"
#include "tests/support/close.h"

namespace ktrain::test {
namespace {

// Both sides compute about 30 layers of sums of up to 1,600 terms. PyTorch's own float result
// differs from its double one by at most 2e-6 of a gradient's norm with frozen statistics, and by
// 2.3e-5 with those of the batch.
constexpr double kTolerance = 1e-4;

// 0 for the candidates that the reference sampled, 1 for the others.
Tensor order_of(const ContextPtr& context, const nlohmann::json& expected, const std::string& what,
                std::int64_t candidates, const std::vector<std::int64_t>& num_targets,
                std::int64_t target_capacity) {
  const std::int64_t batch = expected["batch"];
  std::vector<std::int32_t> order(static_cast<std::size_t>(batch * candidates), 1);
  for (std::int64_t n = 0; n < batch; ++n)
    for (const auto& part : expected["samples"][what + "_" + std::to_string(n)])
      for (std::int64_t i : part) {
        // The reference puts proposals right after the targets, ktrain after their capacity.
        const std::int64_t targets = num_targets[static_cast<std::size_t>(n)];
        if (target_capacity > 0 && i >= targets) i += target_capacity - targets;
        order[static_cast<std::size_t>(n * candidates + i)] = 0;
      }
  return Tensor::from<std::int32_t>(context, {batch, candidates}, order);
}

class DetectorParity : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    context_->poison = true;
    detector_.emplace(context_, detector_options(expected_["options"]), 1, parameters_);
    const std::string salt = expected_["options"]["salt"];
    for (Parameter& parameter : parameters_.all()) fill_by_formula(parameter, salt);
    input_ = detector_input(context_, expected_);
    std::vector<std::int64_t> num_targets;
    for (const std::int32_t count : input_.targets.boxes.counts.to_vector<std::int32_t>())
      num_targets.push_back(count);
    std::int64_t anchors = 0;
    for (const std::int64_t stride : kPyramidStrides)
      anchors += 3 * ((96 + stride - 1) / stride) * ((128 + stride - 1) / stride);
    const std::int64_t capacity = input_.targets.boxes.boxes.size(1);
    input_.rpn_order = order_of(context_, expected_, "rpn_sample", anchors, num_targets, 0);
    input_.roi_order =
        order_of(context_, expected_, "roi_sample",
                 capacity + detector_->options().rpn.max_proposals, num_targets, capacity);
  }

  nlohmann::json expected_ = read_expected(GetParam());
  ContextPtr context_ = make_cpu_context();
  ParameterSet parameters_;
  std::optional<TwoStreamDetector> detector_;
  DetectorInput input_;
};

TEST_P(DetectorParity, LossesGradientsAndDetections) {
  const DetectorLosses losses = detector_->losses(input_);
  for (std::size_t i = 0; i < kPyramidLevels; ++i)
    EXPECT_TRUE(fits_summary(losses.fused[i].to_vector<float>(), expected_["fused"][i], kTolerance))
        << "level " << i;

  const auto proposal_boxes = losses.proposals.boxes.boxes.to_vector<float>();
  const auto proposal_scores = losses.proposals.scores.to_vector<float>();
  for (std::size_t n = 0; n < expected_["proposals"].size(); ++n) {
    const auto& want = expected_["proposals"][n];
    EXPECT_EQ(losses.proposals.boxes.counts.to_vector<std::int32_t>()[n], want["count"]);
    const auto boxes = want["boxes"].get<std::vector<float>>();
    const auto scores = want["scores"].get<std::vector<float>>();
    const std::size_t capacity = proposal_scores.size() / expected_["proposals"].size();
    for (std::size_t i = 0; i < boxes.size(); ++i)  // in pixels of a 128 wide image
      ASSERT_NEAR(proposal_boxes[n * capacity * 4 + i], boxes[i], 128 * kTolerance)
          << n << ' ' << i;
    for (std::size_t i = 0; i < scores.size(); ++i)
      ASSERT_NEAR(proposal_scores[n * capacity + i], scores[i], kTolerance) << n << ' ' << i;
  }
  EXPECT_TRUE(fits_summary(losses.pooled.to_vector<float>(), expected_["pooled"], kTolerance));

  const std::vector<std::pair<const char*, Tensor>> terms = {{"rpn_cls", losses.rpn_cls},
                                                             {"rpn_bbox", losses.rpn_bbox},
                                                             {"roi_cls", losses.roi_cls},
                                                             {"roi_bbox", losses.roi_bbox}};
  for (const auto& [name, loss] : terms) {
    const double want = expected_["losses"][name];
    EXPECT_NEAR(loss.item(), want, kTolerance * std::abs(want)) << name;
  }

  const Tensor total = weighted_sum(
      {losses.rpn_cls, losses.rpn_bbox, losses.roi_cls, losses.roi_bbox}, {1, 1, 1, 1});
  const std::vector<Tensor> gradients = backward(total, parameters_);
  std::size_t compared = 0;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const Parameter& parameter = parameters_.all()[i];
    EXPECT_EQ(gradients[i].defined(), parameter.trainable) << parameter.name;
    if (!gradients[i].defined()) continue;
    ASSERT_TRUE(expected_["gradients"].contains(parameter.name)) << parameter.name;
    EXPECT_TRUE(fits_summary(gradients[i].to_vector<float>(),
                             expected_["gradients"][parameter.name], kTolerance))
        << parameter.name;
    ++compared;
  }
  EXPECT_EQ(compared, expected_["gradients"].size());

  for (const auto& [name, summary] : expected_["buffers"].items())
    EXPECT_TRUE(fits_summary(parameters_.find(name)->value.to_vector<float>(), summary, kTolerance))
        << name;

  const DetectionTensors found = detector_->predict(input_);
  const auto boxes = found.boxes.boxes.to_vector<float>(), scores = found.scores.to_vector<float>();
  const auto labels = found.labels.to_vector<std::int32_t>();
  const auto counts = found.boxes.counts.to_vector<std::int32_t>();
  const std::size_t capacity = scores.size() / counts.size();
  for (std::size_t n = 0; n < counts.size(); ++n) {
    const auto& want = expected_["detections"][n];
    const auto want_boxes = want["boxes"].get<std::vector<float>>();
    const auto want_scores = want["scores"].get<std::vector<float>>();
    ASSERT_EQ(static_cast<std::size_t>(counts[n]), want_scores.size());
    for (std::size_t i = 0; i < want_scores.size(); ++i) {
      EXPECT_NEAR(scores[n * capacity + i], want_scores[i], kTolerance) << n << ' ' << i;
      EXPECT_EQ(labels[n * capacity + i], want["labels"][i]) << n << ' ' << i;
      for (std::size_t k = 0; k < 4; ++k)  // up to 256 pixels of the original
        EXPECT_NEAR(boxes[(n * capacity + i) * 4 + k], want_boxes[i * 4 + k], 256 * kTolerance)
            << n << ' ' << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, DetectorParity,
                         ::testing::Values("r18_concat", "r50_gated", "r18_add_batch",
                                           "r34_thermal", "r18_shared"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace ktrain::test
