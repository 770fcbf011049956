// A checkpoint with the gate of models/msp_gate.h is not quietly taken by a detector without it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/detector.h"
#include "runtime/fault.h"
#include "tests/support/simulated_disk.h"
#include "train/load_weights.h"
#include "train/tensor_arrays.h"

namespace ktrain {
namespace {

struct Model {
  ContextPtr context = make_cpu_context();
  ParameterSet set;
  TwoStreamDetector detector;

  explicit Model(bool msp) : detector(context, options(msp), 1, set) {}
  static DetectorOptions options(bool msp) {
    DetectorOptions o;
    o.msp = msp;
    o.backbone.depth = 18;
    o.backbone.width = 0.0625;
    o.channels = 8;
    o.roi.fc_channels = 8;
    return o;
  }
};

LoadedCheckpoint saved(const Model& model) {
  test::SimulatedDisk disk;
  (void)write_checkpoint_file(disk, "w.safetensors", parameter_arrays(model.set), {{"step", "1"}});
  return read_checkpoint_file(disk, "w.safetensors");
}

std::string refusal(const LoadedCheckpoint& from, Model& into) {
  try {
    (void)load_weights(from, into.set);
  } catch (const Fault& fault) {
    return fault.what();
  }
  return "";
}

TEST(MspCheckpoint, IsRefusedWithCountsBothWays) {
  Model with(true), without(false);
  const auto all = with.set.all().size(), fewer = without.set.all().size();
  ASSERT_EQ(all, fewer + 5);
  const std::string left_over = refusal(saved(with), without);
  EXPECT_THAT(left_over, testing::HasSubstr(fmt::format(
                             "{} matched, 0 missing, 5 unexpected, 0 of another shape", fewer)));
  EXPECT_THAT(left_over, testing::HasSubstr("msp."));
  const std::string missing = refusal(saved(without), with);
  EXPECT_THAT(missing, testing::HasSubstr(fmt::format(
                           "{} matched, 5 missing, 0 unexpected, 0 of another shape", fewer)));
  EXPECT_THAT(missing, testing::HasSubstr("msp."));
  EXPECT_EQ(refusal(saved(with), with), "");
}

}  // namespace
}  // namespace ktrain
