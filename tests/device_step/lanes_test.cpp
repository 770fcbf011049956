// Work in two streams: branches of the step's graph, and what they may not do.
#include <cstdlib>

#include <gtest/gtest.h>

#include "kernels/device/emulation/graph.h"
#include "kernels/device/graph.h"
#include "runtime/fork.h"
#include "runtime/ops.h"
#include "runtime/ops_alignment.h"
#include "tests/device_step/stage.h"

namespace ktrain::test {
namespace {

class DeviceLanes : public DeviceStage {};

// Steps of a graph whose nodes run in `order`, and what they left.
class OrderedGraphs {
 public:
  explicit OrderedGraphs(emulation::GraphOrder order) { emulation::order_graphs(order); }
  ~OrderedGraphs() { emulation::order_graphs(emulation::GraphOrder::kRecorded); }
  OrderedGraphs(const OrderedGraphs&) = delete;
  OrderedGraphs& operator=(const OrderedGraphs&) = delete;
};

// The two streams lie side by side in the graph. Whatever order the GPU finds, nothing that one of
// them reads is written by the other, be it through memory that was freed and used again.
TEST_F(DeviceLanes, LanesMayRunInAnyOrder) {
  for (const Overrides& overrides :
       {Overrides{"loss.macl.weight=0.1", "loss.macl.rows=4", "loss.macl.hidden=16",
                  "loss.macl.channels=8", "loss.dhn.weight=0.1", "loss.dhn.queue=24",
                  "loss.dhn.top_k=4", "loss.dhn.frame_gap=0", "train.average=0.25"},
        {"model.norm=frozen", "model.fusion=gated"},
        {"model.fusion=add"},
        {"model.fusion=add", "loss.domain.weight=0.1"},
        {"model.shared=true"}}) {
    Stage stage(tiny_, overrides);
    Side recorded(stage, gpu(stage)), latest(stage, gpu(stage));
    for (std::int64_t step = 0; step < kWarm + 2; ++step) {
      const StepReport want = recorded.run(step);
      const OrderedGraphs order(emulation::GraphOrder::kLatest);
      const StepReport got = latest.run(step);
      EXPECT_EQ(got.values.terms, want.values.terms) << step;
      EXPECT_EQ(got.gradient_norm, want.gradient_norm) << step;
    }
    EXPECT_GT(latest.training.device_step()->replay().graphs(), 0);
    EXPECT_TRUE(same_states(latest.training, recorded.training));
  }
}

TEST_F(DeviceLanes, OneLaneGivesTheSameBits) {
  Stage stage(tiny_);
  Side lanes(stage, gpu(stage));
  ::setenv("KT_LANES", "1", 1);
  Side one(stage, gpu(stage));
  for (std::int64_t step = 0; step < kWarm + 1; ++step) (void)one.run(step);
  ::unsetenv("KT_LANES");
  for (std::int64_t step = 0; step < kWarm + 1; ++step) (void)lanes.run(step);
  EXPECT_TRUE(same_states(one.training, lanes.training));
}

// A fork whose lanes do touch the same tensor: that the order above can see such a thing.
TEST_F(DeviceLanes, ALaneThatReadsWhatTheOtherWritesIsSeen) {
  const ContextPtr context = make_cuda_context(1 << 20);
  const auto result = [&](emulation::GraphOrder order_of_nodes) {
    const OrderedGraphs order(order_of_nodes);
    Tensor x = Tensor::from<float>(context, {1}, std::vector<float>{1});
    Tensor sum = Tensor::zeros(context, {1});
    const Tensor five = Tensor::from<float>(context, {1}, std::vector<float>{5});
    const Graph graph(context->queue.stream, [&] {
      Fork fork(context);
      fork.enter(1);
      copy_into(x, five);
      fork.enter(2);
      accumulate_into(sum, x);
      fork.join();
    });
    graph.launch(context->queue.stream);
    return sum.item();
  };
  EXPECT_EQ(result(emulation::GraphOrder::kRecorded), 5);
  EXPECT_EQ(result(emulation::GraphOrder::kLatest), 1);
}

}  // namespace
}  // namespace ktrain::test
