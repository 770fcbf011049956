#include "train/memory_plan.h"

#include <algorithm>

#include "kernels/device/memory.h"
#include "runtime/fault.h"

namespace ktrain {
namespace {

constexpr double kMiB = 1024.0 * 1024.0;

// Sets Queue::planning while it lives, also when the planned step throws.
class PlanningScope {
 public:
  explicit PlanningScope(Queue& queue) : queue_(queue), before_(queue.planning) {
    queue_.planning = true;
  }
  ~PlanningScope() { queue_.planning = before_; }
  PlanningScope(const PlanningScope&) = delete;
  PlanningScope& operator=(const PlanningScope&) = delete;

 private:
  Queue& queue_;
  bool before_;
};

MemoryUsage planned_usage(Context& context, std::int64_t batch,
                          const std::function<void(std::int64_t)>& step) {
  const PlanningScope planning(context.queue);
  context.memory.reset_peak();
  step(batch);
  const MemoryUsage usage = context.memory.usage();
  context.memory.reset_peak();
  return usage;
}

}  // namespace

MemoryPlan plan_memory(Context& context, std::int64_t batch,
                       const std::function<void(std::int64_t)>& step) {
  MemoryPlan plan;
  plan.batch = batch;
  const std::int64_t before = context.memory.usage().live_bytes;
  plan.device = context.queue.device;
  plan.available_bytes =
      plan.device == Device::kCpu ? available_memory_bytes() : device_memory().free_bytes;
  plan.usage = planned_usage(context, batch, step);
  const MemoryUsage more = planned_usage(context, batch + 1, step);
  KT_CHECK(context.memory.usage().live_bytes == before,
           "plan_memory: the step left {} bytes behind",
           context.memory.usage().live_bytes - before);
  plan.bytes_per_pair =
      std::max<std::int64_t>(1, more.high_water_bytes - plan.usage.high_water_bytes);
  const std::int64_t fixed = plan.usage.high_water_bytes - plan.bytes_per_pair * batch;
  plan.largest_batch =
      std::max<std::int64_t>(0, (plan.available_bytes - fixed) / plan.bytes_per_pair);
  return plan;
}

std::string memory_table(const MemoryPlan& plan) {
  std::string text = fmt::format("memory of one step, batch {}\n", plan.batch);
  for (std::size_t use = 0; use < kNumMemoryUses; ++use)
    text += fmt::format("  {:<12} {:>10.1f} MiB\n", name(static_cast<MemoryUse>(use)),
                        static_cast<double>(plan.usage.peak_by_use[use]) / kMiB);
  text += fmt::format("  {:<12} {:>10.1f} MiB at the peak, {:.1f} MiB with gaps\n", "together",
                      static_cast<double>(plan.usage.peak_bytes) / kMiB,
                      static_cast<double>(plan.usage.high_water_bytes) / kMiB);
  text += fmt::format(
      "  {:<12} {:>10.1f} MiB available; one more pair takes {:.1f} MiB; "
      "largest batch that fits: {}\n",
      plan.device == Device::kCpu ? "machine" : "GPU",
      static_cast<double>(plan.available_bytes) / kMiB,
      static_cast<double>(plan.bytes_per_pair) / kMiB, plan.largest_batch);
  return text;
}

std::string probe_memory_line(const MemoryPlan& plain, const MemoryPlan& probed) {
  const auto before = static_cast<double>(plain.usage.peak_bytes);
  const auto after = static_cast<double>(probed.usage.peak_bytes);
  return fmt::format("  {:<12} {:>10.1f} MiB at the peak of a step that is probed ({:+.1f} %)\n",
                     "monitor", after / kMiB, 100 * (after - before) / before);
}

void check_fits(const MemoryPlan& plan) {
  if (plan.usage.high_water_bytes <= plan.available_bytes) return;
  throw_fault("KT-SYS-002",
              "a step with train.batch = {} needs {:.0f} MiB, {:.0f} MiB are available{}; {}",
              plan.batch, static_cast<double>(plan.usage.high_water_bytes) / kMiB,
              static_cast<double>(plan.available_bytes) / kMiB,
              plan.device == Device::kCpu ? "" : " on the GPU",
              plan.largest_batch > 0
                  ? fmt::format("train.batch = {} fits", plan.largest_batch)
                  : std::string("not even one pair fits: use a smaller data.size or model.width"));
}

}  // namespace ktrain
