// What two lanes (runtime/fork.h) take of a GPU's memory beside one, by a plan of one step.
#include <cstdlib>

#include <gtest/gtest.h>

#include "train/batch_tensors.h"
#include "train/plan_load.h"
#include "train/training_step.h"

namespace ktrain {
namespace {

struct Planned {
  std::int64_t bytes;  // up to the end of the highest block, gaps included
  std::int64_t forks;
};

Planned planned(const char* lanes, Size size, const std::vector<std::string>& overrides) {
  if (lanes != nullptr) ::setenv("KT_LANES", lanes, 1);
  const Plan plan = load_plan(KT_SOURCE_DIR "/configs/plan_a.cfg", overrides).plan;
  const ContextPtr context = make_planning_context(Device::kCuda);
  TrainingStep training(context, plan);
  const BatchTensors batch(context, plan.train.batch, size, 64);
  training.run({batch.input(), {1, 100}, 0, {}, {}, false});
  ::unsetenv("KT_LANES");
  return {context->memory.usage().high_water_bytes, context->forks};
}

TEST(LanesMemory, TwoTakeLittleMoreThanOne) {
  struct Case {
    const char* name;
    Size size;
    std::vector<std::string> overrides;
  };
  const std::vector<Case> cases = {
      {"plan A, 128x160", {128, 160}, {}},
      {"plan A with MACL, 128x160", {128, 160}, {"loss.macl.weight=0.1"}},
      {"two R50 streams, 512x640, batch 2",
       {512, 640},
       {"train.batch=2", "model.depth=50", "model.width=1"}},
      {"two R50 streams, 512x640, batch 8",
       {512, 640},
       {"train.batch=8", "model.depth=50", "model.width=1"}}};
  for (const Case& c : cases) {
    const Planned in_one = planned("1", c.size, c.overrides),
                  in_two = planned(nullptr, c.size, c.overrides);
    EXPECT_EQ(in_one.forks, 0);
    EXPECT_GT(in_two.forks, 20);
    const double one = static_cast<double>(in_one.bytes), two = static_cast<double>(in_two.bytes);
    std::printf("%s: %.1f MiB in one lane, %.1f in two\n", c.name, one / 1048576.0,
                two / 1048576.0);
    EXPECT_LT(two, 1.08 * one) << c.name;
  }
}

}  // namespace
}  // namespace ktrain
