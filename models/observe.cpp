#include "models/observe.h"

namespace ktrain {
namespace {

thread_local ForwardObserver* watching = nullptr;

}  // namespace

ForwardObserver* forward_observer() { return watching; }

ObserverScope::ObserverScope(ForwardObserver& observer) : before_(watching) {
  watching = &observer;
}

ObserverScope::~ObserverScope() { watching = before_; }

}  // namespace ktrain
