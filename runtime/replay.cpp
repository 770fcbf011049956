#include "runtime/replay.h"

#include <cstdlib>
#include <string_view>

#include "kernels/check.h"

namespace ktrain {
namespace {

bool is_set_to(const char* variable, std::string_view value) {
  const char* const found = std::getenv(variable);
  return found != nullptr && found == value;
}

}  // namespace

Replay::Replay(const ContextPtr& context)
    : context_(context),
      enabled_(context->queue.device == Device::kCuda && !is_set_to("KT_SYNC_LAUNCH", "1") &&
               !is_set_to("KT_GRAPH", "0")) {}

void Replay::run(std::uint64_t key, const std::function<void()>& work) {
  if (!enabled_ || context_->queue.planning) return work();
  Entry& entry = entries_[key];
  if (entry.runs < kWarmUps) {
    ++entry.runs;
    return work();
  }
  const std::uint64_t layout = context_->memory.layout();
  if (!entry.graph || entry.layout != layout) {
    entry.graph = std::make_unique<Graph>(context_->queue.stream, work);
    entry.layout = layout;
    KT_CHECK(context_->memory.layout() == layout, "Replay: the work left memory behind");
  }
  entry.graph->launch(context_->queue.stream);
}

std::int64_t Replay::graphs() const {
  std::int64_t count = 0;
  for (const auto& [key, entry] : entries_) count += entry.graph ? 1 : 0;
  return count;
}

std::int64_t Replay::nodes() const {
  std::int64_t count = 0;
  for (const auto& [key, entry] : entries_) count += entry.graph ? entry.graph->nodes() : 0;
  return count;
}

}  // namespace ktrain
