#include "runtime/context.h"

namespace ktrain {
namespace {

// More than any GPU has; only addresses.
constexpr std::int64_t kPlanningBytes = std::int64_t{1} << 41;

}  // namespace

Context::Context(Device device, ArenaMemory where, std::int64_t capacity_bytes)
    : memory(capacity_bytes, where) {
  queue.device = device;
  if (where != ArenaMemory::kDevice) return;
  stream = std::make_unique<Stream>();
  queue.stream = stream->get();
  side = std::make_unique<Side>();
}

ContextPtr make_cpu_context() { return std::make_shared<Context>(); }

ContextPtr make_cuda_context(std::int64_t capacity_bytes) {
  return std::make_shared<Context>(Device::kCuda, ArenaMemory::kDevice, capacity_bytes);
}

ContextPtr make_planning_context(Device device) {
  auto context = std::make_shared<Context>(device, ArenaMemory::kNowhere, kPlanningBytes);
  context->queue.planning = true;
  return context;
}

}  // namespace ktrain
