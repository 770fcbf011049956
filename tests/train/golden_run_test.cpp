// Twenty steps of one small run, against the losses that it had when it was right.
#include <cmath>
#include <sstream>

#include <gtest/gtest.h>

#include "tests/support/kaist_tree.h"
#include "tests/support/tiny_run.h"
#include "train/run_setup.h"

namespace ktrain::test {
namespace {

constexpr std::int64_t kSteps = 20;

// Sums round differently on another machine, by about 1e-7 of a value. So that such a difference
// cannot turn into another choice of regions, the run makes none: every anchor is proposed, nothing
// is suppressed and every proposal is trained on. The largest difference measured stands in the
// golden file's head, with the tolerance.
TEST(GoldenRun, TwentyStepsHaveTheirLosses) {
  // Pictures of whole numbers: the same on every machine, which drawn scenes need not be.
  const TempFolder data;
  (void)write_kaist_tree(data, 8);
  const TinyRun tiny;
  const ResolvedPlan resolved = load_plan(
      tiny.plan(), {"data.preset=kaist", "data.root=" + data.path().string(), "data.train=train",
                    "data.val=train", "optimizer.kind=sgd", "optimizer.lr=0.005", "train.epochs=5",
                    "threads=1", "model.rpn.nms_pre=2000", "model.rpn.max_proposals=1100",
                    "model.rpn.nms=1.0", "model.roi.samples=1200", "model.roi.positive_share=1.0"});
  RunSetup setup(resolved, [](const std::string&) {});
  std::istringstream golden(read_text(KT_SOURCE_DIR "/tests/train/golden/run20.txt"));
  std::string line;
  double tolerance = 0;
  while (std::getline(golden, line) && line.starts_with("#"))
    if (line.starts_with("# tolerance ")) tolerance = std::stod(line.substr(12));
  std::string measured;
  double worst = 0;
  for (std::int64_t step = 0; step < kSteps; ++step) {
    const StepReport report = setup.train_step(step);
    std::istringstream numbers(line);
    const auto compare = [&](double value) {
      double wanted = std::nan("");
      numbers >> wanted;
      measured += fmt::format("{:.9g} ", value);
      const double difference = std::abs(value - wanted) / std::max(1e-3, std::abs(wanted));
      worst = std::isnan(difference) ? difference : std::max(worst, difference);
      EXPECT_LE(difference, tolerance)
          << "step " << step + 1 << ": " << value << ", wanted " << wanted;
    };
    for (const double term : report.values.terms) compare(term);
    compare(report.gradient_norm);
    measured += '\n';
    std::getline(golden, line);
  }
  RecordProperty("worst", fmt::format("{:.3g}", worst));
  if (HasFailure()) std::cout << "worst " << worst << "\nmeasured\n" << measured;
}

}  // namespace
}  // namespace ktrain::test
