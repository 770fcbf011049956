#include "runtime/fork.h"

#include <cstdlib>
#include <exception>
#include <string_view>
#include <utility>

#include "kernels/check.h"

namespace ktrain {
namespace {

bool lanes_wanted() {
  const char* const set = std::getenv("KT_LANES");
  return set == nullptr || std::string_view(set) != "1";
}

}  // namespace

Fork::Fork(ContextPtr context)
    : context_(std::move(context)), exceptions_(std::uncaught_exceptions()) {
  if (context_->queue.device != Device::kCuda || !lanes_wanted()) return;
  KT_CHECK(context_->lane == 0, "Fork: inside lane {} of another one", context_->lane);
  if (context_->side) context_->side->begin.record(context_->stream->get());
  context_->memory.begin_lanes(Context::kLanes);
  ++context_->forks;
  open_ = true;
}

Fork::~Fork() {
  if (!open_) return;
  if (std::uncaught_exceptions() > exceptions_)
    leave();
  else
    join();
}

void Fork::enter(int lane) {
  if (!open_) return;
  KT_CHECK(lane >= 1 && lane <= Context::kLanes, "Fork: lane {}, wanted 1 to {}", lane,
           Context::kLanes);
  context_->memory.use_lane(lane);
  context_->lane = lane;
  if (!context_->side) return;  // nothing runs
  Context::Side& side = *context_->side;
  context_->queue.stream = lane == 1 ? context_->stream->get() : side.stream.get();
  if (lane == 1 || side.entered) return;
  side.begin.hold(side.stream.get());
  side.entered = true;
}

void Fork::join() {
  if (!open_) return;
  if (context_->side && context_->side->entered) {
    context_->side->end.record(context_->side->stream.get());
    context_->side->end.hold(context_->stream->get());
  }
  leave();
}

void Fork::leave() noexcept {
  open_ = false;
  context_->lane = 0;
  context_->memory.end_lanes();
  if (!context_->side) return;
  context_->side->entered = false;
  context_->queue.stream = context_->stream->get();
}

}  // namespace ktrain
